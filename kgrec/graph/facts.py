"""What is known before nodes have numbers: facts between keys, and names and types of what they join.

One entity stands for one thing: catalogue values that name an entity of an imported graph are that entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.graph.linking import normal_name
from kgrec.graph.schema import Schema

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


UNTYPED = "entity"
"""Type of an entity of which no type is known."""

_RANK_RELATION = 5


def relation_types_of(facts: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the types that entities have by the relations they stand in: who directs is a person; :data:`TYPES`."""
    reserved = ("item", "user", UNTYPED)
    found = []
    for end in ("head", "tail"):
        types = {name: getattr(t, end) for name, t in schema.types.items() if getattr(t, end) not in reserved}
        entities = facts.filter((pl.col(f"{end}_kind") == "entity") & pl.col("relation").is_in(list(types)))
        kind = pl.col("relation").replace_strict(types, default=None, return_dtype=pl.String)
        found.append(shape(entities.select(key=end, type=kind, rank=pl.lit(_RANK_RELATION)).unique(), TYPES))
    return pl.concat(found)


def best_types(types: pl.DataFrame) -> pl.DataFrame:
    """Return ``key``, ``type``: the type of lowest rank, the first by name among equals."""
    return types.sort("key", "rank", "type").group_by("key", maintain_order=True).agg(pl.col("type").first())


def same_entities(catalogue: Facts, imported: Facts) -> pl.DataFrame:
    """Find the entities of imported graphs that catalogue values name.

    A value is the one entity of its type that has the value among its names; failing that, the one entity of no known
    type. Where several fit, none is taken.

    Returns:
        Columns ``key`` (of the catalogue) and ``entity`` (of the graph).
    """
    mine = catalogue.types.select("key", "type").unique()
    # The key of a catalogue's entity is its type and normalised name.
    named = mine.with_columns(name=pl.col("key").str.slice(pl.col("type").str.len_chars() + 1))
    theirs = (
        imported.names.filter(pl.col("kind") == "entity")
        .select(entity="key", name=normal_name(pl.col("name")))
        .unique()
        .join(best_types(imported.types).rename({"key": "entity", "type": "their_type"}), on="entity", how="left")
        .with_columns(pl.col("their_type").fill_null(UNTYPED))
    )
    pairs = named.join(theirs, on="name")
    typed = _single(pairs.filter(pl.col("type") == pl.col("their_type")))
    has_typed = pairs.filter(pl.col("type") == pl.col("their_type")).select("key").unique()
    untyped = _single(pairs.filter(pl.col("their_type") == UNTYPED).join(has_typed, on="key", how="anti"))
    # Two values of different types cannot both be one untyped entity.
    untyped = untyped.filter(pl.len().over("entity") == 1)
    return pl.concat([typed, untyped]).sort("key")


def _single(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select("key", "entity").unique().filter(pl.len().over("key") == 1)


def rename_entities(facts: Facts, renamed: pl.DataFrame) -> Facts:
    """Put ``entity`` in the place of ``key``, as :func:`same_entities` pairs them, wherever it occurs."""
    if renamed.is_empty():
        return facts

    def swap(column: str, entity: pl.Expr) -> pl.Expr:
        return (
            pl.when(entity)
            .then(pl.col(column).replace(renamed["key"], renamed["entity"]))
            .otherwise(column)
            .alias(column)
        )

    edges = facts.facts.with_columns(swap(end, pl.col(f"{end}_kind") == "entity") for end in ("head", "tail"))
    names = facts.names.with_columns(swap("key", pl.col("kind") == "entity"))
    types = facts.types.with_columns(swap("key", pl.lit(True)))
    return Facts(shape(edges, FACTS), shape(names, NAMES), shape(types, TYPES), facts.report)


def describe(dataset: Dataset, facts: Facts) -> pl.DataFrame:
    """Return the nodes of a graph: users and items by position, then the entities that have edges, by key.

    Returns:
        Columns ``kind``, ``index``, ``type``, ``key``, ``label``, ``aliases``; see
        :data:`kgrec.graph.tables.NODES`.
    """
    users = dataset.users.select(kind=pl.lit("user"), key="user_id").with_row_index("index")
    items = dataset.items.select(kind=pl.lit("item"), key="item_id").with_row_index("index")
    ends = [
        facts.facts.filter(pl.col(f"{end}_kind") == "entity").select(kind=pl.lit("entity"), key=end)
        for end in ("head", "tail")
    ]
    entities = pl.concat(ends).unique().sort("key").with_columns(index=pl.lit(None, pl.UInt32))
    nodes = pl.concat([frame.select("kind", "index", "key") for frame in (users, items, entities)])
    return (
        nodes.join(_labels(facts.names), on=["kind", "key"], how="left", maintain_order="left")
        .join(
            best_types(facts.types).with_columns(kind=pl.lit("entity")),
            on=["kind", "key"],
            how="left",
            maintain_order="left",
        )
        .select(
            "kind",
            pl.col("index").cast(pl.UInt32),
            pl.when(pl.col("kind") != "entity").then("kind").otherwise(pl.col("type").fill_null(UNTYPED)).alias("type"),
            "key",
            pl.coalesce("label", "key").alias("label"),
            pl.col("aliases").fill_null(pl.lit([], dtype=pl.List(pl.String))),
        )
    )


def _labels(names: pl.DataFrame) -> pl.DataFrame:
    """Return ``kind``, ``key``, ``label``, ``aliases``."""
    counted = names.group_by("kind", "key", "name").agg(pl.col("rank").min(), pl.col("count").sum())
    ordered = counted.sort("kind", "key", "rank", "count", "name", descending=[False, False, False, True, False])
    grouped = ordered.group_by("kind", "key", maintain_order=True).agg("name")
    return grouped.select(
        "kind", "key", label=pl.col("name").list.first(), aliases=pl.col("name").list.slice(1).list.sort()
    )
