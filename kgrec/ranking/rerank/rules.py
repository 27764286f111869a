"""What the shop wants: pin, block and boost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import NotFoundError
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, ordered
from kgrec.types import ItemIndices

PINNED = 1e6
"""Above every boost."""


class Rules:
    """Pins, blocks and boosts items. A target is an item's id, or ``attribute=value`` for all items that have it.

    Args:
        block: these are dropped.
        pin: ids of items that come first, in this order, for everybody who may get them.
        boost: target -> what is added to the relevance, which lies in [0, 1]; below 0 it is a penalty.
    """

    def __init__(
        self, *, block: Sequence[str] = (), pin: Sequence[str] = (), boost: Mapping[str, float] | None = None
    ) -> None:
        self.block = [block] if isinstance(block, str) else list(block)
        self.pin = [pin] if isinstance(pin, str) else list(pin)
        self.boost = dict(boost or {})
        if not all(isinstance(amount, int | float) for amount in self.boost.values()):
            raise ValueError("boost takes numbers: { 'brand=Acme' = 0.2 }")

    def prepare(self, data: RerankData) -> Self:
        """Find the items that are meant.

        Raises:
            NotFoundError: an item, attribute or value is unknown.
        """
        positions = {key: k for k, key in enumerate(data.item_ids)}
        self._blocked = np.zeros(data.n_items, dtype=np.bool_)
        for target in self.block:
            self._blocked |= _meant(target, data, positions)
        self._added = np.zeros(data.n_items)
        for target, amount in self.boost.items():
            self._added[_meant(target, data, positions)] += amount
        for key in self.pin:
            if key not in positions:
                raise NotFoundError.of("item", key, positions)
        self._pinned = np.array([positions[key] for key in dict.fromkeys(self.pin)], dtype=np.int64)
        self._added[self._pinned] = PINNED - np.arange(len(self._pinned))
        return self

    def reserved(self) -> ItemIndices:
        """Return the pinned items, which must be among the candidates."""
        return self._pinned

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        items = np.maximum(lists.items, 0)
        kept = (lists.items >= 0) & ~self._blocked[items]
        return ordered(lists.relevance() + self._added[items], kept)


def _meant(target: str, data: RerankData, positions: Mapping[str, int]) -> NDArray[np.bool_]:
    meant = np.zeros(data.n_items, dtype=np.bool_)
    if target in positions:  # first, for an id may hold an equals sign
        meant[positions[target]] = True
        return meant
    attribute, equals, value = target.partition("=")
    if not equals:
        raise NotFoundError.of("item", target, positions)
    groups = data.item_groups(attribute.strip())
    names = {name.casefold(): k for k, name in enumerate(groups.names)}
    if value.strip().casefold() not in names:
        raise NotFoundError.of("value", value.strip(), groups.names, where=f"attribute {attribute.strip()!r}")
    column = np.zeros(len(groups.names))
    column[names[value.strip().casefold()]] = 1.0
    return np.asarray(groups.matrix @ column > 0)
