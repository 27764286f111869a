"""Exposure by provider, or by another attribute of the items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import NotFoundError
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, completed, fraction, in_groups, quota

TARGETS = ("items", "equal")


class FairExposure:
    """Gives the groups of an attribute the exposure that is due to them, within each list.

    Exposure of a place is ``1 / log2(rank + 1)`` (Singh and Joachims, KDD 2018). At each place an item gains by how
    much its groups lack of their share so far: ``(1 - strength) * relevance + strength * lack``, the largest lack of a
    list counting 1. An item counts equally for each of its groups.

    Args:
        attribute: of the items: provider, label, publisher, country...
        strength: how much the lack counts against relevance; 0 changes nothing.
        target: due is the group's share of the catalogue (``items``) or to all groups the same (``equal``).
        min_share: share of every beginning of the list that the protected groups get, as far as they have candidates.
        protected: names of the groups that ``min_share`` is for; by default those with a smaller share of the likes
            than of the catalogue.
    """

    def __init__(
        self,
        *,
        attribute: str,
        strength: float = 0.1,
        target: str = "items",
        min_share: float = 0.0,
        protected: Sequence[str] = (),
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        self.attribute, self.target = attribute, target
        self.strength = fraction("strength", strength)
        self.min_share = fraction("min_share", min_share)
        self.protected = [protected] if isinstance(protected, str) else list(protected)

    def prepare(self, data: RerankData) -> Self:
        """Find what is due to whom, and who is protected."""
        groups = data.item_groups(self.attribute)
        self._matrix = groups.matrix
        per_group = np.bincount(self._matrix.indices, minlength=self._matrix.shape[1]).astype(np.float64)
        due = per_group if self.target == "items" else (per_group > 0).astype(np.float64)
        self._due = due / max(due.sum(), 1e-9)
        if self.protected:
            for name in self.protected:
                if name not in groups.names:
                    raise NotFoundError.of("value", name, groups.names, where=f"attribute {self.attribute!r}")
            favoured = np.isin(groups.names, self.protected)
        else:
            likes = self._matrix.T @ data.popularity
            favoured = likes / max(likes.sum(), 1) < per_group / max(per_group.sum(), 1)
        self._protected = np.asarray(self._matrix @ favoured > 0)
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        order = as_they_are(lists.items)
        if self.strength > 0 and lists.items.size:
            order = completed(self._chosen(lists), lists.items)
        if self.min_share > 0:
            wanted = self._protected[np.maximum(lists.items, 0)] & (lists.items >= 0)
            order = quota(order, wanted, self.min_share, lists.n)
        return order

    def _chosen(self, lists: CandidateLists) -> NDArray[np.int64]:
        u, c = lists.items.shape
        rows = np.arange(u)
        places, groups = in_groups(lists.items, self._matrix)
        whose = places // c
        share = (1.0 / np.maximum(np.bincount(places, minlength=u * c), 1))[places]
        given = np.zeros((u, len(self._due)))
        relevance = (1 - self.strength) * lists.relevance()
        open_ = lists.items >= 0
        chosen = np.full((u, min(lists.n, c)), -1, dtype=np.int64)
        exposure = 1.0 / np.log2(np.arange(2, chosen.shape[1] + 2))
        for place, total in enumerate(np.cumsum(exposure)):
            lack = np.maximum(self._due[groups] * total - given[whose, groups], 0.0)
            gain = np.bincount(places, weights=share * lack, minlength=u * c).reshape(u, c).astype(np.float64)
            largest = np.where(open_, gain, 0.0).max(axis=1, keepdims=True)
            gain /= np.where(largest > 0, largest, 1.0)
            best = np.where(open_, relevance + self.strength * gain, -np.inf).argmax(axis=1)
            taken = open_[rows, best]
            chosen[:, place] = np.where(taken, best, -1)
            open_[rows, best] = False
            of_best = (places % c == best[whose]) & taken[whose]
            np.add.at(given, (whose[of_best], groups[of_best]), share[of_best] * exposure[place])
        return chosen
