"""A share of the places for what is outside the bubble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import KgrecError
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, fraction, in_groups, quota, shares_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FAMILIAR = 0.01
"""Weight of an item whose categories are all in the user's history as much as the first of them."""


NO_ITEM = -1
"""Stands for no item where lots are drawn for a user."""


class Explore:
    """Gives a share of the places to candidates drawn from behind the list, those outside the usual categories first.

    An item weighs ``1 - p(its categories) / max p`` for the shares ``p`` of the user's history; ``share * n`` items
    are drawn without replacement by these weights (Efraimidis and Spirakis 2006) and spread over the list. Where that
    is no whole number, lots decide for each user whether it is rounded up, so that the share holds on average: at
    0.05 every other list of ten has one. Draws depend on seed, user and item alone: the same seed gives the same list.

    Args:
        share: of the places; 0 changes nothing.
        attribute: of the items; by default the one that sorts them best. Where there is none, all weigh the same.
    """

    def __init__(self, *, share: float = 0.1, attribute: str = "") -> None:
        self.share = fraction("share", share)
        self.attribute = attribute

    def prepare(self, data: RerankData) -> Self:
        """Take the categories."""
        self._seed = data.seed
        self._matrix: csr_array | None = None  # nothing sorts these items
        try:
            self._matrix = data.item_groups(self.attribute).matrix
        except KgrecError:
            if self.attribute:
                raise
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        order = as_they_are(lists.items)
        lots = _uniform(self._seed, lists.users, np.full((len(lists.users), 1), NO_ITEM))[:, 0]
        wanted = np.floor(self.share * lists.n + lots + 1e-9).astype(np.int64)  # (u,)
        if not wanted.any() or lists.items.shape[1] <= lists.n:
            return order
        drawn = _uniform(self._seed, lists.users, lists.items)
        # The smallest of exponential times with rate w is item i with probability w_i / sum of w.
        times = -np.log(drawn) / self._weights(lists)
        times[:, : lists.n] = np.inf
        times[lists.items < 0] = np.inf
        first = np.argsort(times, axis=1, kind="stable")[:, : wanted.max()]
        chosen = np.isfinite(np.take_along_axis(times, first, axis=1))
        taken = np.zeros(lists.items.shape, dtype=np.bool_)
        np.put_along_axis(taken, first, chosen & (np.arange(first.shape[1]) < wanted[:, None]), axis=1)
        return quota(order, taken, wanted / lists.n, lists.n)

    def _weights(self, lists: CandidateLists) -> NDArray[np.float64]:
        if self._matrix is None:
            return np.ones(lists.items.shape)
        u, c = lists.items.shape
        usual = shares_of(lists.liked, self._matrix)
        usual /= np.maximum(usual.max(axis=1, keepdims=True, initial=0.0), 1e-9)
        places, groups = in_groups(lists.items, self._matrix)
        count = np.maximum(np.bincount(places, minlength=u * c), 1)
        known = np.bincount(places, weights=usual[places // c, groups], minlength=u * c) / count
        return np.maximum(1.0 - known.reshape(u, c), FAMILIAR)


def _uniform(seed: int, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a number in (0, 1) for each user and item, shape ``(u, c)``: splitmix64 of both and the seed."""
    salt = np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    with np.errstate(over="ignore"):
        state = (users + 2).astype(np.uint64)[:, None] * np.uint64(0xD1342543DE82EF95) + salt
        state = (state ^ (state >> np.uint64(29))) + (items + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    bits = (state ^ (state >> np.uint64(31))) >> np.uint64(11)
    drawn: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) / 2**53
    return drawn
