"""Calibration: a list holds the categories in the shares in which the user's history holds them."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, completed, fraction, in_groups, shares_of

ALPHA = 0.01
"""How far the list's distribution is mixed with the history's, so that the divergence stays finite (the paper's)."""


class Calibrated:
    """Calibrated recommendations (Steck, RecSys 2018), greedily over all users at once.

    The next item maximises ``(1 - strength) * relevance - strength * KL(p || q)`` for the history's distribution ``p``
    over categories and that of the list with the item, ``q``, mixed with 1 % of ``p``. An item counts equally for each
    of its categories. Who has no history keeps the order.

    Args:
        attribute: of the items; by default the one that sorts them best, usually genre or category.
        strength: how much calibration counts against relevance; 0 changes nothing.
    """

    def __init__(self, *, strength: float = 0.2, attribute: str = "") -> None:
        self.strength = fraction("strength", strength)
        self.attribute = attribute

    def prepare(self, data: RerankData) -> Self:
        """Take the categories."""
        self._matrix = data.item_groups(self.attribute).matrix
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if self.strength == 0 or not lists.items.size:
            return as_they_are(lists.items)
        u, c = lists.items.shape
        rows = np.arange(u)
        wanted = shares_of(lists.liked, self._matrix)  # p, (u, g)
        places, groups = in_groups(lists.items, self._matrix)
        whose = places // c
        share = (1.0 / np.maximum(np.bincount(places, minlength=u * c), 1))[places]
        mass = np.zeros_like(wanted)  # categories of the list so far, not yet divided by its length
        relevance = (1 - self.strength) * lists.relevance()
        open_ = lists.items >= 0
        chosen = np.full((u, min(lists.n, c)), -1, dtype=np.int64)
        p = wanted[whose, groups]
        for place in range(chosen.shape[1]):
            # What an item changes: the terms of its own categories; the others are the same for all candidates.
            before = (1 - ALPHA) * mass[whose, groups] / (place + 1) + ALPHA * p
            after = before + (1 - ALPHA) * share / (place + 1)
            with np.errstate(invalid="ignore", divide="ignore"):
                terms = np.where(p > 0, p * np.log(after / before), 0.0)
            gain = np.bincount(places, weights=terms, minlength=u * c).reshape(u, c)
            best = np.where(open_, relevance + self.strength * gain, -np.inf).argmax(axis=1)
            taken = open_[rows, best]
            chosen[:, place] = np.where(taken, best, -1)
            open_[rows, best] = False
            of_best = (places % c == best[whose]) & taken[whose]
            np.add.at(mass, (whose[of_best], groups[of_best]), share[of_best])
        return completed(chosen, lists.items)
