"""The knowledge graph as tables: nodes, relations, edges with their provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.data.dataset import read_table
from kgrec.types import Triples
from kgrec.workspace import read_json, storage_errors, write_json

KINDS = ("user", "item", "entity")
"""Kinds of nodes, in the order in which they are numbered where all nodes have one numbering."""

NODES: Mapping[str, pl.DataType] = {
    "kind": pl.String(),
    "index": pl.UInt32(),
    "type": pl.String(),
    "key": pl.String(),
    "label": pl.String(),
    "aliases": pl.List(pl.String()),
}
"""Row ``k`` is node ``k``. ``kind`` is user, item or entity; ``index`` the position in the vocabulary (null for an
entity); ``key`` the id in the data (for an entity its IRI or ``type:name``), unique within a kind; ``label`` is what a
person reads (never null, the key where nothing better is known)."""

RELATIONS: Mapping[str, pl.DataType] = {
    "name": pl.String(),
    "label": pl.String(),
    "inverse": pl.String(),
    "inverse_label": pl.String(),
}
"""Row ``k`` is relation ``k``; interactions are relations too, named like their action."""

EDGES: Mapping[str, pl.DataType] = {
    "head": pl.UInt32(),
    "relation": pl.UInt16(),
    "tail": pl.UInt32(),
    "weight": pl.Float32(),
    "time": pl.Int64(),
    "provenance": pl.Categorical(),
    "source": pl.Categorical(),
    "line": pl.UInt32(),
}
"""Forward edges only. ``provenance`` is interaction, catalogue, triples, mention or pattern; ``source`` and ``line``
name the file and row it came from; ``weight`` is 1 for a stated fact, the score for a mention, the value of an
interaction (1 without one). A fact that two provenances state is two rows."""


@dataclass(eq=False)
class GraphTables:
    """Nodes, relations and edges; see :data:`NODES`, :data:`RELATIONS`, :data:`EDGES`. ``report`` counts the build."""

    nodes: pl.DataFrame
    relations: pl.DataFrame
    edges: pl.DataFrame
    report: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the tables as parquet."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.nodes.write_parquet(folder / "nodes.parquet")
            self.relations.write_parquet(folder / "relations.parquet")
            self.edges.write_parquet(folder / "edges.parquet")
        write_json(folder / "graph.json", {"report": self.report})

    @classmethod
    def load(cls, folder: Path) -> GraphTables:
        """Read what :meth:`save` wrote.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
        """
        nodes, relations, edges = (read_table(folder / f"{name}.parquet") for name in ("nodes", "relations", "edges"))
        return GraphTables(nodes, relations, edges, read_json(folder / "graph.json")["report"])

    def both_ways(self, edges: pl.DataFrame) -> pl.DataFrame:
        """Return edges as seen from their heads, then the same as seen from their tails.

        Returns:
            ``near``, ``far``, ``forward`` (stated from near to far), ``relation`` (its name), ``read`` (its name, from
            the tail that of the inverse), ``label`` (how it reads from near to far), ``weight``, ``time``,
            ``provenance``, ``source``, ``line``.
        """
        named = self.relations.with_columns(back=pl.coalesce("inverse_label", "label"))[edges["relation"]]
        kept = edges.select("weight", "time", "provenance", "source", "line")
        sides = []
        for near, far, read, label in (("head", "tail", "name", "label"), ("tail", "head", "inverse", "back")):
            ends = edges.select(near=near, far=far, forward=pl.lit(near == "head"))
            relation = named.select(relation="name", read=read, label=label)
            sides.append(pl.concat([ends, relation, kept], how="horizontal"))
        return pl.concat(sides)

    @cached_property
    def training_nodes(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Node -> number in :class:`Triples` (items first, then entities in order), -1 for users; shape ``(n,)``."""
        kind = self.nodes["kind"].to_numpy()
        numbers = np.full(len(kind), -1, dtype=np.int64)
        items = kind == "item"
        numbers[items] = self.nodes["index"].fill_null(0).to_numpy()[items]
        entities = kind == "entity"
        numbers[entities] = int(items.sum()) + np.arange(int(entities.sum()))
        return numbers

    def triples(self, *, min_entity_degree: int = 1) -> Triples:
        """Return the edges that touch no user, each once with its largest weight.

        Args:
            min_entity_degree: edges to entities of lower degree are left out; the numbering of nodes stays.
        """
        kinds = self.nodes["kind"]
        entity_or_item = (kinds != "user").to_numpy()
        edges = (
            self.edges.filter(
                pl.Series(entity_or_item[self.edges["head"].to_numpy()])
                & pl.Series(entity_or_item[self.edges["tail"].to_numpy()])
            )
            .group_by("head", "relation", "tail")
            .agg(pl.col("weight").max())
            .sort("head", "relation", "tail")
        )
        heads = self.training_nodes[edges["head"].to_numpy()]
        tails = self.training_nodes[edges["tail"].to_numpy()]
        weights = edges["weight"].to_numpy()
        relations = edges["relation"].to_numpy().astype(np.int64)
        n_items = int((kinds == "item").sum())
        n_nodes = n_items + int((kinds == "entity").sum())
        degree = np.bincount(heads, minlength=n_nodes) + np.bincount(tails, minlength=n_nodes)
        degree[:n_items] = np.iinfo(np.int64).max
        keep = (degree[heads] >= min_entity_degree) & (degree[tails] >= min_entity_degree)
        return Triples(
            heads[keep],
            relations[keep],
            tails[keep],
            weights[keep].astype(np.float32),
            n_items,
            n_nodes,
            tuple(self.relations["name"].to_list()),
        )

    def stats(self) -> dict[str, Any]:
        """Count nodes and edges.

        Returns:
            JSON values: ``nodes`` and ``edges`` (numbers in all), ``nodes_by_kind``, ``entities_by_type``,
            ``edges_by_relation``, ``edges_by_provenance``, ``degree`` (mean, median and largest number of edges by kind
            of node), ``isolated_items`` (no edge but interactions), ``unused_entities`` (no edge at all),
            ``items_with_facts`` (share of items that have an edge to something else than a user) and ``mean_facts``
            (such edges an item).
        """
        kinds = self.nodes["kind"]
        head, tail = self.edges["head"].to_numpy(), self.edges["tail"].to_numpy()
        n_nodes = self.nodes.height
        degree = np.bincount(head, minlength=n_nodes) + np.bincount(tail, minlength=n_nodes)
        is_user, is_item = (kinds == "user").to_numpy(), (kinds == "item").to_numpy()
        fact = ~(is_user[head] | is_user[tail])
        facts = np.bincount(head[fact], minlength=n_nodes) + np.bincount(tail[fact], minlength=n_nodes)
        of_items = facts[is_item]
        names = self.relations["name"]
        return {
            "nodes": n_nodes,
            "edges": self.edges.height,
            "nodes_by_kind": _counts(kinds),
            "entities_by_type": _counts(self.nodes.filter(pl.col("kind") == "entity")["type"]),
            "edges_by_relation": _counts(names.gather(self.edges["relation"])),
            "edges_by_provenance": _counts(self.edges["provenance"]),
            "degree": {kind: _spread(degree[(kinds == kind).to_numpy()]) for kind in ("user", "item", "entity")},
            "isolated_items": int((of_items == 0).sum()),
            "unused_entities": int(((degree == 0) & (kinds == "entity").to_numpy()).sum()),
            "items_with_facts": round(float((of_items > 0).mean()), 4) if len(of_items) else 0.0,
            "mean_facts": round(float(of_items.mean()), 2) if len(of_items) else 0.0,
        }


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    return dict(counted.iter_rows())


def _spread(degrees: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, float]:
    if not len(degrees):
        return {"mean": 0.0, "median": 0.0, "max": 0}
    return {
        "mean": round(float(degrees.mean()), 2),
        "median": float(np.median(degrees)),
        "max": int(degrees.max()),
    }
