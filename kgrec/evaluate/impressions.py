"""What was shown after training, where the data tells it, and whether what was clicked is scored above the rest.

The figures are those that news recommendation states: AUC over all showings together is that of DKN (Wang et al., WWW
2018), the means over what was shown together are those of MIND (Wu et al., *MIND: A Large-scale Dataset for News
Recommendation*, ACL 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION, as_observed
from kgrec.data.split import interaction_matrix, to_events
from kgrec.evaluate.lists_record import Clicks
from kgrec.evaluate.splits import Holdout
from kgrec.models.ndcg import ndcg
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.significance import DRAWS, UNKNOWN, Interval, intervals
from kgrec.types import UserIndices

LENGTHS = (5, 10)
"""Places that NDCG looks at, as MIND does."""

WORK = 1 << 31
"""Numbers touched for the interval of the pooled AUC, at most; where there are very many showings, fewer draws do."""

MOST = 0.95
"""Propensities are clipped from above, too: that little weight of what was not shown stays finite."""

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


@dataclass(frozen=True)
class ShownLog:
    """What was shown after training, and what was liked then. Only items that were shown to somebody are in it.

    Attributes:
        users: who was shown something, shape ``(u,)``.
        shown: what, boolean CSR of shape ``(u, n_items)``.
        liked: what they liked, shown or not, boolean CSR of the same shape.
        n_pairs: of each user, items that could be shown and were not known before, shape ``(u,)``.
        masked: what they knew before, boolean CSR of the same shape.
        history: what they were known to like, CSR of the same shape.
        of_users, of_items: ``of_users[u] * of_items[i]`` is the propensity before clipping, shapes ``(u,)`` and
            ``(n_items,)``.
        clip: smallest propensity.
    """

    users: UserIndices
    shown: csr_array
    liked: csr_array
    n_pairs: NDArray[np.int64]
    masked: csr_array
    history: csr_array
    of_users: NDArray[np.float64]
    of_items: NDArray[np.float64]
    clip: float

    def propensities(self, rows: NDArray[np.integer[Any]], items: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return how likely each pair was to be shown, shape ``(p,)``.

        ``shown(u) * shown(i) / shown`` by the margins of the log: who looks often is shown more, and what is promoted
        is shown to more people; beyond that, showing is taken to be independent of what somebody would like.
        """
        return np.asarray(np.clip(self.of_users[rows] * self.of_items[items], self.clip, MOST))

    @cached_property
    def others(self) -> csr_array:
        """What was liked and not shown, CSR of shape ``(u, n_items)``."""
        return _without(self.liked, self.shown)


def held_log(
    dataset: Dataset, holdout: Holdout, weights: NDArray[np.float32], training: TrainingInputs, clip: float
) -> ShownLog | None:
    """Return what was shown after the fit part and what came of it; None where the data does not tell.

    Args:
        dataset: what was split.
        holdout: how it was split.
        weights: how much each row is a like, shape ``(n_rows,)``.
        training: what the systems are trained on.
        clip: smallest propensity.
    """
    later = holdout.later(dataset)
    if later is None:
        return None
    rows = dataset.interactions.filter(pl.Series(later) & (pl.col("action") == IMPRESSION)).drop_nulls("item")
    if rows.is_empty():
        return None
    places = (rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy().astype(np.int64))
    shown = csr_array((np.ones(rows.height), places), shape=(dataset.n_users, dataset.n_items))
    liked = interaction_matrix(to_events(dataset, later, weights), dataset.n_users, dataset.n_items)
    return make_log(shown, liked, training.seen, as_observed(training.everything or training.fit), clip)


def make_log(shown: csr_array, liked: csr_array, known: csr_array, history: csr_array, clip: float) -> ShownLog | None:
    """Put the log together; None where it cannot tell an effect.

    There must be likes of what was shown and likes of what was not.

    Args:
        shown: what was shown after training, shape ``(n_users, n_items)``.
        liked: what was liked after training, same shape.
        known: what was known before, same shape; such pairs do not count.
        history: what was known to be liked before, same shape.
        clip: smallest propensity.
    """
    users = np.flatnonzero(np.diff(shown.indptr)).astype(np.int64)
    if not len(users):
        return None
    was_known = _ones(known[users])
    offered = np.asarray(shown.sum(axis=0)).ravel() > 0
    seen = _without(_ones(shown[users]), was_known)
    good = _without(_ones(liked[users].multiply(offered[None, :])), was_known)
    of_users, of_items = np.diff(seen.indptr).astype(np.float64), np.bincount(seen.indices, minlength=seen.shape[1])
    liked_shown = int(good.multiply(seen).nnz)
    if not liked_shown or liked_shown == good.nnz:
        return None
    n_known = np.diff(_ones(was_known.multiply(offered[None, :])).indptr).astype(np.int64)
    n_pairs = int(offered.sum()) - n_known
    shares = of_items / max(seen.nnz, 1)
    return ShownLog(
        users, seen, good, n_pairs, was_known.astype(np.bool_), csr_array(history[users]), of_users, shares, clip
    )


def _ones(matrix: Any) -> csr_array:
    """Return 1 where a sparse matrix is not 0."""
    found = csr_array(matrix)
    found.sum_duplicates()
    found.eliminate_zeros()
    return csr_array((np.ones(found.nnz), found.indices, found.indptr), shape=found.shape)


def _without(matrix: csr_array, other: csr_array) -> csr_array:
    """Return the entries of ``matrix`` that ``other`` does not have; both hold ones only."""
    return _ones(matrix - matrix.multiply(other))


class PooledAuc:
    """How often a clicked showing stands above one that was not; a tie counts half. One sort serves many weights.

    Args:
        scores: shape ``(s,)``.
        clicked: shape ``(s,)``.
    """

    def __init__(self, scores: Floats, clicked: NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._clicked = clicked[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))  # of equal scores

    def of(self, weights: Floats) -> Floats:
        """Return the figure for each row of ``weights``, how often each showing counts, shape ``(d, s)``; or NaN."""
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

    found = {"group auc": _auc_by_group(scores, clicked, groups, size, hits)}
    found["mrr"] = np.bincount(groups[clicked], 1 / rank[clicked], n_groups) / np.maximum(hits, 1)
    near = clicked & (rank <= max(LENGTHS))
    hit = np.zeros((n_groups, max(LENGTHS)), dtype=np.bool_)
    hit[groups[near], rank[near] - 1] = True
    found |= {f"ndcg@{k}": ndcg(hit[:, :k], hits) for k in LENGTHS}
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
            pooled = PooledAuc(known, shown.clicked)
            found.setdefault("auc", []).append(np.concatenate([pooled.of(row[None, shown.rows]) for row in counts]))
            figures = group_figures(known, shown.clicked, shown.groups)
            told = int(np.isfinite(figures["mrr"]).sum())
            for key, of_groups in figures.items():
                found.setdefault(key, []).append(_mean_draws(of_groups, of_group, counts))
        means = {key: np.mean(values, axis=0)[:, None] for key, values in found.items()}
        systems[name] = {
            key: intervals(v[0], v[1:], n_users if key == "auc" else told)[0] if np.isfinite(v[0, 0]) else UNKNOWN
            for key, v in means.items()
        }
    return Clicks(
        users=n_users, shown=n_shown, clicked=int(shown.clicked.sum()), groups=told, by=shown.by, systems=systems
    )


def _mean_draws(values: Floats, of_group: Ints, counts: Floats) -> Floats:
    known = ~np.isnan(values)
    total = np.bincount(of_group[known], values[known], counts.shape[1])
    number = np.bincount(of_group[known], minlength=counts.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((counts @ total) / (counts @ number))


def per_user_standard(score: Callable[[UserIndices], NDArray[np.float32]], shown: Showings, block_size: int) -> Floats:
    """Return the scores of the showings, shape ``(s,)``.

    Fused scores of different users are on no common scale; so each user's are standardised over what was shown to
    anybody.

    Args:
        score: gives users' fused scores of all items, shape ``(b, n_items)``.
        shown: what was shown.
        block_size: users at once.
    """
    from kgrec.ranking.score_stats import standardise

    found = np.empty(len(shown.rows))
    order = np.argsort(shown.rows, kind="stable")
    ends = np.searchsorted(shown.rows[order], np.arange(0, len(shown.users) + block_size, block_size))
    for number, start in enumerate(range(0, len(shown.users), block_size)):
        own = order[ends[number] : ends[number + 1]]
        standard = standardise(score(shown.users[start : start + block_size])[:, shown.items])
        found[own] = standard[shown.rows[own] - start, shown.columns[own]]
    return found
