"""Counts that tell what a graph is like."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from kgrec.graph.tables import GraphTables


def stats(graph: GraphTables) -> dict[str, Any]:
    """Count nodes and edges of a graph.

    Returns:
        JSON values: ``nodes`` and ``edges`` (numbers in all), ``nodes_by_kind``, ``entities_by_type``,
        ``edges_by_relation``, ``edges_by_provenance``, ``degree`` (mean, median and largest number of edges by kind of
        node), ``isolated_items`` (no edge but interactions), ``unused_entities`` (no edge at all),
        ``items_with_facts`` (share of items that have an edge to something else than a user) and ``mean_facts``
        (such edges an item).
    """
    kinds = graph.nodes["kind"]
    head, tail = graph.edges["head"].to_numpy(), graph.edges["tail"].to_numpy()
    n_nodes = graph.nodes.height
    degree = np.bincount(head, minlength=n_nodes) + np.bincount(tail, minlength=n_nodes)
    is_user, is_item = (kinds == "user").to_numpy(), (kinds == "item").to_numpy()
    fact = ~(is_user[head] | is_user[tail])
    facts = np.bincount(head[fact], minlength=n_nodes) + np.bincount(tail[fact], minlength=n_nodes)
    of_items = facts[is_item]
    names = graph.relations["name"]
    return {
        "nodes": n_nodes,
        "edges": graph.edges.height,
        "nodes_by_kind": _counts(kinds),
        "entities_by_type": _counts(graph.nodes.filter(pl.col("kind") == "entity")["type"]),
        "edges_by_relation": _counts(names.gather(graph.edges["relation"])),
        "edges_by_provenance": _counts(graph.edges["provenance"]),
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
