"""One vector a user and one an item that stand for a whole ranker: lists at the price of one product of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import UserError
from kgrec.models.history import History
from kgrec.models.sparse import csr, unit_length
from kgrec.types import FactorScores, Profile, Scores, TrainingData, UserIndices


@dataclass
class Distilled:
    """A scorer that stands for a whole ranker; made by :func:`kgrec.ranking.distilling.distill`, not fitted.

    Attributes:
        users: one vector a user, shape ``(n_users, k)``; 0 of somebody without a history.
        items: one vector an item, shape ``(n_items, k)``.
        encoder: what an item in somebody's history adds to their vector, shape ``(n_items, k)``.
        start: vector of somebody before that, shape ``(k,)``.
        unit: see :class:`kgrec.models.history.History`.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    encoder: NDArray[np.float32]
    start: NDArray[np.float32]
    unit: float

    def score(self, users: UserIndices) -> Scores:
        """Score all items, shape ``(u, n_items)``; NaN for those without a history."""
        return _dense(self.compact(users))

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for somebody who came after training, shape ``(n_items,)``."""
        return np.asarray(_dense(self.compact_new([profile]))[0])

    def compact(self, users: UserIndices) -> FactorScores:
        """Return the vectors of ``users``; somebody who came after training has none."""
        users = np.asarray(users, dtype=np.int64)
        rows = np.zeros((len(users), self.items.shape[1]), dtype=np.float32)
        there = users < len(self.users)
        rows[there] = self.users[users[there]]
        return FactorScores(rows, self.items, np.asarray(rows.any(axis=1)), np.ones(len(self.items), dtype=np.bool_))

    def compact_new(self, profiles: Sequence[Profile]) -> FactorScores:
        """Return the vectors of people who came after training, encoded from their likes."""
        empty = csr(np.zeros((0, len(self.items)), dtype=np.float32))
        rows = unit_length(History(empty, self.unit).new_rows(profiles))
        vectors = np.asarray(rows @ self.encoder + self.start, dtype=np.float32)
        return FactorScores(vectors, self.items, np.diff(rows.indptr) > 0, np.ones(len(self.items), dtype=np.bool_))

    def fit(self, data: TrainingData, *, seed: int) -> Self:  # noqa: ARG002
        """Refuse: it is made of a trained ranker."""
        raise UserError("vectors are distilled of a trained ranker, not fitted", hint="set train.distill = true")

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays."""
        return {name: np.atleast_1d(value) for name, value in vars(self).items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become what ``state`` was taken of."""
        for name, value in state.items():
            setattr(self, name, value)
        self.unit = float(state["unit"][0])
        return self

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Distilled:
        """Rebuild what :meth:`state` took apart."""
        nothing = np.zeros((0, 0), dtype=np.float32)
        return cls(nothing, nothing, nothing, nothing, 1.0).load_state(state)


def _dense(form: FactorScores) -> Scores:
    scores = form.users @ form.items.T
    scores[~form.known_users] = np.nan
    return np.asarray(scores)
