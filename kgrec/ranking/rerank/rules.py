"""Rules of a shop or newsroom: pins, blocks and boosts, limits, nothing bought twice, new items, the order shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kgrec.errors import ConfigError, NotFoundError
from kgrec.models.ndcg import hits
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.base import Blended, Order, StrengthOptions, as_they_are, completed, ordered
from kgrec.types import ItemIndices

PINNED = 1e6
"""Above every boost."""

DAY = 86_400.0


class RulesOptions(Options):
    """Options of ``[rerankers.rules]``. A target is an item's id, or ``attribute=value`` for all items that have it."""

    block: str | list[str] = Field(default_factory=list, description="targets that are dropped")
    pin: str | list[str] = Field(
        default_factory=list, description="ids of items that come first, in this order, for everybody who may get them"
    )
    boost: dict[str, float] = Field(
        default_factory=dict,
        description="target -> what is added to the relevance, which lies in [0, 1]; below 0 it is a penalty",
    )


class Rules(Configured):
    """Pins, blocks and boosts items."""

    Options = RulesOptions
    options: RulesOptions

    def prepare(self, data: RerankData) -> Self:
        """Find the items that are meant.

        Raises:
            NotFoundError: an item, attribute or value is unknown.
        """
        positions = {key: k for k, key in enumerate(data.item_ids)}
        self._blocked = np.zeros(data.n_items, dtype=np.bool_)
        for target in _listed(self.options.block):
            self._blocked |= _meant(target, data, positions)
        self._added = np.zeros(data.n_items)
        for target, amount in self.options.boost.items():
            self._added[_meant(target, data, positions)] += amount
        pins = _listed(self.options.pin)
        for key in pins:
            if key not in positions:
                raise NotFoundError.of("item", key, positions)
        self._pinned = np.array([positions[key] for key in dict.fromkeys(pins)], dtype=np.int64)
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


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


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


class CapOptions(Options):
    """Options of ``[rerankers.cap]``."""

    attribute: str = Field(description="of the items: author, series...")
    most: int = Field(2, ge=1, description="items of a value in a list")


class Cap(Configured):
    """Drops an item where the list already holds as many as may be of one of its values."""

    Options = CapOptions
    options: CapOptions

    def prepare(self, data: RerankData) -> Self:
        """Arrange the values of each item in a row."""
        matrix = data.item_groups(self.options.attribute).matrix
        count = np.diff(matrix.indptr)
        self._values = np.full((data.n_items, max(int(count.max(initial=0)), 1)), -1, dtype=np.int64)
        rows = np.repeat(np.arange(data.n_items), count)
        self._values[rows, np.arange(len(rows)) - matrix.indptr[rows]] = matrix.indices
        self._n_values = matrix.shape[1]
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return what is kept, shape ``(u, c)``."""
        u, c = lists.items.shape
        rows = np.arange(u)[:, None]
        # One column more than there are values: what an item lacks is counted there, and never over the cap.
        held = np.zeros((u, self._n_values + 1), dtype=np.int32)
        kept = np.zeros((u, c), dtype=np.bool_)
        for column in range(c):  # all users at once, one place after the other: what is dropped does not count
            item = lists.items[:, column]
            values = np.where(item[:, None] >= 0, self._values[item], -1)
            full = (held[rows, values] >= self.options.most) & (values >= 0)
            kept[:, column] = (item >= 0) & ~full.any(axis=1)
            held[rows, values] += kept[:, [column]]
        return ordered(lists.scores, kept)


class BoughtOptions(Options):
    """Options of ``[rerankers.bought]``."""

    attribute: str | None = Field(
        None, description="of the items, such as the kind of a thing that one needs once; None: only the very items"
    )


class Bought(Configured):
    """Drops what the user has bought, or all that shares an attribute with it."""

    Options = BoughtOptions
    options: BoughtOptions

    def prepare(self, data: RerankData) -> Self:
        """Take the values of the attribute."""
        attribute = self.options.attribute
        self._matrix = None if attribute is None else data.item_groups(attribute).matrix
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return what is kept, shape ``(u, c)``."""
        dropped = hits(lists.items, lists.bought)
        if self._matrix is not None and lists.bought.nnz:
            kinds = lists.bought.astype(np.float32) @ self._matrix.astype(np.float32)  # (u, g)
            flat = np.flatnonzero(lists.items.ravel() >= 0)
            rows, items = flat // lists.items.shape[1], lists.items.ravel()[flat]
            shared = np.asarray((kinds[rows] * self._matrix[items].astype(np.float32)).sum(axis=1)).ravel() > 0
            dropped.ravel()[flat] |= shared
        return ordered(lists.scores, (lists.items >= 0) & ~dropped)


class FreshOptions(StrengthOptions):
    """Options of ``[rerankers.fresh]``."""

    half_life_days: float = Field(30.0, gt=0, description="after so many days freshness counts half")
    ttl_days: float | None = Field(None, gt=0, description="items older than that are dropped; None drops none")
    attribute: str | None = Field(
        None,
        description="of the items, with the time of their appearance (a date, or unix seconds); None: an item appears "
        "with the first interaction",
    )


class Fresh(Blended):
    """Favours new items: ``(1 - strength) * relevance + strength * 0.5 ** (age / half_life_days)``.

    Age counts up to the latest interaction of the data. An item of unknown age gets nothing and is never dropped.
    """

    Options = FreshOptions
    options: FreshOptions

    def prepare(self, data: RerankData) -> Self:
        """Find the age of each item.

        Raises:
            ConfigError: there are no times.
        """
        attribute = self.options.attribute
        appeared = data.first_seen if attribute is None else data.item_values(attribute)
        if np.isnan(data.now) or np.isnan(appeared).all():
            raise ConfigError("fresh needs times, and the data has none", hint="leave out the re-ranker fresh")
        age = np.maximum(data.now - appeared, 0.0) / DAY
        self._fresh = np.nan_to_num(0.5 ** (age / self.options.half_life_days), nan=0.0).astype(np.float32)
        self._alive = np.ones(data.n_items, dtype=np.bool_)
        if self.options.ttl_days is not None:
            self._alive = ~(np.nan_to_num(age, nan=0.0) > self.options.ttl_days)
        return self

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how new each candidate is, shape ``(u, c)``."""
        return self._fresh[np.maximum(lists.items, 0)]

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        order = super().rerank(lists)
        alive = self._alive[np.maximum(lists.items, 0)]
        kept = (order >= 0) & np.take_along_axis(alive, np.maximum(order, 0), axis=1)
        places = ordered(-np.arange(order.shape[1]) * np.ones(order.shape), kept)
        return np.where(places >= 0, np.take_along_axis(order, np.maximum(places, 0), axis=1), -1)


class ByScore(Configured):
    """Lists the items that will be shown by their fused scores, whatever order earlier re-rankers gave them.

    For re-rankers that care what is in the list, not where: diversity, coverage and popularity of a list stay as they
    are, while relevant items come up, which is where people look.
    """

    def prepare(self, data: RerankData) -> Self:  # noqa: ARG002
        """Do nothing: the candidates tell all."""
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if lists.fused is None or not lists.items.size:
            return as_they_are(lists.items)
        shown = lists.items[:, : lists.n] >= 0
        order = np.argsort(np.where(shown, -lists.fused[:, : lists.n], np.inf), axis=1, kind="stable")
        return completed(np.where(np.take_along_axis(shown, order, axis=1), order, -1), lists.items)
