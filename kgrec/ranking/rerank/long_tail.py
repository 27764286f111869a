"""A share of the places for the long tail."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, fraction, quota


class LongTail:
    """Keeps a share of each list for items of the long tail, as far as there are any among the candidates.

    The tail are the least popular items, which together have ``tail`` of all likes (Celma and Herrera, RecSys 2008;
    by default a fifth, after the 80/20 rule). Of the first ``p`` places at least ``floor(share * p)`` are theirs.

    Args:
        share: of the places; 0 changes nothing.
        tail: share of all likes that the tail has.
    """

    def __init__(self, *, share: float = 0.1, tail: float = 0.2) -> None:
        self.share = fraction("share", share)
        self.tail = fraction("tail", tail)

    def prepare(self, data: RerankData) -> Self:
        """Find the tail."""
        order = np.argsort(data.popularity, kind="stable")
        reached = np.cumsum(data.popularity[order])
        self._tail = np.zeros(data.n_items, dtype=np.bool_)
        self._tail[order[reached <= self.tail * max(int(data.popularity.sum()), 1)]] = True
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        wanted = self._tail[np.maximum(lists.items, 0)] & (lists.items >= 0)
        return quota(as_they_are(lists.items), wanted, self.share, lists.n)
