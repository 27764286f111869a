"""How many of the held-out likes are in the lists, and where; vectorised over users.

Symbols: ``R`` is the number of a user's relevant (held-out) items, ``rel(i)`` is 1 if place ``i`` of the list holds one
of them, else 0. All figures are per user; the mean over users with ``R > 0`` is what is reported. NaN: the user has no
relevant item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.top_k import hits, ndcg, recall

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.types import Scores

PerUser = NDArray[np.float64]
"""One figure a user, shape ``(u,)``."""

LOWEST = np.float32(np.finfo(np.float32).min)
"""Stands for "cannot score" where masked items are -inf: ranked below all that is scored, above what is not ranked."""


def accuracy(top: NDArray[np.int64], truth: csr_array, ks: Sequence[int]) -> dict[str, PerUser]:
    """Return all figures of this module that need no scores, by name and length of the list: ``ndcg@10``.

    Args:
        top: recommended items, best first, shape ``(u, k)`` with ``k >= max(ks)``, -1 for none.
        truth: relevant items, CSR of shape ``(u, n_items)``.
        ks: lengths of the lists.
    """
    hit = hits(top, truth)
    relevant = np.diff(truth.indptr).astype(np.int64)
    found: dict[str, PerUser] = {}
    for k in ks:
        within = hit[:, :k]
        found |= {
            f"ndcg@{k}": ndcg(within, relevant),
            f"recall@{k}": recall(within, relevant),
            f"precision@{k}": precision(within, relevant),
            f"f1@{k}": f1(within, relevant),
            f"map@{k}": average_precision(within, relevant),
            f"mrr@{k}": reciprocal_rank(within, relevant),
            f"hit@{k}": hit_rate(within, relevant),
        }
    return found


def precision(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> PerUser:
    """Precision@k: ``sum of rel(i) / k``; a list shorter than ``k`` is still divided by ``k`` (TREC: ``P_k``)."""
    return _defined(hit.mean(axis=1, dtype=np.float64), relevant)


def f1(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> PerUser:
    """F1@k: harmonic mean of precision and recall, ``2 P R / (P + R)``, 0 without a hit (van Rijsbergen 1979)."""
    return _defined(2 * hit.sum(axis=1) / (hit.shape[1] + relevant), relevant)


def average_precision(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> PerUser:
    """AP@k, whose mean is MAP: ``1 / R * sum over i <= k of rel(i) * precision@i`` (TREC: ``map_cut_k``).

    Some libraries divide by ``min(R, k)`` instead; their figure is larger for users with ``R > k``.
    """
    places = np.arange(1, hit.shape[1] + 1)
    total = (hit * np.cumsum(hit, axis=1) / places).sum(axis=1)
    return _defined(total / np.maximum(relevant, 1), relevant)


def reciprocal_rank(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> PerUser:
    """RR@k, whose mean is MRR: ``1 / rank`` of the first hit, 0 without one (Voorhees 1999; TREC: ``recip_rank``)."""
    first = hit.argmax(axis=1).astype(np.float64)
    return _defined(np.asarray(hit.any(axis=1) / (1.0 + first), dtype=np.float64), relevant)


def hit_rate(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> PerUser:
    """Hit@k: 1 if any place holds a relevant item, else 0 (TREC: ``success_k``)."""
    return _defined(np.asarray(hit.any(axis=1), dtype=np.float64), relevant)


def auc(scores: Scores, truth: csr_array) -> PerUser:
    """Area under the ROC curve over all ranked items: how often a relevant item stands above another one.

    ``(sum of the relevant items' ranks from below - R (R + 1) / 2) / (R * N)`` with ``N`` other items and mean ranks
    for ties (Mann and Whitney 1947; Hanley and McNeil 1982).

    Args:
        scores: shape ``(u, n_items)``; -inf where an item is not ranked, NaN (cannot score) is below all others.
        truth: relevant items, CSR of the same shape; one that is not ranked does not count.

    Returns:
        shape ``(u,)``; NaN where no item is relevant or all are.
    """
    ordered = np.where(np.isnan(scores), LOWEST, scores)
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    ranked = scores[rows, truth.indices] != -np.inf
    rows, columns = rows[ranked], truth.indices[ranked]
    values = ordered[rows, columns]
    ordered.sort(axis=1)  # the truth is short: two searches for each of it are far cheaper than the ranks of all items
    ranks = (_places(ordered, rows, values, np.less) + _places(ordered, rows, values, np.less_equal) + 1) / 2
    left_out = (scores == -np.inf).sum(axis=1)
    n_relevant = np.bincount(rows, minlength=len(scores)).astype(np.float64)
    n_other = scores.shape[1] - left_out - n_relevant
    total = np.bincount(rows, weights=ranks - left_out[rows], minlength=len(scores))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total - n_relevant * (n_relevant + 1) / 2) / (n_relevant * n_other), dtype=np.float64)


def _places(
    ordered: Scores, rows: NDArray[np.int64], values: NDArray[np.float32], before: np.ufunc
) -> NDArray[np.int64]:
    """Count the entries of sorted rows that stand ``before`` a value, by bisection of all at once -> shape ``(p,)``.

    Args:
        ordered: rising rows, shape ``(u, n)``.
        rows: which row each value is looked up in, shape ``(p,)``.
        values: shape ``(p,)``.
        before: ``np.less`` or ``np.less_equal``.
    """
    n = ordered.shape[1]
    low, high = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), n, dtype=np.int64)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        right = (low < high) & before(ordered[rows, np.minimum(middle, n - 1)], values)
        high = np.where((low < high) & ~right, middle, high)
        low = np.where(right, middle + 1, low)
    return low


def rmse(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Root mean square error of ratings: ``sqrt(mean((predicted - actual)²))``; pairs with a NaN are left out."""
    return float(np.sqrt(np.nanmean((predicted - actual) ** 2)))


def mae(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Mean absolute error of ratings: ``mean(|predicted - actual|)``; pairs with a NaN are left out."""
    return float(np.nanmean(np.abs(predicted - actual)))


def _defined(values: NDArray[np.float64], relevant: NDArray[np.int64]) -> PerUser:
    return np.where(relevant > 0, values, np.nan)
