"""What the graph states around items, with where it stands."""

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
    own = wanted.select(pl.col("node").alias("own"), pl.col("index").alias("item"))
    stated = graph.edges.filter(
        (pl.col("provenance") != "interaction") & ((pl.col("provenance") != "mention") | (pl.col("weight") >= 0.8))
    )
    names = graph.relations.with_row_index("relation").cast({"relation": pl.UInt16})
    sides = []
    for here, there, column, forward in (("head", "tail", "name", True), ("tail", "head", "inverse", False)):
        found = stated.filter(pl.col(here).is_in(own["own"].implode())).join(
            own, left_on=here, right_on="own", maintain_order="left"
        )
        found = found.join(names.select("relation", pl.col(column).alias("name")), on="relation", maintain_order="left")
        sides.append(
            found.select(
                "item",
                pl.col(there).alias("node"),
                pl.col("name").alias("relation"),
                pl.lit(forward).alias("forward"),
                "source",
                "line",
            )
        )
    both = pl.concat(sides).unique(["item", "node", "relation"], keep="first", maintain_order=True)
    readable = nodes.filter(
        (pl.col("kind") == "item") | ((pl.col("kind") == "entity") & (pl.col("label") != pl.col("key")))
    )
    return both.join(readable.select("node", "kind", "key", "label"), on="node", maintain_order="left")
