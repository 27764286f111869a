"""A determinantal point process: the list whose vectors span the largest volume, weighted by relevance."""

from __future__ import annotations

import numpy as np

from kgrec.plugin.reranking import CandidateLists
from kgrec.ranking.rerank.steps import ByLikeness, Order, as_they_are, blocks, completed

LEAST = 1e-6
"""Variance left to an item that the items above it explain wholly; its logarithm stays finite."""


class DPP(ByLikeness):
    """Fast greedy maximum a posteriori inference (Chen, Zhang and Zhou, NeurIPS 2018), over all users at once.

    Maximises ``(1 - strength) * sum of relevance + strength * log det S`` for the cosines ``S`` of the list: the
    paper's kernel ``Diag(q) S Diag(q)`` with ``q = exp(relevance * (1 - strength) / (2 strength))``, scaled so that
    strength may be 0. The Cholesky factor grows by a row an item: ``d_i² -= e_i²`` with
    ``e_i = (S_ji - <c_j, c_i>) / d_j``.

    Args:
        strength: how much volume counts against relevance; 0 changes nothing.
        by: vectors that tell likeness: ``text``, ``graph``, ``category``, or ``auto`` for the first of text, category,
            graph that there is. An item without a vector is unlike all others.
    """

    def __init__(self, *, strength: float = 0.1, by: str = "auto") -> None:
        super().__init__(strength=strength, by=by)

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        width = self._vectors.shape[1] + lists.n  # the factor's rows are gathered, too
        return np.concatenate([self._block(block) for _, block in blocks(lists, width)])

    def _block(self, lists: CandidateLists) -> Order:
        u, c = lists.items.shape
        n = min(lists.n, c)
        rows = np.arange(u)
        vectors = self._vectors[np.maximum(lists.items, 0)]  # (u, c, d)
        relevance = (1 - self.strength) * lists.relevance()
        open_ = lists.items >= 0
        left = np.ones((u, c), dtype=np.float32)  # d², what the items above do not explain
        factor = np.zeros((u, c, n), dtype=np.float32)
        chosen = np.full((u, n), -1, dtype=np.int64)
        for place in range(n):
            value = relevance + np.float32(self.strength) * np.log(np.maximum(left, LEAST))
            best = np.where(open_, value, -np.inf).argmax(axis=1)
            chosen[:, place] = np.where(open_[rows, best], best, -1)
            open_[rows, best] = False
            cosine = np.matmul(vectors, vectors[rows, best][:, :, None])[:, :, 0]
            if place:
                known = factor[:, :, :place]
                cosine -= np.matmul(known, known[rows, best][:, :, None])[:, :, 0]
            gained = cosine / np.sqrt(np.maximum(left[rows, best], LEAST))[:, None]
            factor[:, :, place] = gained
            left -= gained**2
        return completed(chosen, lists.items)
