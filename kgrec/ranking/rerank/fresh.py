"""New items first; old ones dropped."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.errors import ConfigError
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, blended, fraction, ordered

DAY = 86_400.0


class Fresh:
    """Favours new items: ``(1 - strength) * relevance + strength * 0.5 ** (age / half_life_days)``.

    Age counts up to the latest interaction of the data. An item of unknown age gets nothing and is never dropped.

    Args:
        strength: how much freshness counts against relevance; 0 changes nothing but what is too old.
        half_life_days: after so many days freshness counts half.
        ttl_days: items older than that are dropped; None drops none.
        attribute: of the items, with the time of their appearance (a date, or unix seconds); by default an item appears
            with the first interaction.
    """

    def __init__(
        self,
        *,
        strength: float = 0.1,
        half_life_days: float = 30.0,
        ttl_days: float | None = None,
        attribute: str | None = None,
    ) -> None:
        if half_life_days <= 0 or (ttl_days is not None and ttl_days <= 0):
            raise ValueError("half_life_days and ttl_days must be above 0")
        self.strength = fraction("strength", strength)
        self.half_life_days, self.ttl_days, self.attribute = half_life_days, ttl_days, attribute

    def prepare(self, data: RerankData) -> Self:
        """Find the age of each item.

        Raises:
            ConfigError: there are no times.
        """
        appeared = data.first_seen if self.attribute is None else data.item_values(self.attribute)
        if np.isnan(data.now) or np.isnan(appeared).all():
            raise ConfigError("fresh needs times, and the data has none", hint="leave out the re-ranker fresh")
        age = np.maximum(data.now - appeared, 0.0) / DAY
        self._fresh = np.nan_to_num(0.5 ** (age / self.half_life_days), nan=0.0).astype(np.float32)
        self._alive = np.ones(data.n_items, dtype=np.bool_)
        if self.ttl_days is not None:
            self._alive = ~(np.nan_to_num(age, nan=0.0) > self.ttl_days)
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        items = np.maximum(lists.items, 0)
        order = blended(lists, self._fresh[items], self.strength) if self.strength else as_they_are(lists.items)
        kept = (order >= 0) & np.take_along_axis(self._alive[items], np.maximum(order, 0), axis=1)
        places = ordered(-np.arange(order.shape[1]) * np.ones(order.shape), kept)
        return np.where(places >= 0, np.take_along_axis(order, np.maximum(places, 0), axis=1), -1)
