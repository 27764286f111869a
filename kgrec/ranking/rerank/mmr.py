"""Maximal marginal relevance: each next item is relevant and unlike what stands above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.reranking import CandidateLists
from kgrec.ranking.rerank.steps import ByLikeness, Order, as_they_are, blocks, completed


class MMR(ByLikeness):
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), greedily over all users at once.

    The next item maximises ``(1 - strength) * relevance - strength * max cosine to the items above``; relevance lies in
    [0, 1], so 1 - strength is the paper's lambda.

    Args:
        strength: how much unlikeness counts against relevance; 0 changes nothing.
        by: vectors that tell likeness: ``text``, ``graph``, ``category``, or ``auto`` for the first of text, category,
            graph that there is.
    """

    def __init__(self, *, strength: float = 0.3, by: str = "auto") -> None:
        super().__init__(strength=strength, by=by)

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        orders = [self._block(block) for _, block in blocks(lists, self._vectors.shape[1])]
        return np.concatenate(orders)

    def _block(self, lists: CandidateLists) -> Order:
        u, c = lists.items.shape
        rows = np.arange(u)
        vectors = self._vectors[np.maximum(lists.items, 0)]  # (u, c, d)
        relevance = (1 - self.strength) * lists.relevance()
        open_ = lists.items >= 0
        nearest = np.full((u, c), -1.0, dtype=np.float32)
        chosen = np.full((u, min(lists.n, c)), -1, dtype=np.int64)
        value: NDArray[np.float32] = relevance
        for place in range(chosen.shape[1]):
            best = np.where(open_, value, -np.inf).argmax(axis=1)
            chosen[:, place] = np.where(open_[rows, best], best, -1)
            open_[rows, best] = False
            cosine = np.matmul(vectors, vectors[rows, best][:, :, None])[:, :, 0]
            np.maximum(nearest, cosine, out=nearest)
            value = relevance - np.float32(self.strength) * nearest
        return completed(chosen, lists.items)
