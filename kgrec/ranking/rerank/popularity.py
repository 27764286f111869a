"""Less of what everybody knows."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, blended, fraction


class LessPopular:
    """Takes popularity out of the order: ``(1 - strength) * relevance + strength * (1 - log(1 + c) / log(1 + max c))``.

    ``c`` is the number of users who like an item; the logarithm is that of novelty as self-information (Zhou et al.,
    PNAS 2010), so that ten likes instead of one weigh as much as a thousand instead of a hundred.

    Args:
        strength: how much rarity counts against relevance; 0 changes nothing.
    """

    def __init__(self, *, strength: float = 0.3) -> None:
        self.strength = fraction("strength", strength)

    def prepare(self, data: RerankData) -> Self:
        """Take the popularity of the items."""
        known = np.log1p(data.popularity.astype(np.float64))
        self._rarity = (1 - known / max(known.max(initial=0.0), 1e-9)).astype(np.float32)
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        return blended(lists, self._rarity[np.maximum(lists.items, 0)], self.strength)
