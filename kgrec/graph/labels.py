"""Names of the entities around each item, for texts and profiles."""

from __future__ import annotations

import polars as pl

from kgrec.graph.tables import GraphTables

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
