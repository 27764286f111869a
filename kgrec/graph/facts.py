"""Edges before nodes have numbers: facts between keys, names and types of what they join."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

FACTS: Mapping[str, pl.DataType] = {
    "head_kind": pl.String(),
    "head": pl.String(),
    "relation": pl.String(),
    "tail_kind": pl.String(),
    "tail": pl.String(),
    "weight": pl.Float32(),
    "provenance": pl.String(),
    "source": pl.String(),
    "line": pl.UInt32(),
}
"""An edge between two nodes named by kind and key."""

NAMES: Mapping[str, pl.DataType] = {
    "kind": pl.String(),
    "key": pl.String(),
    "name": pl.String(),
    "rank": pl.UInt8(),
    "count": pl.UInt32(),
}
"""Names of nodes. The label is the name of lowest ``rank``, then of highest ``count``, then the first by spelling."""

TYPES: Mapping[str, pl.DataType] = {"key": pl.String(), "type": pl.String(), "rank": pl.UInt8()}
"""Types of entities; the lowest ``rank`` counts."""

EDGE_KEY = ("head_kind", "head", "relation", "tail_kind", "tail")
"""What makes two facts the same, wherever they come from."""


@dataclass(frozen=True)
class Facts:
    """Facts, names and types from one place; ``report`` counts what was left out."""

    facts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(FACTS)))
    names: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(NAMES)))
    types: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(TYPES)))
    report: Mapping[str, Any] = field(default_factory=dict)


def shape(frame: pl.DataFrame | pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the columns of ``schema``, cast; a column that ``frame`` lacks is null."""
    known = set(frame.collect_schema().names())
    columns = [
        (pl.col(name) if name in known else pl.lit(None)).cast(dtype, strict=False).alias(name)
        for name, dtype in schema.items()
    ]
    return frame.lazy().select(columns).collect()


def merge(parts: Iterable[Facts], report: Mapping[str, Any] | None = None) -> Facts:
    """Put facts, names and types together; the reports are the caller's business."""
    found = list(parts)
    return Facts(
        pl.concat([p.facts for p in found]) if found else Facts().facts,
        pl.concat([p.names for p in found]) if found else Facts().names,
        pl.concat([p.types for p in found]) if found else Facts().types,
        report or {},
    )
