"""Scorers that train by epochs and score by a product of a user's vector with those of the items. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.models import options
from kgrec.models.history import History
from kgrec.progress import SILENT, Progress
from kgrec.types import Profile, Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    from kgrec.models.training_loop import TrainingState

Floats = NDArray[np.float32]


class NeuralScorer(ABC):
    """A scorer that is fitted in torch and scores in numpy. Subclasses train, and turn histories into vectors.

    Attributes:
        progress: who is told of the epochs.
        checkpoint: file that a cut-off training continues from, or None.
        best_epoch: after ``fit``, the epoch whose weights were kept; a refit without validation trains so many.
        best_metric: NDCG@20 of ``best_epoch`` on the validation data, NaN without.

    Args:
        epochs: at most so many; exactly so many without validation data.
        patience: epochs without a new best on the validation data before training stops.
        learning_rate: of Adam.
        batch_size: rows of training data in a step.
        threads: for this training; None takes what is set.
    """

    checkpoint_every = 10

    def __init__(
        self, *, epochs: int, patience: int, learning_rate: float, batch_size: int, threads: int | None
    ) -> None:
        self.epochs = options.integer("epochs", epochs, low=0)
        self.patience = options.integer("patience", patience, low=1)
        self.learning_rate = options.number("learning_rate", learning_rate, low=0, above=True)
        self.batch_size = options.integer("batch_size", batch_size, low=1)
        self.threads = None if threads is None else options.integer("threads", threads, low=1)
        self.checkpoint: Path | None = None
        self.progress: Progress = SILENT
        self.best_epoch = 0
        self.best_metric = float("nan")

    _history: History
    _state: dict[str, NDArray[Any]]

    @abstractmethod
    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
        """Train on ``data``; return how it went and the arrays that scoring needs, ``items`` of ``(n_items, d)`` too.

        Items whose vector is zero cannot be scored.
        """

    @abstractmethod
    def _of_users(self, users: UserIndices) -> Floats:
        """Return the vectors of users, shape ``(u, d)``; zeros for those of whom nothing is known."""

    @abstractmethod
    def _of_profile(self, profile: Profile) -> Floats:
        """Return the vector of somebody who was not there at training, shape ``(1, d)``."""

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Train; with ``data.validation`` until NDCG@20 no longer grows, keeping the best epoch's weights.

        Raises:
            CorruptArtifactError: the checkpoint is damaged.
        """
        self._history = History.of(data.matrix)
        reached, self._state = self._train(data, seed)
        self.best_epoch, self.best_metric = reached.best_epoch, reached.best_metric
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return what a fit on all data needs to know of this one: how long to train."""
        return {"epochs": self.best_epoch}

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``; NaN for users of whom nothing is known and for such items."""
        return self._score(self._of_users(np.asarray(users, dtype=np.int64)))

    def score_new(self, profile: Profile) -> Floats:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return np.asarray(self._score(self._of_profile(profile))[0])

    def _score(self, vectors: Floats) -> Scores:
        items = self._state["items"]
        scores = np.asarray(vectors @ items.T, dtype=np.float32)
        scores[:, ~items.any(axis=1)] = np.nan
        scores[~vectors.any(axis=1)] = np.nan
        return scores

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history and weights as arrays."""
        return {**self._history.state(), **self._state, "best_epoch": np.array([self.best_epoch])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        kept = (name for name in state if not name.startswith("history.") and name != "best_epoch")
        self._state = {name: np.asarray(state[name]) for name in kept}
        self.best_epoch = int(state["best_epoch"][0])
        return self
