"""Of what was shown, what was clicked: is it scored above the rest? The figures that news recommendation states.

AUC over all showings together is the figure of DKN (Wang et al., WWW 2018); the means over what was shown together are
those of MIND (Wu et al., *MIND: A Large-scale Dataset for News Recommendation*, ACL 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION
from kgrec.evaluate.lists_record import Clicks
from kgrec.evaluate.splits import Holdout
from kgrec.significance import DRAWS, LEVEL, UNKNOWN, Interval
from kgrec.types import UserIndices

LENGTHS = (5, 10)
"""Places that NDCG looks at, as MIND does."""

WORK = 1 << 31
"""Numbers touched for the interval of the pooled AUC, at most; where there are very many showings, fewer draws do."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Showings:
    """Items shown after training, and which of them were clicked.

    Attributes:
        users: positions of those who were shown something, shape ``(u,)``.
        items: positions of what was shown to anybody, shape ``(i,)``.
        rows, columns: who was shown what, as places in ``users`` and ``items``, shape ``(s,)``.
        groups: what was shown together has the same number, counted from 0 without a gap, shape ``(s,)``.
        clicked: shape ``(s,)``.
        by: what makes a group, in words.
    """

    users: UserIndices
    items: Ints
    rows: Ints
    columns: Ints
    groups: Ints
    clicked: NDArray[np.bool_]
    by: str


def held_showings(dataset: Dataset, holdout: Holdout, weights: NDArray[np.float32]) -> Showings | None:
    """Return what was shown after the fit part and whether it was clicked; None where the data does not tell.

    A showing counts as clicked if the user liked the item in what was held out. Where no item that was liked has a
    showing too, the log writes either the one or the other, and likes are showings that were clicked. What one user
    was shown at the same time makes a group; without times, all that the user was shown.

    Args:
        dataset: what was split.
        holdout: how it was split.
        weights: how much each row is a like, shape ``(n_rows,)``.
    """
    if holdout.later(dataset) is None:
        return None
    rows = dataset.interactions.select(
        pl.col("user", "item").cast(pl.Int64),
        "time",
        shown=pl.col("action") == IMPRESSION,
        liked=pl.Series(weights > 0),
    )
    rows = rows.filter(pl.Series(~holdout.fit)).drop_nulls("item")
    likes = rows.filter("liked").select("user", "item").unique()
    showings = rows.filter("shown")
    if showings.join(likes, on=["user", "item"], how="semi").is_empty():
        showings = rows.filter(pl.col("shown") | pl.col("liked"))
    timed = showings.height > 0 and showings["time"].null_count() == 0
    key = ["user", "time"] if timed else ["user"]
    pairs = showings.unique([*key, "item"], maintain_order=True)
    pairs = pairs.join(likes.with_columns(clicked=True), on=["user", "item"], how="left", maintain_order="left")
    pairs = pairs.with_columns(pl.col("clicked").fill_null(False), group=pl.struct(key).rank("dense") - 1)
    if not 0 < pairs["clicked"].sum() < pairs.height:
        return None
    users, of_users = np.unique(pairs["user"].to_numpy(), return_inverse=True)
    items, columns = np.unique(pairs["item"].to_numpy(), return_inverse=True)
    groups, clicked = pairs["group"].to_numpy().astype(np.int64), pairs["clicked"].to_numpy()
    by = "what a user was shown at the same time" if timed else "all that a user was shown"
    return Showings(users, items, of_users.astype(np.int64), columns.astype(np.int64), groups, clicked, by)


def auc(scores: Floats, clicked: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Return how often a clicked showing stands above one that was not; a tie counts half. NaN without either.

    Args:
        scores: shape ``(s,)``.
        clicked: shape ``(s,)``.
        weights: how often each showing counts, shape ``(s,)``, or None: once.
    """
    counts = np.ones((1, len(scores))) if weights is None else weights[None, :]
    return float(_Pooled(scores, clicked).of(counts)[0])


class _Pooled:
    """AUC of the same scores for many weights, from one sort."""

    def __init__(self, scores: Floats, clicked: NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._clicked = clicked[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))  # of equal scores

    def of(self, weights: Floats) -> Floats:
        """Return the figure for each row of ``weights``, shape ``(d, s)``."""
        weights = weights[:, self._order]
        hits = np.add.reduceat(weights * self._clicked, self._starts, axis=1)
        others = np.add.reduceat(weights * ~self._clicked, self._starts, axis=1)
        below = np.cumsum(others, axis=1) - others / 2  # half of those of the same score
        pairs = hits.sum(axis=1) * others.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(pairs > 0, (hits * below).sum(axis=1) / pairs, np.nan))


def group_figures(scores: Floats, clicked: NDArray[np.bool_], groups: Ints) -> dict[str, Floats]:
    """Return the figures of each group, shape ``(g,)``; NaN for a group of clicks only, or of none.

    ``group auc``; ``mrr``: mean of ``1 / rank`` over the clicked items, as MIND has it; ``ndcg@k``. Of equal scores,
    what was clicked comes last.

    Args:
        scores: shape ``(s,)``.
        clicked: shape ``(s,)``.
        groups: numbers from 0 without a gap, shape ``(s,)``.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    size, hits = np.bincount(groups, minlength=n_groups), np.bincount(groups[clicked], minlength=n_groups)
    order = np.lexsort((clicked, -scores, groups))
    rank = np.empty(len(scores), dtype=np.int64)
    rank[order] = np.arange(len(scores)) - (np.cumsum(size) - size)[groups[order]] + 1
    told = (hits > 0) & (hits < size)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(groups[clicked], values, n_groups), dtype=np.float64)

    found = {"group auc": _auc_by_group(scores, clicked, groups, size, hits)}
    found["mrr"] = total(1 / rank[clicked]) / np.maximum(hits, 1)
    for k in LENGTHS:
        ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])[np.minimum(hits, k)]
        gain = np.where(rank[clicked] <= k, 1 / np.log2(rank[clicked] + 1), 0)
        found[f"ndcg@{k}"] = total(gain) / np.where(told, ideal, 1)
    return {name: np.where(told, values, np.nan) for name, values in found.items()}


def _auc_by_group(scores: Floats, clicked: NDArray[np.bool_], groups: Ints, size: Ints, hits: Ints) -> Floats:
    order = np.lexsort((scores, groups))
    ordered, whose = scores[order], groups[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]) | (whose[1:] != whose[:-1])])[: len(order)]
    tie = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    middle = (first + np.append(first[1:], len(order)) - 1) / 2  # mean place of equal scores
    ranks = np.empty(len(order))
    ranks[order] = middle[tie] - (np.cumsum(size) - size)[whose] + 1
    total = np.bincount(groups[clicked], ranks[clicked], len(size))
    return np.asarray((total - hits * (hits + 1) / 2) / np.maximum(hits * (size - hits), 1))


def measure_clicks(shown: Showings, scores: Mapping[str, Sequence[Floats]], rng: np.random.Generator) -> Clicks:
    """Return the figures of each system, means over seeds, with intervals over users.

    Args:
        shown: what was shown and clicked.
        scores: of the showings, shape ``(s,)``, one array a seed, by system; NaN is below all others.
        rng: draws users, the same ones for all systems.
    """
    n_users, n_shown = len(shown.users), len(shown.rows)
    draws = int(np.clip(WORK // max(n_shown, 1), 200, DRAWS))
    counts = rng.multinomial(n_users, np.full(n_users, 1 / max(n_users, 1)), size=draws).astype(np.float64)
    counts[0] = 1  # what was found itself
    of_group = np.zeros(int(shown.groups.max(initial=-1)) + 1, dtype=np.int64)
    of_group[shown.groups] = shown.rows
    systems: dict[str, dict[str, Interval]] = {}
    told = 0
    for name, seeds in scores.items():
        found: dict[str, list[Floats]] = {}
        for values in seeds:
            known = np.where(np.isnan(values), -np.inf, values)
            found.setdefault("auc", []).append(_pooled_draws(known, shown, counts))
            figures = group_figures(known, shown.clicked, shown.groups)
            told = int(np.isfinite(figures["mrr"]).sum())
            for key, of_groups in figures.items():
                found.setdefault(key, []).append(_mean_draws(of_groups, of_group, counts))
        units = {"auc": n_users}
        systems[name] = {k: _interval(np.mean(v, axis=0), units.get(k, told)) for k, v in found.items()}
    return Clicks(
        users=n_users, shown=n_shown, clicked=int(shown.clicked.sum()), groups=told, by=shown.by, systems=systems
    )


def _pooled_draws(scores: Floats, shown: Showings, counts: Floats) -> Floats:
    pooled = _Pooled(scores, shown.clicked)
    return np.concatenate([pooled.of(row[None, shown.rows]) for row in counts])


def _mean_draws(values: Floats, of_group: Ints, counts: Floats) -> Floats:
    known = ~np.isnan(values)
    total = np.bincount(of_group[known], values[known], counts.shape[1])
    number = np.bincount(of_group[known], minlength=counts.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((counts @ total) / (counts @ number))


def _interval(draws: Floats, n: int) -> Interval:
    if not np.isfinite(draws[0]):
        return UNKNOWN
    low, high = np.nanquantile(draws[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(draws[0]), float(low), float(high), n)


def per_user_standard(score: Callable[[UserIndices], NDArray[np.float32]], shown: Showings, block_size: int) -> Floats:
    """Return the scores of the showings, shape ``(s,)``.

    Fused scores of different users are on no common scale; so each user's are standardised over what was shown to
    anybody.

    Args:
        score: gives users' fused scores of all items, shape ``(b, n_items)``.
        shown: what was shown.
        block_size: users at once.
    """
    from kgrec.ranking.fusion import standardise

    found = np.empty(len(shown.rows))
    order = np.argsort(shown.rows, kind="stable")
    ends = np.searchsorted(shown.rows[order], np.arange(0, len(shown.users) + block_size, block_size))
    for number, start in enumerate(range(0, len(shown.users), block_size)):
        own = order[ends[number] : ends[number + 1]]
        standard = standardise(score(shown.users[start : start + block_size])[:, shown.items])
        found[own] = standard[shown.rows[own] - start, shown.columns[own]]
    return found
