"""Popularity: what most users like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.models.history import History
from kgrec.plugin.options import Configured
from kgrec.plugin.protocols import Contribution, Traits
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices


class Popularity(Configured):
    """Scores an item by ``log(1 + sum over users of strength)``, the same for everybody.

    Somebody who interacts with an item many times counts a little more than once (see :mod:`kgrec.models.history`). The
    logarithm keeps the order and tames the few very popular items, which matters where scores of several scorers are
    added. What is popular lately, :mod:`kgrec.models.recent_popularity` says.
    """

    traits: ClassVar[Traits] = Traits(private=True, dated=True)

    def fit(self, data: TrainingData, *, seed: int) -> Self:  # noqa: ARG002
        """Count; nothing is random here."""
        if data.private is not None:
            self._scores = np.log1p(np.maximum(data.private.counts, 0)).astype(np.float32)
            return self
        counts = np.asarray(History.of(data.matrix).matrix.sum(axis=0), dtype=np.float64)
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
