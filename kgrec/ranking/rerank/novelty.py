"""What the user does not know yet: novel and surprising items, less of what is popular, the long tail, exploration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kgrec.errors import ConfigError, KgrecError
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.reranking import AUDIENCE, CandidateLists, RerankData
from kgrec.ranking.rerank.base import (
    Blended,
    ByLikeness,
    Order,
    StrengthOptions,
    as_they_are,
    blocks,
    in_groups,
    quota,
    rarity,
    scaled,
    shares_of,
    strength,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FAMILIAR = 0.01
"""Weight of an item whose categories are all in the user's history as much as the first of them."""

NO_ITEM = -1
"""Stands for no item where lots are drawn for a user."""


class Novelty(ByLikeness, Blended):
    """Favours items unlike the user's history: ``(1 - strength) * relevance + strength * (1 - cosine)``.

    The cosine is that to the sum of the liked items' vectors, brought to [0, 1] among the candidates: distance-based
    novelty (Vargas and Castells, RecSys 2011). A user without a history keeps the order.
    """

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
    """

    def prepare(self, data: RerankData) -> Self:
        """Take the vectors and the popularity."""
        self._rarity = rarity(np.log1p(data.popularity.astype(np.float64)))
        return super().prepare(data)

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how happy a surprise each candidate would be, between 0 and 1, shape ``(u, c)``."""
        surprise = super().bonus(lists) * self._rarity[np.maximum(lists.items, 0)] * lists.relevance()
        return scaled(surprise, lists.items >= 0)


class LessPopularOptions(StrengthOptions):
    """Options of ``[rerankers.popularity]``."""

    strength: float = strength(0.3)
    scale: Literal["log", "count"] = Field(
        "log",
        description="log: ten likes instead of one weigh as much as a thousand instead of a hundred; count: spares all "
        "but the bestsellers and lowers the mean popularity of a list at the least cost",
    )


class LessPopular(Blended):
    """Takes popularity out of the order: ``(1 - strength) * relevance + strength * (1 - log(1 + c) / log(1 + max c))``.

    ``c`` is the number of users who like an item; the logarithm is that of novelty as self-information (Zhou et al.,
    PNAS 2010). With ``scale = "count"`` rarity is ``1 - c / max c``.
    """

    Options = LessPopularOptions
    options: LessPopularOptions

    def prepare(self, data: RerankData) -> Self:
        """Take the popularity of the items."""
        counts = data.popularity.astype(np.float64)
        self._rarity = rarity(np.log1p(counts) if self.options.scale == "log" else counts)
        return self

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how rare each candidate is, shape ``(u, c)``."""
        return self._rarity[np.maximum(lists.items, 0)]


class ReachOptions(StrengthOptions):
    """Options of ``[rerankers.reach]``."""

    strength: float = strength(0.15)
    users: int = Field(
        3, ge=1, le=AUDIENCE, description="that each item reaches for; of a sample of many users accordingly fewer"
    )


class Reach(Blended):
    """Favours an item where the user is one of the few who have it highest in their lists.

    ``(1 - strength) * chance + strength * [as high here as with its best users]``, with
    :meth:`CandidateLists.chance`: recommending users to items (Vargas and Castells, RecSys 2014). What hardly anybody
    gets to see is shown to the ``users`` who rank it highest, so the catalogue comes into view at the least cost. Items
    that are high in everybody's list have their users already.
    """

    Options = ReachOptions
    options: ReachOptions

    def prepare(self, data: RerankData) -> Self:
        """Find out how high each item stands with its best users."""
        if data.best_ranks is None:
            raise ConfigError("nothing is known of other users' lists", hint="leave out this re-ranker")
        self._within = data.best_ranks()[:, self.options.users - 1]
        return self

    def relevance(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how probably each candidate is liked, shape ``(u, c)``."""
        return lists.chance()

    def bonus(self, lists: CandidateLists) -> NDArray[np.bool_]:
        """Say for each candidate whether it stands as high as with its best users, shape ``(u, c)``."""
        scores = lists.scores if lists.fused is None else lists.fused
        order = np.argsort(-scores, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(1, order.shape[1] + 1)[None, :], axis=1)
        high: NDArray[np.bool_] = (lists.items >= 0) & (rank <= self._within[np.maximum(lists.items, 0)])
        return high


class LongTailOptions(Options):
    """Options of ``[rerankers.long-tail]``."""

    share: float = Field(0.1, ge=0, le=1, description="of the places, that the tail gets; 0 changes nothing")
    tail: float = Field(0.2, ge=0, le=1, description="share of all likes that the tail has")


class LongTail(Configured):
    """Keeps a share of each list for items of the long tail, as far as there are any among the candidates.

    The tail are the least popular items, which together have ``tail`` of all likes (Celma and Herrera, RecSys 2008;
    by default a fifth, after the 80/20 rule). Of the first ``p`` places at least ``floor(share * p)`` are theirs.
    """

    Options = LongTailOptions
    options: LongTailOptions

    def prepare(self, data: RerankData) -> Self:
        """Find the tail."""
        order = np.argsort(data.popularity, kind="stable")
        reached = np.cumsum(data.popularity[order])
        self._tail = np.zeros(data.n_items, dtype=np.bool_)
        self._tail[order[reached <= self.options.tail * max(int(data.popularity.sum()), 1)]] = True
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        wanted = self._tail[np.maximum(lists.items, 0)] & (lists.items >= 0)
        return quota(as_they_are(lists.items), wanted, self.options.share, lists.n)


class ExploreOptions(Options):
    """Options of ``[rerankers.explore]``."""

    share: float = Field(0.1, ge=0, le=1, description="of the places; 0 changes nothing")
    attribute: str = Field(
        "", description="of the items; by default the one that sorts them best; where there is none, all weigh the same"
    )


class Explore(Configured):
    """Gives a share of the places to candidates drawn from behind the list, those outside the usual categories first.

    An item weighs ``1 - p(its categories) / max p`` for the shares ``p`` of the user's history; ``share * n`` items
    are drawn without replacement by these weights (Efraimidis and Spirakis 2006) and spread over the list. Where that
    is no whole number, lots decide for each user whether it is rounded up, so that the share holds on average: at
    0.05 every other list of ten has one. Draws depend on seed, user and item alone: the same seed gives the same list.
    """

    Options = ExploreOptions
    options: ExploreOptions

    def prepare(self, data: RerankData) -> Self:
        """Take the categories."""
        self._seed = data.seed
        self._matrix: csr_array | None = None  # nothing sorts these items
        try:
            self._matrix = data.item_groups(self.options.attribute).matrix
        except KgrecError:
            if self.options.attribute:
                raise
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        order = as_they_are(lists.items)
        lots = _uniform(self._seed, lists.users, np.full((len(lists.users), 1), NO_ITEM))[:, 0]
        wanted = np.floor(self.options.share * lists.n + lots + 1e-9).astype(np.int64)  # (u,)
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
