"""What each user likes and has seen by now: the tables of the last build, and the events that came since.

A profile follows the rules of the build and the training (repeated events, low ratings, weights of actions), so the
list that is made from it is the list that a build with the same events would make from the same models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.impressions import IMPRESSION
from kgrec.data.split import MAX_EVENTS_A_PAIR, action_weights, heaviest_weight, like_threshold, taken_back
from kgrec.plugin.domain import ACTIONS
from kgrec.ranking.users import UserLookup, UserRef
from kgrec.types import Profile

if TYPE_CHECKING:
    from kgrec.data.dataset import Dataset

MOST_EVENTS = 20_000
"""Live events of a user that count at most, the newest."""

_CODES = {name: code for code, name in enumerate(ACTIONS)}
_ROW = np.dtype([("item", np.int64), ("action", np.int16), ("value", np.float32), ("time", np.float64)])
"""An event: position of the item at training, code of the action, value and time (NaN: none)."""


@dataclass
class _Live:
    """Events of a user since the build, and what was made of them last."""

    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, dtype=_ROW))
    made: UserRef | None = None
    count: int = 0
    others: frozenset[str] = frozenset()
    """Ids of items that no model knows yet, which the user touched."""


class LiveProfiles:
    """Profiles by user id. Not safe for several threads: the caller holds a lock.

    Args:
        users: finds users in the numbering of the training.
    """

    def __init__(self, users: UserLookup) -> None:
        self._users, self._ranker = users, users.ranker
        self._live: dict[str, _Live] = {}
        self.built = 0
        """``seq`` of the last event of the log that the tables hold."""
        self.applied = 0
        """``seq`` up to which events of the log are in."""
        self.unknown = 0
        """Events whose item no model knows yet; they say what a user has seen, and count after the next training."""
        self.owners: Mapping[str, str] = {}
        """Whose sessions are: session -> user."""
        self._sessions: dict[str, list[str]] = {}

    def start(self, built: int) -> None:
        """Say up to which ``seq`` the tables hold the log's events."""
        self.built = self.applied = built

    def merge(self, owners: Mapping[str, str]) -> None:
        """Say whose sessions were; events come afterwards: session -> user."""
        self.owners = dict(owners)
        self._sessions = {}
        for session, owner in owners.items():
            self._sessions.setdefault(owner, []).append(session)

    def owner(self, user_id: str) -> str:
        """Return whose a session is; the id itself of a user."""
        return self.owners.get(user_id, user_id)

    def ids_of(self, user_id: str) -> list[str]:
        """Return under which ids the events of a user stand."""
        return [user_id, *self._sessions.get(user_id, ())]

    def apply(self, events: pl.DataFrame) -> list[str]:
        """Take events in, columns of :data:`kgrec.live.event_log.SCHEMA`, in the order of ``seq``.

        Returns:
            The users whose lists may change.
        """
        if not events.height:
            return []
        self.applied = int(events["seq"][-1])
        known = self._ranker.item_positions
        items = np.fromiter((known.get(key, -1) for key in events["item_id"]), dtype=np.int64, count=events.height)
        rows = np.zeros(events.height, dtype=_ROW)
        rows["item"] = items
        rows["action"] = events["action"].replace_strict(_CODES, default=-1, return_dtype=pl.Int16).to_numpy()
        rows["value"] = events["value"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
        rows["time"] = np.floor(events["time"].to_numpy())  # tables hold whole seconds
        kept = (items >= 0) & (rows["action"] >= 0)
        strange = ~kept & (events["action"] != "search").to_numpy()
        self.unknown += int(strange.sum())
        owned = events["user_id"].replace(self.owners) if self.owners else events["user_id"]
        owners = owned.to_numpy()
        touched = strange & (events["action"] != IMPRESSION).to_numpy() & events["item_id"].is_not_null().to_numpy()
        for user_id, item_id in zip(owned.filter(touched), events["item_id"].filter(touched), strict=True):
            live = self._live.setdefault(user_id, _Live())
            live.count += 1
            if len(live.others) < MOST_EVENTS:
                live.others |= {item_id}
        names, inverse = np.unique(owners[kept].astype(str), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(names) + 1))
        for place, name in enumerate(names.tolist()):  # one a user, not one an event
            live = self._live.setdefault(name, _Live())
            own = rows[kept][order[starts[place] : starts[place + 1]]]
            live.rows, live.made = np.concatenate([live.rows, own])[-MOST_EVENTS:], None
            live.count += len(own)
        return list(names.tolist()) + owned.filter(touched).unique().to_list()

    def forget(self, user_id: str) -> None:
        """Drop the live events of a user."""
        for session in self.ids_of(user_id):
            self._live.pop(session, None)
        self.merge({session: owner for session, owner in self.owners.items() if owner != user_id})

    def others(self, user_id: str) -> frozenset[str]:
        """Return the ids of items that no model knows yet, which a user touched."""
        live = self._live.get(user_id)
        return frozenset() if live is None else live.others

    def size(self, user_id: str) -> int:
        """Return how many live events of a user are in; it grows with each."""
        live = self._live.get(user_id)
        return 0 if live is None else live.count

    def unchanged(self, user_id: str) -> bool:
        """Whether nothing came of a user since the build."""
        return user_id not in self._live and user_id not in self._sessions

    def known(self, user_id: str) -> bool:
        """Whether there is anything about a user, from the build or since."""
        return any(key in self._live or key in self._rows_of for key in self.ids_of(user_id))

    def find(self, user_id: str, *, with_likes: bool = False) -> UserRef:
        """Return a user as lists are asked for: by position at training while nothing came since, else by profile.

        Args:
            user_id: the id; of somebody nothing is known about the profile is empty.
            with_likes: fill the profile also where there is a position.
        """
        live = self._live.get(user_id)
        if live is None and user_id in self._sessions:
            live = self._live.setdefault(user_id, _Live())
        if live is None:
            if user_id in self._rows_of:
                return self._users.find(user_id, with_likes=with_likes)
            return UserRef(user_id, None, -1, Profile(), self._ranker.seen_at_training([Profile()]))
        if live.made is None:
            live.made = self._make(user_id)
        return live.made

    def history(self, user_id: str, most: int) -> list[tuple[int, str, float]]:
        """Return the latest events of a user: position of the item, action, time (NaN: unknown); newest first."""
        rows = self._rows(user_id)
        rows = rows[np.argsort(np.nan_to_num(rows["time"], nan=-np.inf), kind="stable")][::-1][:most]
        return [(int(row["item"]), ACTIONS[int(row["action"])], float(row["time"])) for row in rows]

    def _rows(self, user_id: str) -> NDArray[np.void]:
        rows, starts = self._base
        places = [self._rows_of[key] for key in self.ids_of(user_id) if key in self._rows_of]
        base = [rows[starts[place] : starts[place + 1]] for place in places]
        live = self._live.get(user_id)
        return np.concatenate([rows[:0], *base, *([] if live is None else [live.rows])])

    def _make(self, user_id: str) -> UserRef:
        rows = one_of_repeated(self._rows(user_id), self._users.config.data.cleaning.repeated)
        rate = _CODES["rate"]
        weight = self._weights[rows["action"]]
        if (against := rows["action"] == _CODES["dislike"]).any():
            times = np.nan_to_num(rows["time"], nan=-1.0)
            weight = np.where(taken_back(rows["item"], times, against), np.float32(0), weight)
        disliked = np.zeros(0, dtype=np.int64)
        if self._threshold is not None:
            disliked = rows["item"][(rows["action"] == rate) & (rows["value"] < self._threshold)]
        weight = np.where(np.isin(rows["item"], disliked), np.float32(0), weight)
        items, inverse = np.unique(rows["item"][weight > 0], return_inverse=True)
        sums = np.bincount(inverse, weights=weight[weight > 0], minlength=len(items)).astype(np.float32)
        sums = np.minimum(sums, np.float32(MAX_EVENTS_A_PAIR * self._heaviest))
        if self._factors is not None:
            sums = sums * self._factors[items]
        touched = np.unique(rows["item"][rows["action"] != _CODES[IMPRESSION]])
        entries = (np.ones(len(touched), dtype=np.bool_), touched, np.array([0, len(touched)]))
        seen = csr_array(entries, shape=(1, len(self._ranker.item_ids)))
        return UserRef(user_id, None, self._rows_of.get(user_id, -1), Profile(items, sums), seen)

    @cached_property
    def _dataset(self) -> Dataset:
        return self._users.dataset()

    @cached_property
    def _rows_of(self) -> Mapping[str, int]:
        """User id -> row of the dataset."""
        return {key: k for k, key in enumerate(self._dataset.users["user_id"].to_list())}

    @cached_property
    def _base(self) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """The events of the build that are with items of the training, by user, and where each user's begin."""
        table = self._dataset.interactions.drop_nulls("item").sort("user", maintain_order=True)
        items = self._users.item_positions()[table["item"].to_numpy()]
        rows = np.zeros(table.height, dtype=_ROW)
        rows["item"] = items
        rows["action"] = table["action"].replace_strict(_CODES, return_dtype=pl.Int16).to_numpy()
        rows["value"] = table["value"].fill_null(float("nan")).to_numpy()
        rows["time"] = table["time"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        starts = np.searchsorted(table["user"].to_numpy()[items >= 0], np.arange(self._dataset.n_users + 1))
        return rows[items >= 0], starts

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        known = action_weights(self._users.config.feedback, self._users.domain)
        return np.array([known.get(action, 0.0) for action in ACTIONS], dtype=np.float32)

    @cached_property
    def _threshold(self) -> float | None:
        return like_threshold(self._dataset, self._users.config.feedback)

    @cached_property
    def _heaviest(self) -> float:
        return heaviest_weight(self._dataset, self._users.config.feedback, self._users.domain)

    @cached_property
    def _factors(self) -> NDArray[np.float32] | None:
        """Weights against the popularity of what is seen, by position at training; None: likes count as observed."""
        found = self._users.item_factors()
        if found is None:
            return None
        rows = self._users.item_rows()
        return np.where(rows >= 0, found[np.maximum(rows, 0)], np.float32(1)).astype(np.float32)


def one_of_repeated(rows: NDArray[np.void], rule: str) -> NDArray[np.void]:
    """Return the events that count of those of one user with the same item and action, in their order.

    Args:
        rows: events in the order in which they came.
        rule: as ``data.cleaning.repeated``.
    """
    if rule == "keep" or len(rows) < 2:
        return rows
    unknown = np.inf if rule == "first" else -np.inf
    time = np.where(np.isnan(rows["time"]), unknown, rows["time"])
    value = np.where(np.isnan(rows["value"]), -np.inf, rows["value"])
    keys = (time, value) if rule == "max" else (time,)
    order = np.lexsort(keys)  # stable: of equal ones the later arrival comes last
    if rule != "first":
        order = order[::-1]
    pairs = rows["item"][order] * len(ACTIONS) + rows["action"][order]
    chosen = np.unique(pairs, return_index=True)[1]
    return rows[np.sort(order[chosen])]
