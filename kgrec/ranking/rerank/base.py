"""What several re-rankers share: options, bases of classes, and steps that work row by row on arrays ``(u, c)``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from kgrec.plugin.options import Configured, Options
from kgrec.plugin.reranking import CandidateLists, RerankData

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Order = NDArray[np.int64]
"""Columns of the candidates in their new order, shape ``(u, c)``, -1 after what is kept."""

GATHERED = 1 << 20
"""Numbers of vectors gathered at once, so that they stay in the cache while a list is built."""


def strength(default: float) -> Any:
    """Return the field of a strength."""
    return Field(default, ge=0, le=1, description="how much it counts against relevance; 0 changes nothing")


class StrengthOptions(Options):
    """Options of a re-ranker that weighs relevance against something else."""

    strength: float = strength(0.1)


class LikenessOptions(StrengthOptions):
    """Options of a re-ranker that compares items."""

    by: Literal["auto", "text", "category", "graph"] = Field(
        "auto", description="what makes items alike; auto: the first of text, category, graph that the data has"
    )


def as_they_are(items: NDArray[np.int64]) -> Order:
    """Return the order that changes nothing."""
    return np.where(items >= 0, np.arange(items.shape[1]), -1)


def ordered(values: NDArray[np.floating], kept: NDArray[np.bool_]) -> Order:
    """Return the kept columns by falling value; equal ones stay in their order.

    Args:
        values: shape ``(u, c)``.
        kept: what stays in the list, same shape.
    """
    order = np.argsort(np.where(kept, -values, np.inf), axis=1, kind="stable")
    return np.where(np.arange(values.shape[1]) < kept.sum(axis=1, keepdims=True), order, -1)


def scaled(values: NDArray[np.floating], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bring the values of each row to [0, 1]; 0 where the row's are all the same, and where nothing is present."""
    low = np.where(present, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(present, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    with np.errstate(invalid="ignore"):
        return np.where(present, (values - low) / span, 0.0).astype(np.float32)


def completed(chosen: NDArray[np.int64], items: NDArray[np.int64]) -> Order:
    """Return the chosen columns and then all others as they were.

    Args:
        chosen: columns, shape ``(u, n)``, -1 for none.
        items: the candidates, shape ``(u, c)``.
    """
    c = items.shape[1]
    place = np.where(items >= 0, c + np.arange(c), 2 * c)
    rows, places = np.nonzero(chosen >= 0)
    place[rows, chosen[rows, places]] = places
    return ordered(-place.astype(np.float64), items >= 0)


def quota(order: Order, wanted: NDArray[np.bool_], share: float | NDArray[np.floating], n: int) -> Order:
    """Give wanted items at least ``share`` of every beginning of the list, up to ``n`` places, as far as there are any.

    The rule of FA*IR (Zehlike et al., CIKM 2017) without its test of significance: of the first ``p`` places at least
    ``floor(share * p)`` are wanted items; otherwise the order stays.

    Args:
        order: of the candidates, shape ``(u, c)``.
        wanted: which candidates (columns, not places) are wanted, shape ``(u, c)``.
        share: between 0 and 1; one for all, or one a row, shape ``(u,)``.
        n: length of the list.
    """
    u, c = order.shape
    rows = np.arange(u)
    at_place = np.take_along_axis(wanted, np.maximum(order, 0), axis=1) & (order >= 0)
    # Places of the wanted ones first, both in order; past the end stands c, which is behind every place.
    fronts = [np.pad(np.sort(np.where(m, np.arange(c), c), axis=1), ((0, 0), (0, 1)), constant_values=c)
              for m in (at_place, ~at_place & (order >= 0))]  # fmt: skip
    taken = [np.zeros(u, dtype=np.int64), np.zeros(u, dtype=np.int64)]
    chosen = np.full((u, min(n, c)), -1, dtype=np.int64)
    for place in range(min(n, c)):
        best, other = (front[rows, count] for front, count in zip(fronts, taken, strict=True))
        short = taken[0] < np.floor(np.multiply(share, place + 1) + 1e-9)
        use = (best < c) & ((best < other) | short)
        pick = np.where(use, best, other)
        taken[0] += use
        taken[1] += ~use & (other < c)
        chosen[:, place] = np.where(pick < c, pick, -1)
    places = completed(chosen, np.where(order >= 0, 0, -1))
    return np.where(places >= 0, np.take_along_axis(order, np.maximum(places, 0), axis=1), -1)


def blocks(lists: CandidateLists, width: int) -> Iterator[tuple[slice, CandidateLists]]:
    """Iterate over so few users at once that ``width`` numbers for each of their candidates stay in the cache."""
    size = max(1, GATHERED // max(lists.items.shape[1] * width, 1))
    for start in range(0, len(lists.items), size):
        block = slice(start, start + size)
        yield (
            block,
            replace(
                lists,
                users=lists.users[block],
                items=lists.items[block],
                scores=lists.scores[block],
                liked=lists.liked[block],
                bought=lists.bought[block],
                fused=None if lists.fused is None else lists.fused[block],
            ),
        )


def in_groups(items: NDArray[np.int64], matrix: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each candidate's groups, flat.

    Args:
        items: the candidates, shape ``(u, c)``, -1 for none.
        matrix: which item is in which group, CSR of shape ``(n_items, g)``.

    Returns:
        place of the candidate in ``items.ravel()``, and its group; both of shape ``(e,)``.
    """
    flat = items.ravel()
    count = np.where(flat >= 0, np.diff(matrix.indptr)[flat], 0)
    places = np.repeat(np.arange(len(flat)), count)
    within = np.arange(len(places)) - np.repeat(np.cumsum(count) - count, count)
    return places, matrix.indices[matrix.indptr[flat][places] + within].astype(np.int64)


def shares_of(liked: csr_array, matrix: csr_array) -> NDArray[np.float64]:
    """Return how the users' likes spread over groups, shape ``(u, g)``, rows summing to 1, or 0 where nothing is known.

    An item's weight is shared equally by its groups (Steck, RecSys 2018).
    """
    from scipy.sparse import csr_array as csr

    per_item = np.diff(matrix.indptr)
    even = np.repeat(1.0 / np.maximum(per_item, 1), per_item)
    spread = liked @ csr((even, matrix.indices, matrix.indptr), shape=matrix.shape)
    dense = np.asarray(spread.todense(), dtype=np.float64)
    total = dense.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(dense, total, out=np.zeros_like(dense), where=total > 0)
    return shares


def rarity(counts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return how rare each item is: 1 without likes, 0 for the one with the largest count."""
    rare: NDArray[np.float32] = (1 - counts / max(counts.max(initial=0.0), 1e-9)).astype(np.float32)
    return rare


class Greedy:
    """Lists that are filled place by place with the best of what is left.

    Attributes:
        rows: of the users, shape ``(u,)``.
        open: candidates that are not taken yet, shape ``(u, c)``.
        chosen: columns, shape ``(u, n)``, -1 for none.
    """

    def __init__(self, lists: CandidateLists) -> None:
        u, c = lists.items.shape
        self.rows, self.open = np.arange(u), lists.items >= 0
        self.chosen = np.full((u, min(lists.n, c)), -1, dtype=np.int64)

    def take(self, place: int, value: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Fill a place by the largest value, shape ``(u, c)`` -> columns, and where one was left; shapes ``(u,)``."""
        best = np.where(self.open, value, -np.inf).argmax(axis=1)
        taken = self.open[self.rows, best]
        self.chosen[:, place] = np.where(taken, best, -1)
        self.open[self.rows, best] = False
        return best, taken


class Blended(Configured, ABC):
    """A re-ranker that orders by ``(1 - strength) * relevance + strength * bonus``."""

    Options: ClassVar[type[BaseModel]] = StrengthOptions

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.options.strength == 0:
            return as_they_are(lists.items)
        relevance, strength = self.relevance(lists), self.options.strength
        return ordered((1 - strength) * relevance + strength * self.bonus(lists), lists.items >= 0)

    def relevance(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how relevant each candidate is, between 0 and 1, shape ``(u, c)``."""
        return lists.relevance()

    @abstractmethod
    def bonus(self, lists: CandidateLists) -> NDArray[np.floating] | NDArray[np.bool_]:
        """Return what else speaks for each candidate, between 0 and 1, shape ``(u, c)``."""


class ByLikeness(Configured):
    """A re-ranker that compares items by vectors."""

    Options: ClassVar[type[BaseModel]] = LikenessOptions

    def prepare(self, data: RerankData) -> Self:
        """Take the vectors."""
        self._vectors = data.vectors(self.options.by)
        return self
