"""The entities that the graph joins items with: as stated, with where it stands, and their names for texts."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from kgrec.graph.tables import GraphTables


def item_entities(graph: GraphTables, items: Sequence[int] | None = None) -> pl.DataFrame:
    """Return which entities items are joined with, as they are stated.

    Args:
        graph: the knowledge graph.
        items: positions of the items that are wanted; None for all.

    Returns:
        ``item`` (position), ``node``, ``relation`` (name, of the inverse where the item is the tail), ``forward``,
        ``source``, ``line``, ``kind``, ``key`` and ``label``; entities without a readable name and mentions that are
        not sure are left out.
    """
    nodes = graph.nodes.with_row_index("node")
    wanted = nodes.filter(pl.col("kind") == "item")
    if items is not None:
        wanted = wanted.filter(pl.col("index").is_in(list(items)))
    sure = (pl.col("provenance") != "mention") | (pl.col("weight") >= 0.8)
    near = pl.any_horizontal(pl.col("head", "tail").is_in(wanted["node"].implode()))
    stated = graph.both_ways(graph.edges.filter((pl.col("provenance") != "interaction") & sure & near))
    found = stated.join(wanted.select(near="node", item="index"), on="near", maintain_order="left")
    found = found.select(
        "item", pl.col("far").alias("node"), pl.col("read").alias("relation"), "forward", "source", "line"
    )
    both = found.unique(["item", "node", "relation"], keep="first", maintain_order=True)
    named = (pl.col("kind") == "entity") & (pl.col("label") != pl.col("key"))
    readable = nodes.filter((pl.col("kind") == "item") | named)
    return both.join(readable.select("node", "kind", "key", "label"), on="node", maintain_order="left")


TOO_COMMON = 0.5
"""An entity that more than this share of the linked items have says nothing of any of them."""


def item_labels(graph: GraphTables, *, limit: int = 16) -> pl.DataFrame:
    """Return for each item the names of its entities, those that most items share first.

    Entities that have no readable name are left out.

    Args:
        graph: the knowledge graph.
        limit: names an item at most.

    Returns:
        ``item`` (position in the vocabulary) and ``labels`` (list of strings); items without entities are missing.
    """
    nodes = graph.nodes.with_row_index("node").select("node", "kind", "index", "key", "label")
    ends = graph.edges.filter(pl.col("provenance") != "interaction").select("head", "tail")
    both = pl.concat([ends, ends.select(head="tail", tail="head")])
    items = nodes.filter(pl.col("kind") == "item").select(head="node", item="index")
    named = (pl.col("kind") == "entity") & (pl.col("label") != pl.col("key"))
    entities = nodes.filter(named).select(tail="node", label="label")
    pairs = both.join(items, on="head").join(entities, on="tail").select("item", "tail", "label").unique()
    pairs = pairs.with_columns(shared=pl.len().over("tail"))
    n_linked = max(pairs["item"].n_unique(), 1)
    kept = pairs.filter(pl.col("shared") <= max(TOO_COMMON * n_linked, 1))
    ordered = kept.sort(["item", "shared", "label"], descending=[False, True, False])
    return ordered.group_by("item", maintain_order=True).agg(labels=pl.col("label").head(limit))
