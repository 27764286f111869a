"""Recent popularity: what many liked lately, before the moment that a list is made for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution, Traits
from kgrec.plugin.space import Real, Space
from kgrec.types import Events, FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices

DAY = 86_400.0
MOST_PERIODS = 512
"""Time is cut into so many periods of equal length at most."""
CELLS = 1 << 24
"""Periods times items at most: one figure is kept for each while users are scored."""
SHARES = (1 / 4, 1 / 16, 1 / 64)
"""Half-lives to try, as shares of the time that the data spans."""


class RecentPopularityOptions(Options):
    """Options of ``[scorers.recent-popularity]``."""

    half_life_days: float = Field(30.0, gt=0, description="after how many days a like counts half")


class RecentPopularity(Configured):
    """Scores an item by ``log(1 + sum over likes of strength * 0.5 ** (age / half-life))``, as of a moment.

    As fitted, that moment is each user's own: that of their last event. Nothing that happened at or after it counts, so
    that held-out likes are judged by what was known when they were made: users who were there at different times saw
    different things trend. :meth:`at_end` gives the same scorer as of the end of the data, as a list for now needs it.

    Time is cut into periods; of a user's own period nothing counts.
    """

    Options = RecentPopularityOptions
    options: RecentPopularityOptions
    traits: ClassVar[Traits] = Traits(dated=True)

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        times = data.events.times
        if times is None or not len(times):
            return "the interactions have no times"
        return "" if np.ptp(times) > 0 else "all interactions are of one moment"

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try half-lives of a quarter, a sixteenth and a sixty-fourth of the time that the data spans."""
        days = float(np.ptp(data.events.times)) / DAY if data.events.times is not None and len(data.events) else 1.0
        return [{"half_life_days": float(f"{days * share:.3g}")} for share in SHARES]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        longest = max(setting["half_life_days"] for setting in cls.grid(data))
        return {"half_life_days": Real(longest / 100, longest * 2, log=True)}

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:  # noqa: ARG003
        """Return about how many seconds a fit takes: a table of periods and items."""
        return 1e-8 * MOST_PERIODS * data.n_items + 1e-7 * len(data.events)

    def fit(self, data: TrainingData, *, seed: int) -> Self:  # noqa: ARG002
        """Count likes by period; nothing is random here."""
        events, n_items = data.events, data.n_items
        times = np.zeros(len(events), dtype=np.int64) if events.times is None else events.times
        start = int(times.min()) if len(times) else 0
        span = int(times.max()) - start + 1 if len(times) else 1
        n_periods = max(min(MOST_PERIODS, CELLS // max(n_items, 1), span), 1)
        self._days = span / n_periods / DAY  # of a period
        period = np.minimum((times - start) * n_periods // span, n_periods - 1)
        parts = (_shares(events, n_items), (period, events.items))
        self._likes = sparse.csr(csr_array(parts, shape=(n_periods, n_items)))
        self._own = np.full(data.n_users, -1, dtype=np.int64)
        np.maximum.at(self._own, events.users, period)
        self._own[self._own < 0] = n_periods
        self._prepare()
        return self

    def _prepare(self) -> None:
        self._at_end = False
        self._last = self._decayed(None)
        self._table: NDArray[np.float32] | None = None

    def at_end(self) -> Self:
        """Return the scorer as it scores everybody at the end of the data."""
        other = copy.copy(self)
        other._at_end = True
        return other

    def _decayed(self, table: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return the scores at the end of the data, shape ``(n_items,)``; write those of each period into ``table``."""
        likes, keep = self._likes, 0.5 ** (self._days / self.options.half_life_days)
        known = np.zeros(likes.shape[1])
        for period in range(likes.shape[0]):
            if table is not None:
                table[period] = np.log1p(known)
            known *= keep
            of_period = slice(likes.indptr[period], likes.indptr[period + 1])
            known[likes.indices[of_period]] += likes.data[of_period]
        return np.log1p(known).astype(np.float32)

    def score(self, users: UserIndices) -> Scores:
        """Score all items at the users' own moments, or at the end of the data -> float32 ``(u, n_items)``."""
        if self._at_end:
            return np.tile(self._last, (len(users), 1))
        if self._table is None:
            table = np.zeros((self._likes.shape[0] + 1, self._likes.shape[1]), dtype=np.float32)
            self._decayed(table)
            table[-1] = self._last
            self._table = table
        known = users < len(self._own)
        periods = np.where(known, self._own[np.minimum(users, len(self._own) - 1)], len(self._table) - 1)
        return self._table[periods]

    def score_new(self, profile: Profile) -> NDArray[np.float32]:  # noqa: ARG002
        """Score all items at the end of the data, for somebody who was not there -> float32 ``(n_items,)``."""
        return self._last.copy()

    def compact(self, users: UserIndices) -> FactorScores | None:
        """Return the scores as a product with ones, where all users are scored at the end of the data."""
        return self._compact(len(users))

    def compact_new(self, profiles: Sequence[Profile]) -> FactorScores | None:
        """Return the same for people who were not there at training."""
        return self._compact(len(profiles))

    def _compact(self, n_users: int) -> FactorScores | None:
        if not self._at_end:
            return None
        ones, everybody = np.ones((n_users, 1), dtype=np.float32), np.ones(n_users, dtype=np.bool_)
        return FactorScores(ones, self._last[:, None], everybody, np.ones(len(self._last), dtype=np.bool_))

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Give each of ``items`` its score as one contribution."""
        return _whole(self.score(np.array([user]))[0], items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return _whole(self.score_new(profile), items)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the likes by period, each user's last period, and the length of a period in days."""
        return {**sparse.to_state("likes", self._likes), "own": self._own, "days": np.array([self._days])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._likes = sparse.from_state("likes", state)
        self._own = np.asarray(state["own"], dtype=np.int64)
        self._days = float(state["days"][0])
        self._prepare()
        return self


def _whole(scores: NDArray[np.float32], items: ItemIndices) -> list[Contribution]:
    return [Contribution("popularity", np.array([-1]), scores[np.asarray(items, dtype=np.int64), None])]


def _shares(events: Events, n_items: int) -> NDArray[np.float64]:
    """Return by how much each event raises the damped strength of its pair of user and item, shape ``(e,)``.

    What came later with the same pair does not count: the first event of a pair counts as if it were the only one.
    """
    if not len(events):
        return np.zeros(0)
    pairs = events.users * n_items + events.items
    order = np.argsort(pairs, kind="stable")  # events are in the order of time
    first = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    sums = np.cumsum(events.weights[order], dtype=np.float64)
    before_pair = np.concatenate([[0.0], sums])[first]
    sums -= np.repeat(before_pair, np.diff(first, append=len(order)))
    unit = float(events.weights.mean())
    damped = np.log2(1 + sums / unit) - np.log2(1 + (sums - events.weights[order]) / unit)
    shares = np.empty(len(order))
    shares[order] = damped
    return shares
