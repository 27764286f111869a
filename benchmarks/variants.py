"""kgrec as it is measured: by default, refitted, and one scorer alone with the graph, without it, and shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from adapters import Prepared

GraphState = Literal["true", "none", "shuffled"]

TRIPLES = "[[data.triples]]"
GRAPHS = ("kg.tsv", "dbpedia.tsv")
"""Files with triples: head, relation, tail."""


@dataclass(frozen=True, slots=True)
class Variant:
    """Settings that differ from the defaults.

    Attributes:
        settings: as given to ``--set``.
        graph: what is done to the triples.
        datasets: where it is run; None for all.
        alone: one scorer by itself.
    """

    settings: tuple[str, ...] = ()
    graph: GraphState = "true"
    datasets: tuple[str, ...] | None = None
    alone: bool = False


def _alone(scorer: str, graph: GraphState = "true") -> Variant:
    return Variant((f'train.scorers=["{scorer}"]',), graph, ("lastfm", "dbbook"), alone=True)


VARIANTS: Mapping[str, Variant] = {
    "kgrec": Variant(),
    "kgrec-refit": Variant(("train.refit=true",), datasets=("ml-100k", "lastfm")),
    "kgrec-gnn": _alone("gnn"),
    "kgrec-gnn-no-graph": _alone("gnn", "none"),
    "kgrec-gnn-shuffled-graph": _alone("gnn", "shuffled"),
    "kgrec-ease": _alone("ease"),
    "kgrec-als-many-factors": _alone("als-many-factors"),
}
"""By name of the cell."""


def with_graph(prepared: Prepared, state: GraphState) -> Prepared:
    """Return the dataset without its triples, or with the tails of each relation dealt out anew (files are rewritten).

    Attributes in the catalogue stay.
    """
    if state == "none":
        return replace(prepared, config=prepared.config.split(TRIPLES)[0])
    if state == "shuffled":
        for file in prepared.files:
            if file.name in GRAPHS:
                _shuffle(file)
    return prepared


def _shuffle(file: Path) -> None:
    table = pl.read_csv(file, separator="\t", infer_schema=False, quote_char=None)
    relation, tail = table.columns[1:3]
    order = np.random.default_rng(11).permutation(table.height)
    dealt = table[order].sort(relation, maintain_order=True)[tail]
    table = table.sort(relation, maintain_order=True).with_columns(dealt)
    table.write_csv(file, separator="\t", quote_style="never")
