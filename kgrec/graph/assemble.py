"""From keys to numbers: nodes, relations and edges of the finished graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.graph.facts import FACTS
from kgrec.graph.schema import Schema
from kgrec.graph.tables import EDGES, NODES, GraphTables


def assemble(
    dataset: Dataset,
    nodes: pl.DataFrame,
    facts: pl.DataFrame,
    schema: Schema,
    *,
    previous: GraphTables | None = None,
    renamed: pl.DataFrame | None = None,
    report: Mapping[str, Any] | None = None,
) -> GraphTables:
    """Number the nodes and write the edges.

    Args:
        dataset: the interactions.
        nodes: as :func:`kgrec.graph.entities.describe` returns them; without ``previous`` this is their order.
        facts: all other edges.
        schema: the relations.
        previous: its nodes and relations keep their numbers, new ones follow. A node that nothing names any more stays
            behind without edges.
        renamed: ``key`` of an entity -> ``entity``, its key now: it keeps the number under the new key.
        report: of the build.
    """
    table = _number(nodes, previous, renamed)
    relations = schema.table(previous.relations if previous else None)
    numbers = relations.select(relation="name").with_row_index("number")
    keys = table.select("kind", "key").with_row_index("node")
    edges = pl.concat([_interactions(dataset, table), _facts(facts, keys)])
    numbered = edges.join(numbers, on="relation", how="left", maintain_order="left").with_columns(relation="number")
    edges = numbered.select(pl.col(name).cast(dtype) for name, dtype in EDGES.items())
    return GraphTables(table, relations, edges, report or {})


def _number(nodes: pl.DataFrame, previous: GraphTables | None, renamed: pl.DataFrame | None) -> pl.DataFrame:
    columns = [pl.col(name).cast(dtype) for name, dtype in NODES.items()]
    if previous is None:
        return nodes.select(columns)
    before = previous.nodes.with_row_index("node")
    if renamed is not None and not renamed.is_empty():
        free = renamed.filter(~pl.col("entity").is_in(before.filter(pl.col("kind") == "entity")["key"].implode()))
        free = free.unique("entity", keep="first", maintain_order=True)
        entity = pl.col("kind") == "entity"
        before = before.with_columns(
            pl.when(entity).then(pl.col("key").replace(free["key"], free["entity"])).otherwise("key").alias("key")
        )
    known = nodes.join(before.select("kind", "key", "node"), on=["kind", "key"], how="left", maintain_order="left")
    standing = known.drop_nulls("node")
    left_behind = before.join(standing.select("node"), on="node", how="anti").select(standing.columns)
    new = known.filter(pl.col("node").is_null())
    return pl.concat([pl.concat([standing, left_behind]).sort("node"), new]).select(columns)


def _interactions(dataset: Dataset, nodes: pl.DataFrame) -> pl.DataFrame:
    """Return an edge for each interaction with an item; a search without one has none."""
    ends = nodes.with_row_index("node").filter(pl.col("kind") != "entity").select("kind", "index", "node")
    users = ends.filter(pl.col("kind") == "user").sort("index")["node"]
    items = ends.filter(pl.col("kind") == "item").sort("index")["node"]
    rows = dataset.without_test().interactions.drop_nulls("item")
    return rows.select(
        pl.Series("head", users.gather(rows["user"])),
        pl.col("action").cast(pl.String).alias("relation"),
        pl.Series("tail", items.gather(rows["item"])),
        pl.col("value").fill_null(1.0).cast(pl.Float32).alias("weight"),
        pl.col("time").cast(pl.Int64),
        pl.lit("interaction").alias("provenance"),
        pl.col("source").cast(pl.String),
        pl.col("line").cast(pl.UInt32),
    )


def _facts(facts: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    numbered = facts
    for end in ("head", "tail"):
        ends = keys.rename({"kind": f"{end}_kind", "key": end, "node": f"{end}_node"})
        numbered = numbered.join(ends, on=[f"{end}_kind", end], how="left", maintain_order="left")
    return numbered.select(
        pl.col("head_node").alias("head"),
        "relation",
        pl.col("tail_node").alias("tail"),
        "weight",
        pl.lit(None, dtype=pl.Int64).alias("time"),
        "provenance",
        pl.col("source").cast(FACTS["source"]),
        "line",
    )
