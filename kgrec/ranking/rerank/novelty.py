"""What the user does not know yet, and what is a happy surprise."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import ByLikeness, Order, blended, blocks, rarity, scaled


class Novelty(ByLikeness):
    """Favours items unlike the user's history: ``(1 - strength) * relevance + strength * (1 - cosine)``.

    The cosine is that to the sum of the liked items' vectors, brought to [0, 1] among the candidates: distance-based
    novelty (Vargas and Castells, RecSys 2011). Who has no history keeps the order.

    Args:
        strength: how much novelty counts against relevance; 0 changes nothing.
        by: vectors that tell likeness: ``text``, ``graph``, ``category``, or ``auto`` for the first of text, category,
            graph that there is.
    """

    def __init__(self, *, strength: float = 0.1, by: str = "auto") -> None:
        super().__init__(strength=strength, by=by)

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        return blended(lists, self.bonus(lists), self.strength)

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how unlike the history each candidate is, between 0 and 1, shape ``(u, c)``."""
        if not lists.items.size:
            return np.zeros(lists.items.shape, dtype=np.float32)
        profile = np.asarray(lists.liked @ self._vectors, dtype=np.float32)  # (u, d)
        length = np.linalg.norm(profile, axis=1, keepdims=True)
        profile /= np.where(length > 0, length, 1.0)
        cosine = [
            np.matmul(self._vectors[np.maximum(block.items, 0)], profile[where][:, :, None])[:, :, 0]
            for where, block in blocks(lists, self._vectors.shape[1])
        ]
        return scaled(-np.concatenate(cosine), lists.items >= 0)


class Serendipity(Novelty):
    """Favours what is relevant, unexpected and not popular, all at once: ``relevance * unlikeness * rarity``.

    A surprise that does not fit is none, so the three are multiplied (unexpectedness and usefulness as in Adamopoulos
    and Tuzhilin, ACM TIST 2014); unlikeness is that of :class:`Novelty`, rarity ``1 - log(1 + c) / log(1 + max c)`` for
    the number ``c`` of users who like the item.

    Args:
        strength: how much surprise counts against relevance; 0 changes nothing.
        by: as in :class:`Novelty`.
    """

    def prepare(self, data: RerankData) -> Self:
        """Take the vectors and the popularity."""
        self._rarity = rarity(np.log1p(data.popularity.astype(np.float64)))
        return super().prepare(data)

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how happy a surprise each candidate would be, between 0 and 1, shape ``(u, c)``."""
        surprise = super().bonus(lists) * self._rarity[np.maximum(lists.items, 0)] * lists.relevance()
        return scaled(surprise, lists.items >= 0)
