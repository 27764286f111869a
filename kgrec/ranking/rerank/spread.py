"""The list of which the items are, on the whole, least alike; the surest stay, and it is listed by relevance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.reranking import CandidateLists
from kgrec.ranking.rerank.steps import ByLikeness, Order, as_they_are, blocks, completed


class Spread(ByLikeness):
    """Max-sum diversification (Gollapudi and Sharma, WWW 2009), over all users at once.

    Chooses the set that maximises ``sum of (1 - strength) * chance - strength * mean cosine to the rest of the list``:
    greedily (Borodin, Lee and Ye, PODS 2012), then each item is once exchanged for the best one that is not in the set.
    The mean over all pairs is what intra-list diversity measures; :class:`~kgrec.ranking.rerank.mmr.MMR` looks at the
    most similar one only. ``chance`` is :meth:`CandidateLists.chance`: the first places are much surer than the next
    ones, behind place 20 all are nearly the same, so what is exchanged is the tail. The order of a list does not change
    its diversity, so the set is listed in the order it had.

    Args:
        strength: how much unlikeness counts against relevance; 0 changes nothing.
        by: vectors that tell likeness: ``text``, ``graph``, ``category``, or ``auto`` for the first of text, category,
            graph that there is. An item without a vector is unlike all others.
    """

    def __init__(self, *, strength: float = 0.2, by: str = "auto") -> None:
        super().__init__(strength=strength, by=by)

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        c = lists.items.shape[1]
        width = self._vectors.shape[1] + c  # a row of cosines for each candidate, too
        chosen = np.concatenate([self._chosen(block) for _, block in blocks(lists, width)])
        chosen = np.sort(np.where(chosen < 0, c, chosen), axis=1)
        return completed(np.where(chosen < c, chosen, -1), lists.items)

    def _chosen(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the columns of the set, shape ``(u, n)``, -1 where there are fewer candidates."""
        u, c = lists.items.shape
        rows, n = np.arange(u), min(lists.n, c)
        vectors = np.where(lists.items[:, :, None] >= 0, self._vectors[lists.items], np.float32(0))
        cosine = np.matmul(vectors, vectors.transpose(0, 2, 1))  # (u, c, c)
        relevance = np.float32(1 - self.strength) * lists.chance()
        weight = np.float32(self.strength / max(lists.n - 1, 1))
        open_ = lists.items >= 0
        near = np.zeros((u, c), dtype=np.float32)  # sum of cosines to the set
        chosen = np.full((u, n), -1, dtype=np.int64)
        for step in range(2 * n):
            place, exchange = step % n, step >= n
            if exchange:
                old = chosen[:, place]
                there = old >= 0
                open_[rows[there], old[there]] = True
                near -= np.where(there[:, None], cosine[rows, old], np.float32(0))
            # While the set grows, half of what a pair costs is charged to the item that comes second.
            value = relevance - (2 if exchange else 1) * weight * near
            best = np.where(open_, value, -np.inf).argmax(axis=1)
            taken = open_[rows, best]
            chosen[:, place] = np.where(taken, best, -1)
            open_[rows, best] = False
            near += np.where(taken[:, None], cosine[rows, best], np.float32(0))
        return chosen
