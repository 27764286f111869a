"""Items get to those who would like them best."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.errors import ConfigError
from kgrec.plugin.reranking import AUDIENCE, CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, blended, fraction


class Reach:
    """Favours an item where the user is one of the few who have it highest in their lists.

    ``(1 - strength) * chance + strength * [as high here as with its best users]``, with
    :meth:`CandidateLists.chance`: recommending users to items (Vargas and Castells, RecSys 2014). What hardly anybody
    gets to see is shown to the ``users`` who rank it highest, so the catalogue comes into view at the least cost. Items
    that are high in everybody's list have their users already.

    Args:
        strength: how much the item's claim counts against relevance; 0 changes nothing.
        users: that each item reaches for, at most 10; of a sample of many users accordingly fewer.
    """

    def __init__(self, *, strength: float = 0.15, users: int = 3) -> None:
        self.strength = fraction("strength", strength)
        if not 1 <= users <= AUDIENCE:
            raise ValueError(f"users must lie between 1 and {AUDIENCE}, not {users}")
        self.users = int(users)

    def prepare(self, data: RerankData) -> Self:
        """Find out how high each item stands with its best users."""
        if data.best_ranks is None:
            raise ConfigError("nothing is known of other users' lists", hint="leave out this re-ranker")
        self._within = data.best_ranks()[:, self.users - 1]
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        scores = lists.scores if lists.fused is None else lists.fused
        order = np.argsort(-scores, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(1, order.shape[1] + 1)[None, :], axis=1)
        high = (lists.items >= 0) & (rank <= self._within[np.maximum(lists.items, 0)])
        return blended(lists, high, self.strength, relevance=lists.chance())
