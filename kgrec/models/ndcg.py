"""NDCG (Järvelin and Kekäläinen 2002) with binary gains: of lists, of ranks, of many fusions of the same candidates.

A relevant item at a rank, counted from 1, gains ``1 / log2(rank + 1)``; a list's sum is divided by that of the best
list there could be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MANY_LIKES = 8
"""Where users have more held-out likes in the mean, those that cannot be in the list are sorted out first."""


def discount(ranks: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Return what a relevant item at each rank, counted from 1, adds to the gain of a list of ``k``; 0 beyond it."""
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1), 0.0)


def ideal_gain(relevant: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Return the gain of the best list of ``k`` where so many items are relevant, same shape; 0 where none is."""
    gains = np.concatenate([[0.0], np.cumsum(discount(np.arange(1, k + 1), k))])
    return np.asarray(gains[np.minimum(relevant, k)], dtype=np.float64)


def hits(top: NDArray[np.int64], truth: csr_array) -> NDArray[np.bool_]:
    """Say which entries of ``top`` of shape ``(u, k)`` are nonzero in the rows of ``truth`` of shape ``(u, n)``."""
    n_items = truth.shape[1]
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    relevant = np.sort(rows * n_items + truth.indices)
    keys = np.arange(len(top))[:, None] * n_items + np.where(top < 0, 0, top)
    if len(relevant) == 0:
        return np.zeros(top.shape, dtype=np.bool_)
    found = relevant[np.minimum(np.searchsorted(relevant, keys), len(relevant) - 1)] == keys
    return np.asarray(found & (top >= 0), dtype=np.bool_)


def recall(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each user's relevant items that are in the list, shape ``(u,)``; NaN where there are none.

    Args:
        hit: which places of the list hold a relevant item, shape ``(u, k)``.
        relevant: how many items are relevant, shape ``(u,)``.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(relevant > 0, hit.sum(axis=1) / relevant, np.nan)


def ndcg(hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the NDCG of each user's list, shape ``(u,)``; NaN where nothing is relevant.

    Args:
        hit: which places of the list hold a relevant item, shape ``(u, k)``.
        relevant: how many items are relevant, shape ``(u,)``.
    """
    k = hit.shape[1]
    ideal = ideal_gain(relevant, k)
    return np.asarray((hit @ discount(np.arange(1, k + 1), k)) / np.where(ideal > 0, ideal, np.nan), dtype=np.float64)


def recall_ndcg(top: NDArray[np.int64], truth: csr_array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return :func:`recall` and :func:`ndcg` at ``k`` of each user, both of shape ``(u,)``.

    Args:
        top: recommended items, best first, shape ``(u, k)``, -1 for none.
        truth: relevant items, CSR of shape ``(u, n_items)``.
    """
    hit = hits(top, truth)
    relevant = np.diff(truth.indptr).astype(np.int64)
    return recall(hit, relevant), ndcg(hit, relevant)


class CandidateNDCG:
    """Mean NDCG@k of fused scores of candidates; what does not depend on the fusion is prepared once.

    Only the ranks of the held-out likes are needed, which is far cheaper than lists.

    Args:
        relevant: held-out likes among the candidates, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
        k: length of the list.
        weights: what each user's figure is multiplied by, shape ``(u,)``; None: nothing.
    """

    def __init__(
        self,
        relevant: NDArray[np.bool_],
        n_relevant: NDArray[np.int64],
        k: int,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self._k, self._shape = k, relevant.shape
        self._users, self._places = np.nonzero(relevant)
        self._ideal = ideal_gain(np.maximum(n_relevant, 1), k)
        if weights is not None:
            self._ideal = self._ideal / weights
        self._many = len(self._users) > MANY_LIKES * self._shape[0] and self._shape[1] > k
        rows = (0 if self._many else len(self._users), self._shape[1])
        self._rows, self._ahead = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.bool_)

    def of(self, fused: NDArray[np.float32]) -> float:
        """Return the figure of fused scores of shape ``(u, c)``; equal scores count against a held-out like."""
        return float(np.mean(self.by_user(fused)))

    def by_user(self, fused: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the same for each user, shape ``(u,)``."""
        values = fused[self._users, self._places]
        rank = self._near_ranks(fused, values) if self._many else self._ranks(fused, values)
        gain = np.where(values > -np.inf, discount(rank, self._k), 0.0)
        return np.asarray(np.bincount(self._users, gain, self._shape[0]) / self._ideal)

    def _ranks(self, fused: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.int64]:
        np.take(fused, self._users, axis=0, out=self._rows, mode="clip")  # other modes write to a copy first
        np.greater_equal(self._rows, values[:, None], out=self._ahead)
        # A sum of packed bits is many times as fast as one of truth values.
        return np.asarray(np.bitwise_count(np.packbits(self._ahead, axis=1)).sum(axis=1, dtype=np.int64))

    def _near_ranks(self, fused: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.int64]:
        least = np.partition(fused, -self._k, axis=1)[:, -self._k]
        near = np.flatnonzero(values >= least[self._users])
        rank = np.full(len(values), self._k + 1)
        rank[near] = (fused[self._users[near]] >= values[near, None]).sum(axis=1)
        return rank
