"""What scorers of the form ``score = history @ weights`` have in common: scoring, explaining, storing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from kgrec.models import recency, sparse
from kgrec.models.history import History, UserLikes
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution
from kgrec.types import ItemIndices, Profile, Scores, SparseScores, TrainingData, UserIndices

Weights = NDArray[np.float32] | csr_array
"""How much a like of the row's item says for the column's item, shape ``(n_items, n_items)``."""


class ItemItemOptions(Options):
    """Options of every item-item model."""

    forgetting: recency.Forgetting = None


class ItemItemScorer(Configured, ABC):
    """A linear item-item model. Subclasses only say how the weights are learned.

    The weights are learned from whole histories; forgetting changes only the histories that are scored.
    """

    Options: ClassVar[type[ItemItemOptions]] = ItemItemOptions
    powers: ClassVar[tuple[float, ...]] = recency.POWERS
    """What is tried where no ``forgetting`` is given."""

    _history: History
    _weights: Weights
    _known: NDArray[np.bool_]

    @abstractmethod
    def _learn(self, history: History, data: TrainingData, rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        """Return the weights and which items they can score, shape ``(n_items,)``."""

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Learn the weights; see :class:`kgrec.plugin.protocols.Scorer`."""
        self._history = History.of(data.matrix)
        self._weights, known = self._learn(self._history, data, np.random.default_rng(seed))
        self._known = np.asarray(known, dtype=np.bool_)
        self._history, self._power = recency.remembered(
            self._history, data, self.options.forgetting, lambda rows, _: self._score(rows), self.powers
        )
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return the forgetting that was found best, for a fit with nothing held out."""
        return {"forgetting": self._power}

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``.

        NaN for users without history and for items that nothing is known of.
        """
        return self._score(self._history.rows(users))

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return np.asarray(self._score(self._history.new(profile))[0])

    def compact(self, users: UserIndices) -> SparseScores | None:
        """Return the product before it is written out; None where the weights are dense."""
        return self._compact(self._history.rows(users))

    def compact_new(self, profiles: Sequence[Profile]) -> SparseScores | None:
        """Return the same for people who were not there at training."""
        return self._compact(self._history.new_rows(profiles))

    def _compact(self, rows: csr_array) -> SparseScores | None:
        if isinstance(self._weights, np.ndarray):
            return None
        return SparseScores(csr_array(rows @ self._weights), np.diff(rows.indptr) > 0, self._known)

    def _score(self, rows: csr_array) -> Scores:
        product = rows @ self._weights
        scores = np.asarray(product.toarray() if issparse(product) else product, dtype=np.float32)
        scores[:, ~self._known] = np.nan
        scores[np.diff(rows.indptr) == 0] = np.nan
        return scores

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores of ``items`` by the items of the user's history that caused them."""
        return self._split(self._history.likes(user), items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return self._split(UserLikes.of(self._history.new(profile)), items)

    def _split(self, row: UserLikes, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        if issparse(self._weights):
            block = sparse.dense_block(self._weights, row.indices, items)
        else:
            block = np.asarray(self._weights[np.ix_(row.indices, items)])
        shares = np.where(self._known[items], row.data[:, None] * block, np.float32(0))  # (history, items)
        return [Contribution("item", row.indices, shares.T)]

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history and weights as arrays."""
        state = {**self._history.state(), "known": self._known}
        if isinstance(self._weights, np.ndarray):
            return {**state, "weights": self._weights}
        return {**state, **sparse.to_state("weights", self._weights)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        self._known = np.asarray(state["known"], dtype=np.bool_)
        self._weights = state["weights"] if "weights" in state else sparse.from_state("weights", state)
        return self
