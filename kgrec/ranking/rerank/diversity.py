"""Lists of items that are unlike each other, or that hold the categories in the user's own shares."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kgrec.plugin.options import Configured
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.base import (
    ByLikeness,
    Greedy,
    LikenessOptions,
    Order,
    StrengthOptions,
    as_they_are,
    blocks,
    completed,
    in_groups,
    shares_of,
    strength,
)

LEAST = 1e-6
"""Variance left to an item that the items above it explain wholly; its logarithm stays finite."""

ALPHA = 0.01
"""How far a list's distribution is mixed with the history's, so that the divergence stays finite (the paper's)."""


class Diverse(ByLikeness):
    """Chooses a set or an order of unlike items, over all users at once; an item without a vector is unlike all."""

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.options.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        width = self._vectors.shape[1] + self.width(lists)
        chosen = np.concatenate([self.choose(block) for _, block in blocks(lists, width)])
        return completed(chosen, lists.items)

    def width(self, lists: CandidateLists) -> int:  # noqa: ARG002
        """Return how many numbers are gathered for a candidate besides its vector."""
        return 0

    @abstractmethod
    def choose(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the columns of the list, shape ``(u, n)``, -1 where there are fewer candidates."""


class MMROptions(LikenessOptions):
    """Options of ``[rerankers.mmr]``."""

    strength: float = strength(0.3)


class MMR(Diverse):
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), greedily.

    The next item maximises ``(1 - strength) * relevance - strength * max cosine to the items above``; relevance lies in
    [0, 1], so 1 - strength is the paper's lambda.
    """

    Options = MMROptions

    def choose(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the columns of the list, shape ``(u, n)``."""
        vectors = self._vectors[np.maximum(lists.items, 0)]  # (u, c, d)
        relevance = (1 - self.options.strength) * lists.relevance()
        nearest = np.full(lists.items.shape, -1.0, dtype=np.float32)
        greedy, value = Greedy(lists), relevance
        for place in range(greedy.chosen.shape[1]):
            best, _ = greedy.take(place, value)
            cosine = np.matmul(vectors, vectors[greedy.rows, best][:, :, None])[:, :, 0]
            np.maximum(nearest, cosine, out=nearest)
            value = relevance - np.float32(self.options.strength) * nearest
        return greedy.chosen


class DPP(Diverse):
    """Fast greedy maximum a posteriori inference of a determinantal point process (Chen, Zhang and Zhou, NeurIPS 2018).

    Maximises ``(1 - strength) * sum of relevance + strength * log det S`` for the cosines ``S`` of the list: the
    paper's kernel ``Diag(q) S Diag(q)`` with ``q = exp(relevance * (1 - strength) / (2 strength))``, scaled so that
    strength may be 0. The Cholesky factor grows by a row an item: ``d_i² -= e_i²`` with
    ``e_i = (S_ji - <c_j, c_i>) / d_j``.
    """

    def width(self, lists: CandidateLists) -> int:
        """Return the length of the factor's rows."""
        return lists.n

    def choose(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the columns of the list, shape ``(u, n)``."""
        vectors = self._vectors[np.maximum(lists.items, 0)]  # (u, c, d)
        relevance = (1 - self.options.strength) * lists.relevance()
        greedy = Greedy(lists)
        rows = greedy.rows
        left = np.ones(lists.items.shape, dtype=np.float32)  # d², what the items above do not explain
        factor = np.zeros((*lists.items.shape, greedy.chosen.shape[1]), dtype=np.float32)
        for place in range(greedy.chosen.shape[1]):
            value = relevance + np.float32(self.options.strength) * np.log(np.maximum(left, LEAST))
            best, _ = greedy.take(place, value)
            cosine = np.matmul(vectors, vectors[rows, best][:, :, None])[:, :, 0]
            if place:
                known = factor[:, :, :place]
                cosine -= np.matmul(known, known[rows, best][:, :, None])[:, :, 0]
            gained = cosine / np.sqrt(np.maximum(left[rows, best], LEAST))[:, None]
            factor[:, :, place] = gained
            left -= gained**2
        return greedy.chosen


class SpreadOptions(LikenessOptions):
    """Options of ``[rerankers.spread]``."""

    strength: float = strength(0.2)


class Spread(Diverse):
    """Max-sum diversification (Gollapudi and Sharma, WWW 2009).

    Chooses the set that maximises ``sum of (1 - strength) * chance - strength * mean cosine to the rest of the list``:
    greedily (Borodin, Lee and Ye, PODS 2012), then each item is once exchanged for the best one that is not in the set.
    The mean over all pairs is what intra-list diversity measures; :class:`MMR` looks at the most similar one only.
    ``chance`` is :meth:`CandidateLists.chance`: the first places are much surer than the next ones, behind place 20 all
    are nearly the same, so what is exchanged is the tail. The order of a list does not change its diversity, so the set
    is listed in the order it had.
    """

    Options = SpreadOptions

    def width(self, lists: CandidateLists) -> int:
        """Return the length of a row of cosines."""
        return int(lists.items.shape[1])

    def choose(self, lists: CandidateLists) -> NDArray[np.int64]:
        """Return the columns of the set in their order, shape ``(u, n)``."""
        c = lists.items.shape[1]
        vectors = np.where(lists.items[:, :, None] >= 0, self._vectors[lists.items], np.float32(0))
        cosine = np.matmul(vectors, vectors.transpose(0, 2, 1))  # (u, c, c)
        relevance = np.float32(1 - self.options.strength) * lists.chance()
        weight = np.float32(self.options.strength / max(lists.n - 1, 1))
        near = np.zeros(lists.items.shape, dtype=np.float32)  # sum of cosines to the set
        greedy = Greedy(lists)
        rows, n = greedy.rows, greedy.chosen.shape[1]
        for step in range(2 * n):
            place, exchange = step % n, step >= n
            if exchange:
                old = greedy.chosen[:, place]
                there = old >= 0
                greedy.open[rows[there], old[there]] = True
                near -= np.where(there[:, None], cosine[rows, old], np.float32(0))
            # While the set grows, half of what a pair costs is charged to the item that comes second.
            best, taken = greedy.take(place, relevance - (2 if exchange else 1) * weight * near)
            near += np.where(taken[:, None], cosine[rows, best], np.float32(0))
        found = np.sort(np.where(greedy.chosen < 0, c, greedy.chosen), axis=1)
        return np.where(found < c, found, -1)


class CalibratedOptions(StrengthOptions):
    """Options of ``[rerankers.calibrated]``."""

    strength: float = strength(0.2)
    attribute: str = Field("", description="of the items; by default the one that sorts them best, usually genre")


class Calibrated(Configured):
    """Calibrated recommendations (Steck, RecSys 2018), greedily over all users at once.

    The next item maximises ``(1 - strength) * relevance - strength * KL(p || q)`` for the history's distribution ``p``
    over categories and that of the list with the item, ``q``, mixed with 1 % of ``p``. An item counts equally for each
    of its categories. A user without a history keeps the order.
    """

    Options = CalibratedOptions
    options: CalibratedOptions

    def prepare(self, data: RerankData) -> Self:
        """Take the categories."""
        self._matrix = data.item_groups(self.options.attribute).matrix
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.options.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        u, c = lists.items.shape
        wanted = shares_of(lists.liked, self._matrix)  # p, (u, g)
        places, groups = in_groups(lists.items, self._matrix)
        owner = places // c
        share = (1.0 / np.maximum(np.bincount(places, minlength=u * c), 1))[places]
        mass = np.zeros_like(wanted)  # categories of the list so far, not yet divided by its length
        relevance = (1 - self.options.strength) * lists.relevance()
        p, greedy = wanted[owner, groups], Greedy(lists)
        for place in range(greedy.chosen.shape[1]):
            # What an item changes: the terms of its own categories; the others are the same for all candidates.
            before = (1 - ALPHA) * mass[owner, groups] / (place + 1) + ALPHA * p
            after = before + (1 - ALPHA) * share / (place + 1)
            with np.errstate(invalid="ignore", divide="ignore"):
                terms = np.where(p > 0, p * np.log(after / before), 0.0)
            gain = np.bincount(places, weights=terms, minlength=u * c).reshape(u, c)
            best, taken = greedy.take(place, relevance + self.options.strength * gain)
            of_best = (places % c == best[owner]) & taken[owner]
            np.add.at(mass, (owner[of_best], groups[of_best]), share[of_best])
        return completed(greedy.chosen, lists.items)
