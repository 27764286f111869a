"""What showing an item changes: how much more often it is liked than it would have been anyway.

A recommendation is worth the likes that it causes, not those that it predicts (Sato et al., *Uplift-based Evaluation
and Optimization of Recommenders*, RecSys 2019; Gutierrez and Gérardy, *Causal Inference and Uplift Modelling*, PMLR 67,
2017). The log must tell what was shown, and people must also find things by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION, as_observed
from kgrec.data.split import interaction_matrix, to_events
from kgrec.evaluate.lists_record import Effect, Uplift
from kgrec.evaluate.splits import Holdout
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.significance import intervals, resampled
from kgrec.types import UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST = 0.95
"""Propensities are clipped from above, too: that little weight of what was not shown stays finite."""


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

    def propensities(self, rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how likely each pair was to be shown, shape ``(p,)``.

        ``shown(u) * shown(i) / shown`` by the margins of the log: who looks often is shown more, and what is promoted
        is shown to more people; beyond that, showing is taken to be independent of what somebody would like.
        """
        return np.clip(self.of_users[rows] * self.of_items[items], self.clip, MOST)


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
    from scipy.sparse import csr_array as csr

    later = holdout.later(dataset)
    if later is None:
        return None
    rows = dataset.interactions.filter(pl.Series(later) & (pl.col("action") == IMPRESSION)).drop_nulls("item")
    if rows.is_empty():
        return None
    places = (rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy().astype(np.int64))
    shown = csr((np.ones(rows.height), places), shape=(dataset.n_users, dataset.n_items))
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
    from scipy.sparse import csr_array as csr

    users = np.flatnonzero(np.diff(shown.indptr)).astype(np.int64)
    if not len(users):
        return None
    was_known = _ones(known[users])
    offered = np.asarray(shown.sum(axis=0)).ravel() > 0
    seen = _without(_ones(shown[users]), was_known)
    good = _without(_ones(csr(_ones(liked[users]).multiply(offered[None, :]))), was_known)
    of_users, of_items = np.diff(seen.indptr).astype(np.float64), np.bincount(seen.indices, minlength=seen.shape[1])
    liked_shown = int(good.multiply(seen).nnz)
    if not liked_shown or liked_shown == good.nnz:
        return None
    n_known = _ones(csr(was_known.multiply(offered[None, :])))
    n_pairs = int(offered.sum()) - np.diff(n_known.indptr).astype(np.int64)
    shares = of_items / max(seen.nnz, 1)
    return ShownLog(users, seen, good, n_pairs, was_known.astype(np.bool_), csr(history[users]), of_users, shares, clip)


def average_effect(log: ShownLog, rng: np.random.Generator) -> Effect:
    """Average treatment effect over all pairs: what showing everything to everybody would add to a pair.

    ``sum over shown of y / e over sum over shown of 1 / e, minus 1 / N * sum over not shown of y / (1 - e)`` with the
    propensity ``e`` (Horvitz and Thompson 1952; self-normalised where weights are large, Hájek 1971): an inverse
    propensity weighted difference in means, with a percentile bootstrap interval over users.

    Args:
        log: what was shown and liked.
        rng: draws users.
    """
    rows, items = _places(log.shown)
    weights = 1.0 / log.propensities(rows, items)
    good = _at(log.liked, rows, items)
    others = _without(log.liked, log.shown)
    places = _places(others)
    of_others = 1.0 / (1.0 - log.propensities(*places))
    u = len(log.users)
    parts = [
        np.bincount(rows, weights=weights * good, minlength=u),
        np.bincount(rows, weights=weights, minlength=u),
        np.bincount(places[0], weights=of_others, minlength=u),
        log.n_pairs.astype(np.float64),
    ]
    return _effect(np.stack(parts), len(rows), rng)


def effect_on_lists(log: ShownLog, tops: Sequence[NDArray[np.int64]], rng: np.random.Generator) -> Effect:
    """Uplift@k of lists: the average effect over the pairs that the lists hold (Sato et al. 2019), self-normalised.

    ``sum of z y / e over sum of z / e, minus sum of (1 - z) y / (1 - e) over sum of (1 - z) / (1 - e)`` over all
    places of all lists, where ``z`` says whether the log shows the pair. Items that nobody was shown do not count.

    Args:
        log: what was shown and liked.
        tops: lists of ``log.users``, shape ``(u, k)``, -1 for none; one array a seed.
        rng: draws users.
    """
    rows = np.concatenate([np.nonzero(top >= 0)[0] for top in tops])
    items = np.concatenate([top[top >= 0] for top in tops])
    offered = log.of_items[items] > 0
    rows, items = rows[offered], items[offered]
    e, z, y = log.propensities(rows, items), _at(log.shown, rows, items), _at(log.liked, rows, items)
    u = len(log.users)
    columns = (z * y / e, z / e, (1 - z) * y / (1 - e), (1 - z) / (1 - e))
    parts = np.stack([np.bincount(rows, weights=column, minlength=u) for column in columns])
    return _effect(parts.astype(np.float64), round(z.sum() / len(tops)), rng)


def measure_uplift(
    log: ShownLog, tops: Mapping[str, Sequence[NDArray[np.int64]]], ks: Sequence[int], rng: np.random.Generator
) -> Uplift:
    """Return all that a log says of the effect of recommendations.

    Args:
        log: what was shown and liked.
        tops: lists of ``log.users`` by system, one array of shape ``(u, k)`` a seed.
        ks: lengths of the lists.
        rng: draws users.
    """
    at = {
        system: {k: effect_on_lists(log, [top[:, :k] for top in of_seeds], rng) for k in ks}
        for system, of_seeds in tops.items()
    }
    of_shown = int(log.liked.multiply(log.shown).nnz)
    return Uplift(
        users=len(log.users),
        shown=int(log.shown.nnz),
        liked_shown=of_shown,
        liked_unshown=int(log.liked.nnz) - of_shown,
        naive=naive_difference(log),
        everywhere=average_effect(log, rng),
        at=at,
    )


def naive_difference(log: ShownLog) -> float:
    """Return how much more often what was shown is liked than what was not, uncorrected."""
    of_shown = int(log.liked.multiply(log.shown).nnz)
    n_other = int(log.n_pairs.sum()) - log.shown.nnz
    return of_shown / log.shown.nnz - (log.liked.nnz - of_shown) / max(n_other, 1)


def _effect(parts: NDArray[np.float64], n_shown: int, rng: np.random.Generator) -> Effect:
    """Make the effect from each user's sums, shape ``(4, u)``: numerator and denominator, shown and not shown."""
    drawn = _rates(resampled(np.ascontiguousarray(parts.T), rng))
    shown, unshown, uplift = intervals(_rates(parts.sum(axis=1)[None])[0], drawn, parts.shape[1])
    return Effect(shown=shown, unshown=unshown, uplift=uplift, n_shown=n_shown)


def _rates(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums ``(d, 4)`` -> rate when shown, rate when not, their difference ``(d, 3)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shown, unshown = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
    return np.stack([shown, unshown, shown - unshown], axis=1)


def _ones(matrix: csr_array) -> csr_array:
    from scipy.sparse import csr_array as csr

    found = csr(matrix)
    found.sum_duplicates()
    found.eliminate_zeros()
    return csr((np.ones(found.nnz), found.indices, found.indptr), shape=found.shape)


def _without(matrix: csr_array, other: csr_array) -> csr_array:
    """Return the entries of ``matrix`` that ``other`` does not have; both hold ones only."""
    return _ones(matrix - matrix.multiply(other))


def _places(matrix: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the entries."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.int64)


def _at(matrix: csr_array, rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the entries of a matrix of ones at these places, shape ``(p,)``."""
    if not len(rows):
        return np.zeros(0)
    return np.asarray(matrix[rows, items], dtype=np.float64).ravel()
