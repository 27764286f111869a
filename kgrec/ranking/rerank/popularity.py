"""Less of what everybody knows."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, blended, fraction, rarity

SCALES = ("log", "count")


class LessPopular:
    """Takes popularity out of the order: ``(1 - strength) * relevance + strength * (1 - log(1 + c) / log(1 + max c))``.

    ``c`` is the number of users who like an item; the logarithm is that of novelty as self-information (Zhou et al.,
    PNAS 2010), so that ten likes instead of one weigh as much as a thousand instead of a hundred.

    Args:
        strength: how much rarity counts against relevance; 0 changes nothing.
        scale: ``log`` as above, or ``count``: rarity is ``1 - c / max c``, which spares all but the bestsellers and
            lowers the mean popularity of a list at the least cost.
    """

    def __init__(self, *, strength: float = 0.3, scale: str = "log") -> None:
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)}, not {scale!r}")
        self.strength = fraction("strength", strength)
        self.scale = scale

    def prepare(self, data: RerankData) -> Self:
        """Take the popularity of the items."""
        known = data.popularity.astype(np.float64)
        known = np.log1p(known) if self.scale == "log" else known
        self._rarity = rarity(known)
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        return blended(lists, self._rarity[np.maximum(lists.items, 0)], self.strength)
