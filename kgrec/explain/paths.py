"""Paths from a user to an item, ranked by what they contributed, how informative and how fresh they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.explain.explanation import Route, Step, Stop
from kgrec.explain.quality import entity_popularity, linking_recency
from kgrec.graph.paths import Path

if TYPE_CHECKING:
    from kgrec.explain.reasons import Explainer

STARTS = 16
"""A path may start at one of the so many items of the history that contributed most."""


def routes(
    explainer: Explainer, user_id: str, item: int, carried: NDArray[np.float64], k: int, *, bridged: bool = True
) -> list[Route]:
    """Return the best paths from a user to an item.

    A path weighs what :meth:`kgrec.graph.paths.PathFinder.routes` gives it, where an item of the history counts as much
    as it contributed, times ``(1 + recency) / 2``.

    Args:
        explainer: knows the graph.
        user_id: the user.
        item: position at training.
        carried: what each item of the history contributed, shape ``(n_items,)``; only positive ones start a path.
        k: paths at most.
        bridged: also look for paths over two entities.
    """
    starts = np.argsort(-carried, kind="stable")[:STARTS]
    starts = starts[(carried[starts] > 0) & (explainer.to_dataset[starts] >= 0)]
    target = int(explainer.to_dataset[item])
    if target < 0 or not len(starts):
        return []
    history = explainer.to_dataset[starts]
    recency = _recency(explainer, user_id, history)
    strength = carried[starts] * (1 + np.nan_to_num(recency, nan=1.0)) / 2
    found = explainer.finder.routes(history, strength, target, k, bridged=bridged)
    place = {int(node): row for row, node in enumerate(history)}
    actions = explainer.actions(user_id)
    top = float(strength.max())
    routes = []
    for path in found:
        row = place[path.nodes[0]]
        fresh = None if np.isnan(recency[row]) else float(recency[row])
        value = float(carried[starts[row]])
        routes.append(_route(explainer, user_id, path, actions.get(path.nodes[0]), value, fresh, path.weight * top))
    return routes


def _route(
    explainer: Explainer,
    user_id: str,
    path: Path,
    action: str | None,
    contribution: float,
    recency: float | None,
    weight: float,
) -> Route:
    wording = explainer.wording
    rows = [wording.node(number) for number in path.nodes]
    stops = [Stop(str(row["kind"]), str(row["key"]), str(row["label"])) for row in rows]
    pairs = zip(path.relations, path.forward, strict=True)
    steps = [Step(name, wording.label(name, forward), forward) for name, forward in pairs]
    verb = wording.verb(action)
    known = [explainer.popularity[node] for node in path.nodes[1:-1]]
    return Route(
        (Stop("user", user_id, user_id), *stops),
        (Step(action or "like", verb, True), *steps),
        weight,
        contribution,
        recency,
        float(min(known)) if known else None,
    )


def _recency(explainer: Explainer, user_id: str, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recency of the user's interactions with ``items``, NaN where times are not known."""
    rows = explainer.interactions(user_id).filter(pl.col("time").is_not_null())
    last = rows.group_by("item").agg(pl.col("time").max()).sort("item")
    if last.is_empty():
        return np.full(len(items), np.nan)
    known = last["item"].to_numpy().astype(np.int64)
    fresh = linking_recency(last["time"].to_numpy())
    at = np.minimum(np.searchsorted(known, items), len(known) - 1)
    return np.where(known[at] == items, fresh[at], np.nan)


def popularity(n_nodes: int, n_items: int, ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the popularity of every node, items and entities apart, shape ``(n_nodes,)``; see :mod:`quality`.

    Args:
        n_nodes: as in :class:`kgrec.types.Triples`.
        n_items: the same.
        ends: both ends of all edges.
    """
    degrees = np.bincount(ends, minlength=n_nodes)
    return np.concatenate([entity_popularity(degrees[:n_items]), entity_popularity(degrees[n_items:])])
