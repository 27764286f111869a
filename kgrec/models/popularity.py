"""Popularity: what most users like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.history import History
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution, Traits
from kgrec.types import Events, FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices

DAY = 86_400.0


class PopularityOptions(Options):
    """Options of ``[scorers.popularity]``."""

    half_life_days: float | None = Field(None, gt=0, description="after how many days a like counts half; None: never")


class Popularity(Configured):
    """Scores an item by ``log(1 + sum over users of strength * 0.5 ** (age / half-life))``, the same for everybody.

    Somebody who interacts with an item many times counts a little more than once (see :mod:`kgrec.models.history`);
    ages are counted from the newest event. The logarithm keeps the order and tames the few very popular items, which
    matters where scores of several scorers are added.
    """

    Options = PopularityOptions
    options: PopularityOptions
    traits: ClassVar[Traits] = Traits(private=True)

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try half-lives of a half and of a tenth of the time that the data spans."""
        times = data.events.times
        days = float(np.ptp(times)) / DAY if times is not None and len(times) else 0.0
        return [{}, *({"half_life_days": round(days * share, 3)} for share in (0.5, 0.1) if days >= 1)]

    def fit(self, data: TrainingData, *, seed: int) -> Self:  # noqa: ARG002
        """Count; nothing is random here."""
        if data.private is not None:
            self._scores = np.log1p(np.maximum(data.private.counts, 0)).astype(np.float32)
            return self
        matrix, half_life = data.matrix, self.options.half_life_days
        if half_life is not None and data.events.times is not None and len(data.events):
            matrix = _decayed(data.events, half_life, matrix.shape)
        counts = np.asarray(History.of(matrix).matrix.sum(axis=0), dtype=np.float64)
        self._scores = np.log1p(counts).astype(np.float32)
        return self

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``; each row is the same, and 0 says that nobody liked the item."""
        return np.tile(self._scores, (len(users), 1))

    def score_new(self, profile: Profile) -> NDArray[np.float32]:  # noqa: ARG002
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return self._scores.copy()

    def compact(self, users: UserIndices) -> FactorScores:
        """Return the scores as a product with ones."""
        return self._compact(len(users))

    def compact_new(self, profiles: Sequence[Profile]) -> FactorScores:
        """Return the same for people who were not there at training."""
        return self._compact(len(profiles))

    def _compact(self, n_users: int) -> FactorScores:
        ones = np.ones((n_users, 1), dtype=np.float32)
        known = np.ones(len(self._scores), dtype=np.bool_)
        return FactorScores(ones, self._scores[:, None], np.ones(n_users, dtype=np.bool_), known)

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:  # noqa: ARG002
        """Give each of ``items`` its score as one contribution."""
        return [Contribution("popularity", np.array([-1]), self._scores[np.asarray(items, dtype=np.int64), None])]

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:  # noqa: ARG002
        """Do the same for somebody who was not there at training."""
        return self.contributions(0, items)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the scores."""
        return {"scores": self._scores}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._scores = np.asarray(state["scores"], dtype=np.float32)
        return self


def _decayed(events: Events, half_life_days: float, shape: tuple[int, int]) -> csr_array:
    assert events.times is not None
    ages = (events.times.max() - events.times) / (DAY * half_life_days)
    weights = events.weights * np.exp2(-ages)
    # What is too old for float32 is left out: an entry of the matrix is more than 0.
    kept = weights > 1e-12
    parts = (weights[kept], (events.users[kept], events.items[kept]))
    return sparse.csr(csr_array(parts, shape=shape))
