"""Whether explanations name what the recommendations rest on: the deletion test, over many users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kgrec.explain.contributions import by_history, decompose
from kgrec.explain.counterfactual import Removal, deletion
from kgrec.explain.path_quality import fidelity, type_diversity
from kgrec.explain.reasons import Explainer, Route
from kgrec.explain.why import PATHS
from kgrec.ranking.recommend import UserScores
from kgrec.significance import Interval, Paired, bootstrap, compare

NAMED = 3
"""Items of the history that an explanation names: those that contribute most."""


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """The deletion test and the quality of the paths, means over users with 95 % intervals.

    Attributes:
        named: doublings of the rank without the items that the explanation names; 1 is from place 1 to 2, or 5 to 10.
        random: the same without as many other items of the history, drawn at random.
        margin: the difference, paired by user.
        fidelity, recency, popularity, diversity: of the paths, see :mod:`kgrec.explain.path_quality`.
        users: that were asked; those whose history is too short to draw others count for the paths only.
    """

    named: Interval
    random: Interval
    margin: Paired
    fidelity: Interval
    recency: Interval
    popularity: Interval
    diversity: Interval
    users: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


def faithfulness(
    explainer: Explainer, scores: Callable[[str], UserScores], *, users: int, items: int, seed: int
) -> Faithfulness:
    """Explain the lists of some users.

    Args:
        explainer: finds the paths.
        scores: scores all items for a user, given by id.
        users: drawn at random.
        items: first ones of each list.
        seed: draws users and random removals.
    """
    rng = np.random.default_rng(seed)
    ranker = explainer.ranker
    positions = rng.permutation(len(ranker.user_ids))[:users]
    there = set(explainer.dataset.users["user_id"].to_list())
    ids = [key for key in (ranker.user_ids[k] for k in positions) if key in there]
    rows = [_of_user(explainer, scores(user), items, rng) for user in ids]
    figures = np.array(rows, dtype=np.float64).reshape(len(ids), 6)
    named, random, found, recency, popularity, diversity = (bootstrap(column, rng) for column in figures.T)
    margin = compare(figures[:, 0], figures[:, 1], rng)
    return Faithfulness(named, random, margin, found, recency, popularity, diversity, len(ids))


def _of_user(explainer: Explainer, known: UserScores, items: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Return falls of the rank with and without a reason, then the figures of the paths; means over the list."""
    order = np.flatnonzero(known.candidates())
    best = order[np.argsort(-known.fused[order], kind="stable")[:items]]
    split = decompose(explainer.ranker, known.user.position, best, known.parts)
    falls, shown = [], []
    for item, parts in zip(best.tolist(), split, strict=True):  # a list
        carried = by_history(parts, len(known.fused))
        named = np.argsort(-carried, kind="stable")[:NAMED]
        named = named[carried[named] > 0]
        removal = Removal(explainer.ranker, known.user.profile, known.user.seen, item, known.allowed)
        fall = deletion(removal, named, rng)
        falls.append((np.nan, np.nan) if fall is None else fall)
        shown.append(explainer.routes(known.user, item, carried, PATHS)[:1])
    paths = [found[0] for found in shown if found]
    diversity = type_diversity([tuple(step.name for step in path.relations) for path in paths])
    means = [_mean([fall[k] for fall in falls]) for k in (0, 1)]
    return (*means, fidelity([bool(found) for found in shown]), *_quality(paths), diversity)


def _quality(paths: list[Route]) -> tuple[float, float]:
    fresh = [path.recency for path in paths if path.recency is not None]
    known = [path.popularity for path in paths if path.popularity is not None]
    return _mean(fresh), _mean(known)


def _mean(values: list[float]) -> float:
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")
