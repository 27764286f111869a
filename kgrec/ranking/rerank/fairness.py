"""Fair lists: exposure for providers or other groups of items, and the same for groups of users."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kgrec.errors import ConfigError, NotFoundError
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.base import (
    Blended,
    Greedy,
    Order,
    as_they_are,
    completed,
    in_groups,
    quota,
    scaled,
    strength,
)

MOST_GROUPS = 200
"""An attribute with more values tells users apart, it does not group them."""

PRIOR_USERS = 20.0
"""So many users of the average taste are added to each group, so that few likes prove no preference."""


class FairOptions(Options):
    """Options of ``[rerankers.fair]``."""

    attribute: str = Field(description="of the items: provider, label, publisher, country...")
    strength: float = strength(0.1)
    target: Literal["items", "equal"] = Field(
        "items", description="due is the group's share of the catalogue, or to all groups the same"
    )
    min_share: float = Field(
        0.0, ge=0, le=1, description="of every beginning of a list, for the protected groups, as far as there are any"
    )
    protected: str | list[str] = Field(
        default_factory=list,
        description="groups that min_share is for; by default those with a smaller share of the likes than of the "
        "catalogue",
    )


class FairExposure(Configured):
    """Gives the groups of an attribute the exposure that is due to them, within each list.

    Exposure of a place is ``1 / log2(rank + 1)`` (Singh and Joachims, KDD 2018). At each place an item gains by how
    much its groups lack of their share so far: ``(1 - strength) * relevance + strength * lack``, the largest lack of a
    list counting 1. An item counts equally for each of its groups.
    """

    Options = FairOptions
    options: FairOptions

    def prepare(self, data: RerankData) -> Self:
        """Find what is due to each group, and which are protected."""
        groups = data.item_groups(self.options.attribute)
        self._matrix = groups.matrix
        per_group = np.bincount(self._matrix.indices, minlength=self._matrix.shape[1]).astype(np.float64)
        due = per_group if self.options.target == "items" else (per_group > 0).astype(np.float64)
        self._due = due / max(due.sum(), 1e-9)
        given = self.options.protected
        if protected := [given] if isinstance(given, str) else given:
            for name in protected:
                if name not in groups.names:
                    raise NotFoundError.of("value", name, groups.names, where=f"attribute {self.options.attribute!r}")
            favoured = np.isin(groups.names, protected)
        else:
            likes = self._matrix.T @ data.popularity
            favoured = likes / max(likes.sum(), 1) < per_group / max(per_group.sum(), 1)
        self._protected = np.asarray(self._matrix @ favoured > 0)
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        order = as_they_are(lists.items)
        if self.options.strength > 0 and lists.items.size:
            order = completed(self._chosen(lists), lists.items)
        if self.options.min_share > 0:
            wanted = self._protected[np.maximum(lists.items, 0)] & (lists.items >= 0)
            order = quota(order, wanted, self.options.min_share, lists.n)
        return order

    def _chosen(self, lists: CandidateLists) -> NDArray[np.int64]:
        u, c = lists.items.shape
        places, groups = in_groups(lists.items, self._matrix)
        owner = places // c
        share = (1.0 / np.maximum(np.bincount(places, minlength=u * c), 1))[places]
        given = np.zeros((u, len(self._due)))
        relevance = (1 - self.options.strength) * lists.relevance()
        greedy = Greedy(lists)
        exposure = 1.0 / np.log2(np.arange(2, greedy.chosen.shape[1] + 2))
        for place, total in enumerate(np.cumsum(exposure)):
            lack = np.maximum(self._due[groups] * total - given[owner, groups], 0.0)
            gain = np.bincount(places, weights=share * lack, minlength=u * c).reshape(u, c).astype(np.float64)
            largest = np.where(greedy.open, gain, 0.0).max(axis=1, keepdims=True)
            gain /= np.where(largest > 0, largest, 1.0)
            best, taken = greedy.take(place, relevance + self.options.strength * gain)
            of_best = (places % c == best[owner]) & taken[owner]
            np.add.at(given, (owner[of_best], groups[of_best]), share[of_best] * exposure[place])
        return greedy.chosen


class UserFairOptions(Options):
    """Options of ``[rerankers.user-fair]``."""

    attribute: str = Field(description="of the users: gender, age group, country...")
    strength: float = strength(0.1)


class UserFair(Blended):
    """Takes out of a list what is there for the user's group rather than for the user (demographic parity).

    An item's lift in a group is ``log(rate of likes in the group / rate among all)``; the list is ordered by
    ``(1 - strength) * relevance + strength * (1 - lift)``, the lift brought to [0, 1] among the candidates. So an item
    is exposed to groups more alike (equal exposure over groups of users, as in Burke et al., FAT* 2018). Somebody of no
    group, or who is not in the data, keeps the order.
    """

    Options = UserFairOptions
    options: UserFairOptions

    def prepare(self, data: RerankData) -> Self:
        """Find the lift of each item in each group."""
        groups = data.user_groups(self.options.attribute)
        n_groups = len(groups.names)
        if n_groups > MOST_GROUPS:
            raise ConfigError(
                f"attribute {self.options.attribute!r} has {n_groups} values, too many for groups of users",
                hint=f"name one with at most {MOST_GROUPS}",
            )
        liked = (data.likes > 0).astype(np.float32)
        rate = data.popularity / max(data.likes.shape[0], 1) + 1e-9
        counts = np.asarray((groups.matrix.T.astype(np.float32) @ liked).todense(), dtype=np.float64)
        sizes = np.bincount(groups.matrix.indices, minlength=n_groups)
        of_group = (counts + PRIOR_USERS * rate) / (sizes[:, None] + PRIOR_USERS)
        self._lift = np.log(of_group / rate)  # (g, n_items)
        per_user = np.maximum(np.diff(groups.matrix.indptr), 1)
        self._groups = groups.matrix.astype(np.float64) / per_user[:, None]
        return self

    def bonus(self, lists: CandidateLists) -> NDArray[np.float32]:
        """Return how little each candidate owes to the user's group, between 0 and 1, shape ``(u, c)``."""
        known = (lists.users >= 0)[:, None]
        member = np.asarray(self._groups[np.maximum(lists.users, 0)].todense()) * known  # (u, g)
        lift = np.zeros(lists.items.shape)
        for group in np.flatnonzero(member.any(axis=0)):  # a few groups, each for all users at once
            lift += member[:, [group]] * self._lift[group][np.maximum(lists.items, 0)]
        return scaled(-lift, lists.items >= 0)
