"""The users that lists are for, in the numbering of the training: also those who came after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.errors import UserError
from kgrec.models.sparse import take_rows
from kgrec.types import Mask, Profile, Request, UserIndices, canonical_id

if TYPE_CHECKING:
    import polars as pl

    from kgrec.config import Config
    from kgrec.data.dataset import Dataset
    from kgrec.plugin.domain import Domain
    from kgrec.ranking.ranker import Ranker
    from kgrec.workspace import Workspace


@dataclass(frozen=True, slots=True)
class UserRef:
    """The user of one list, looked up once.

    Attributes:
        user_id: id in the data; empty for somebody known by a profile alone.
        position: at training; None for somebody who came later or is not in the data.
        row: of the dataset's users, -1 for somebody who is not in the data.
        profile: what the user likes; it stands in for a position. Of a user with a position it is empty, unless asked.
        seen: what the user interacted with by now, CSR of shape ``(1, n_items)``.
    """

    user_id: str
    position: int | None
    row: int
    profile: Profile
    seen: csr_array = field(repr=False)

    @property
    def asked(self) -> UserIndices | list[Profile]:
        """What scorers are asked with: the position, shape ``(1,)``, or the profile."""
        return [self.profile] if self.position is None else np.array([self.position], dtype=np.int64)


@dataclass(frozen=True)
class UserLookup:
    """Finds users, what they like and what they have seen.

    Attributes:
        ranker: whose numbering of users and items counts.
        config: settings; ``feedback`` and ``debias`` are read.
        domain: the domain in force.
        workspace: tells whether the data changed since training.
        dataset: loads the tables; not called for a user who was there at training while the data is the same.
        at: the earlier moment as of which users are known, unix seconds, or None; see :mod:`kgrec.ranking.as_of`.
        there: items that had appeared by then, shape ``(n_items,)`` as the dataset numbers them, or None.
    """

    ranker: Ranker
    config: Config
    domain: Domain
    workspace: Workspace
    dataset: Callable[[], Dataset]
    at: int | None = None
    there: Mask | None = None

    @cached_property
    def changed(self) -> bool:
        """The data is not that of the training: it may number users and items in another way."""
        return self.at is not None or bool(self.workspace.stale("models"))

    def positions(self, user_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of users at training, shape ``(u,)``: -1 where profiles are asked instead."""
        known = {} if self.at is not None else self.ranker.user_positions
        return np.array([known.get(user, -1) for user in user_ids], dtype=np.int64)

    def find(self, user_id: str, *, with_likes: bool = False) -> UserRef:
        """Look up a user of the data.

        Args:
            user_id: the id.
            with_likes: find out what the user likes also where there is a position at training.

        Raises:
            NotFoundError: there is no such user.
        """
        user_id = canonical_id(user_id)
        position: int | None = int(self.positions([user_id])[0])
        position = None if position == -1 else position
        profile = Profile()
        if position is None or with_likes:
            (profile,), seen = self.newcomers([user_id])
        if position is not None and not self.changed:
            return UserRef(user_id, position, position, profile, take_rows(self.ranker.seen, np.array([position])))
        positions = self.dataset().user_positions([user_id])
        if position is not None and self.unmoved(np.array([position]))[0] < 0:
            position = None  # what the models know of the user is out of date: the profile stands in
            (profile,), seen = self.newcomers([user_id])
        elif position is not None:
            import polars as pl

            rows = self.dataset().interactions.filter(pl.col("user") == positions[0])
            seen = self._renumbered(rows, positions)
        return UserRef(user_id, position, int(positions[0]), profile, seen)

    def asked(self, request: Request) -> UserRef:
        """Look up the user of a request, or take its profile.

        Raises:
            NotFoundError: there is no such user.
            UserError: the request names neither a user nor a profile.
        """
        if request.profile is not None:
            return UserRef("", None, -1, request.profile, self.ranker.seen_at_training([request.profile]))
        if request.user_id is None:
            raise UserError("a request needs a user or a profile", hint="give a user id, --like ITEM or --profile TEXT")
        return self.find(request.user_id)

    def newcomers(self, user_ids: Sequence[str]) -> tuple[list[Profile], csr_array]:
        """Return what people who came after training like by now, and what they have seen.

        Likes are weighed as training would: a low rating is none.

        Args:
            user_ids: of users in the dataset.

        Returns:
            One profile each; what they have seen, CSR of shape ``(len(user_ids), n_items)``.
        """
        import polars as pl

        from kgrec.data.split import heaviest_weight, interaction_matrix, like_threshold, like_weights, to_events

        dataset, feedback = self.dataset(), self.config.feedback
        positions = dataset.user_positions(list(user_ids))
        whose = pl.Series(positions).cast(pl.UInt32)
        own = replace(dataset, interactions=dataset.interactions.filter(pl.col("user").is_in(whose.implode())))
        # The scale of ratings is everybody's, and so is the heaviest event.
        scaled = feedback.model_copy(update={"like_threshold": like_threshold(dataset, feedback)})
        weights = like_weights(own, scaled, self.domain)
        events = to_events(own, np.ones(own.interactions.height, dtype=np.bool_), weights)
        heaviest = heaviest_weight(dataset, feedback, self.domain)
        likes = interaction_matrix(events, dataset.n_users, dataset.n_items, heaviest=heaviest)[positions]
        factors = self.item_factors()
        if factors is not None:
            likes.data = likes.data * factors[likes.indices]
        items = self.item_positions()
        profiles = []
        for row in range(len(positions)):  # one a newcomer: a profile is what scorers are asked with
            of_row = slice(likes.indptr[row], likes.indptr[row + 1])
            known = items[likes.indices[of_row]]
            profiles.append(Profile(known[known >= 0], likes.data[of_row][known >= 0]))
        return profiles, self._renumbered(own.interactions, positions)

    def item_factors(self) -> NDArray[np.float32] | None:
        """Return how likes of each item are weighed against the popularity of what is seen; None: not at all."""
        from kgrec.data.impressions import like_factors, times_shown
        from kgrec.data.split import interaction_matrix, like_weights, to_events

        debias, dataset = self.config.debias, self.dataset()
        if debias.training == "none":
            return None
        rows = np.ones(dataset.interactions.height, dtype=np.bool_)
        events = to_events(dataset, rows, like_weights(dataset, self.config.feedback, self.domain))
        likes = interaction_matrix(events, dataset.n_users, dataset.n_items)
        return like_factors(likes, debias, times_shown(dataset, rows))

    def seen_by_all(self) -> csr_array:
        """Return what every user of the training interacted with by now, CSR of shape ``(n_users, n_items)``."""
        if not self.changed:
            return self.ranker.seen
        import polars as pl

        users = self.dataset().users.with_row_index("__position__").select("__position__", "user_id")
        asked = pl.DataFrame({"user_id": list(self.ranker.user_ids)}, schema={"user_id": pl.String})
        positions = asked.join(users, on="user_id", how="left", maintain_order="left")["__position__"]
        found = positions.cast(pl.Int64).fill_null(-1).to_numpy()  # who is no longer in the dataset has seen nothing
        return self._renumbered(self.dataset().interactions, found)

    def unmoved(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return positions at training, -1 for users who have touched other items since; shape as given."""
        if not self.changed or not len(positions):
            return positions
        now, then = take_rows(self._seen_now, positions), take_rows(self.ranker.seen, positions)
        differs = abs(now.astype(np.int8) - then.astype(np.int8)).tocsr()
        differs.eliminate_zeros()
        return np.where(np.diff(differs.indptr) > 0, np.int64(-1), positions)

    @cached_property
    def _seen_now(self) -> csr_array:
        return self.seen_by_all()

    def item_positions(self) -> NDArray[np.int64]:
        """Position in the dataset -> position at training, -1 for an item that came later; shape ``(n_items,)``."""
        if not self.changed:
            return np.arange(self.dataset().n_items)
        known = self.ranker.item_positions
        ids = self.dataset().items["item_id"].to_list()
        return np.fromiter((known.get(key, -1) for key in ids), dtype=np.int64, count=len(ids))

    def item_rows(self) -> NDArray[np.int64]:
        """Position at training -> position in the dataset, -1 for an item that is gone; shape ``(n_items,)``."""
        positions = self.item_positions()
        rows = np.full(len(self.ranker.item_ids), -1, dtype=np.int64)
        rows[positions[positions >= 0]] = np.flatnonzero(positions >= 0)
        return rows

    def _renumbered(self, interactions: pl.DataFrame, users: NDArray[np.int64]) -> csr_array:
        """Return which items the users, given by their positions in the dataset, interacted with, one row each."""
        from kgrec.data.impressions import touched

        items, n_items = self.item_positions(), len(self.ranker.item_ids)
        rows = touched(interactions).select("user", "item").unique()
        place = np.full(max(int(users.max(initial=-1)) + 1, 1), -1, dtype=np.int64)
        place[users[users >= 0]] = np.flatnonzero(users >= 0)
        owners, what = rows["user"].to_numpy().astype(np.int64), items[rows["item"].to_numpy()]
        row = np.where(owners < len(place), place[np.minimum(owners, len(place) - 1)], -1)
        kept = (row >= 0) & (what >= 0)
        entries = (np.ones(int(kept.sum()), dtype=np.bool_), (row[kept], what[kept]))
        seen = csr_array(entries, shape=(len(users), n_items))
        seen.sort_indices()
        return seen
