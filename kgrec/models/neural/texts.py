"""What scorers of texts share: they know items by their texts, and users by what they say of themselves, too."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kgrec.models.neural.scorer import Floats, NeuralScorer
from kgrec.types import Profile, TrainingData, UserIndices


class TextScorer(NeuralScorer):
    """A neural scorer that knows items by their texts.

    Attributes:
        own_words: how much of a like of that text somebody's own words are worth.
    """

    content_based: ClassVar[bool] = True
    """It can score an item that nobody has touched."""
    inductive: ClassVar[bool] = True
    """Items without likes are scored by the same weights."""

    own_words: float

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.item_text is not None and data.item_text.any() else "no item has a text"

    def _keep_words(self, state: dict[str, NDArray[Any]], data: TrainingData) -> None:
        """Put the users' own words into ``state``, which holds the ``mean`` of the texts."""
        state["own_words"] = np.array([self.own_words], dtype=np.float32)
        state["words"] = np.zeros((0, len(state["mean"])), dtype=np.float32)
        if data.user_text is not None and data.item_text is not None:
            state["words"] = data.user_text

    def _words_of_users(self, users: UserIndices) -> Floats:
        """Return what users say of themselves, shape ``(u, t)``; zeros for those who say nothing."""
        words = self._state["words"]
        own = np.zeros((len(users), len(self._state["mean"])), dtype=np.float32)
        known = users < len(words)
        own[known] = words[users[known]]
        return own

    def _words_of_profile(self, profile: Profile) -> Floats:
        """Return the same of somebody who was not there at training, shape ``(1, t)``."""
        own = np.zeros((1, len(self._state["mean"])), dtype=np.float32)
        if profile.text_vector is not None and len(profile.text_vector) == own.shape[1]:
            own[0] = profile.text_vector
        return own
