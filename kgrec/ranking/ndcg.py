"""NDCG of many fusions of the same candidates: what does not depend on the fusion is prepared once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MANY_LIKES = 8
"""Where users have more held-out likes in the mean, those that cannot be in the list are sorted out first."""


class Gain:
    """Mean NDCG@k of fused scores. Only the ranks of the held-out likes are needed, which is far cheaper than lists.

    Args:
        relevant: held-out likes among the candidates, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
        k: length of the list.
    """

    def __init__(self, relevant: NDArray[np.bool_], n_relevant: NDArray[np.int64], k: int) -> None:
        self._k, self._shape = k, relevant.shape
        self._users, self._places = np.nonzero(relevant)
        self._ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))[np.minimum(n_relevant, k) - 1]
        self._many = len(self._users) > MANY_LIKES * self._shape[0] and self._shape[1] > k
        rows = (0 if self._many else len(self._users), self._shape[1])
        self._rows, self._ahead = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.bool_)

    def of(self, fused: NDArray[np.float32]) -> float:
        """Return the figure of fused scores of shape ``(u, c)``; equal scores count against a held-out like."""
        values = fused[self._users, self._places]
        rank = self._near_ranks(fused, values) if self._many else self._ranks(fused, values)
        gain = np.where((rank <= self._k) & (values > -np.inf), 1.0 / np.log2(rank + 1), 0.0)
        return float(np.mean(np.bincount(self._users, gain, self._shape[0]) / self._ideal))

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
