"""Groups of users get what others get."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.errors import ConfigError
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, blended, fraction, scaled

MOST_GROUPS = 200
"""An attribute with more values tells users apart, it does not group them."""

PRIOR_USERS = 20.0
"""So many users of the average taste are added to each group, so that few likes prove no preference."""


class UserFair:
    """Takes out of a list what is there for the user's group rather than for the user (demographic parity).

    An item's lift in a group is ``log(rate of likes in the group / rate among all)``; the list is ordered by
    ``(1 - strength) * relevance + strength * (1 - lift)``, the lift brought to [0, 1] among the candidates. So an item
    is exposed to groups more alike (equal exposure over groups of users, as in Burke et al., FAT* 2018). Somebody of no
    group, or who is not in the data, keeps the order.

    Args:
        attribute: of the users: gender, age group, country...
        strength: how much parity counts against relevance; 0 changes nothing.
    """

    def __init__(self, *, attribute: str, strength: float = 0.1) -> None:
        self.attribute = attribute
        self.strength = fraction("strength", strength)

    def prepare(self, data: RerankData) -> Self:
        """Find the lift of each item in each group."""
        groups = data.user_groups(self.attribute)
        n_groups = len(groups.names)
        if n_groups > MOST_GROUPS:
            raise ConfigError(
                f"attribute {self.attribute!r} has {n_groups} values, too many for groups of users",
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

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        known = (lists.users >= 0)[:, None]
        if self.strength == 0 or not known.any():
            return blended(lists, np.zeros(lists.items.shape), 0.0)
        member = np.asarray(self._groups[np.maximum(lists.users, 0)].todense()) * known  # (u, g)
        lift = np.zeros(lists.items.shape)
        for group in np.flatnonzero(member.any(axis=0)):  # a few groups, each for all users at once
            lift += member[:, [group]] * self._lift[group][np.maximum(lists.items, 0)]
        present = lists.items >= 0
        return blended(lists, scaled(-lift, present), self.strength)
