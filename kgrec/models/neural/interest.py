"""Text interest: what somebody is after, as a mixture of texts. Scores, updates and loads without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.models import options, recency
from kgrec.models.history import strength
from kgrec.models.neural.scorer import Floats
from kgrec.models.neural.texts import TextScorer
from kgrec.types import ItemIndices, Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.models.training_loop import TrainingState


@dataclass(frozen=True, slots=True)
class Interest:
    """What somebody is after, in a form that an event updates.

    Attributes:
        items: positions of the items touched, the latest last, shape ``(k,)``.
        strengths: of each, undecayed, shape ``(k,)``.
        total: sum of the items' texts, by strength, attention and recency, shape ``(d,)``.
        mass: sum of these weights; the mixture is ``total / mass``.
    """

    items: ItemIndices
    strengths: Floats
    total: Floats
    mass: float


class TextInterest(TextScorer):
    """Scores an item by its text and a user's interest: a weighted mixture of the texts of the history.

    With projected centred texts ``h_i = W t_i`` the mixture is ``m_u = sum_i w_ui h_i / sum_i w_ui`` with
    ``w_ui = s_ui decay^steps_ui exp(a(t_i))``: a softmax over the history of a learned attention ``a``, the logarithm
    of the strength ``s`` and a learned decay by how many items came since. The interest is ``m + V2 relu(V1 m + c)``,
    the score its product with ``Z t_j``, plus a learned multiple of ``log(1 + likes of j)``. ``W`` and ``Z`` start as
    the principal directions of the texts, so training starts from a content model. Trained by a softmax over the
    catalogue, each like in turn being predicted from those before it, or from the others where there is no order.

    No item and no user has a parameter of its own. New items are scored from their text, and a new event updates an
    interest in constant time (:meth:`update`), since the decay of all earlier events is one factor. Near in idea: the
    attention pooling of NRMS (Wu et al., EMNLP 2019) and the text-only items of UniSRec (Hou et al., KDD 2022).

    Args:
        size: length of the projected texts.
        hidden_size: length of the hidden layer of the interest.
        window: likes that training looks at at once.
        ordered: whether a like is predicted from earlier ones only; None: where there are times.
        dropout: share of the mixture's and the hidden layer's entries that is hidden in a step.
        own_words: how much of a like of that text somebody's own words are worth, where nothing is scored in training.
        epochs: see :class:`kgrec.models.neural.scorer.NeuralScorer`, as for the options below.
        patience: in epochs.
        learning_rate: of Adam.
        batch_size: windows in a step.
        threads: for this training.
    """

    def __init__(
        self,
        *,
        size: int = 128,
        hidden_size: int = 128,
        window: int = 32,
        ordered: bool | None = None,
        dropout: float = 0.2,
        own_words: float = 1.0,
        epochs: int = 40,
        patience: int = 5,
        learning_rate: float = 0.001,
        batch_size: int = 64,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs, patience=patience, learning_rate=learning_rate, batch_size=batch_size, threads=threads
        )
        self.size = options.integer("size", size, low=1)
        self.hidden_size = options.integer("hidden_size", hidden_size, low=1)
        self.window = options.integer("window", window, low=2)
        self.ordered = None if ordered is None else bool(ordered)
        self.dropout = options.number("dropout", dropout, low=0, high=0.95)
        self.own_words = options.number("own_words", own_words, low=0)

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
        from kgrec.models.neural.interest_training import fit_interest

        steps = recency.steps_back(data.events, data.matrix) if self.ordered is not False else None
        reached, state = fit_interest(self, self._history.matrix, steps, data, seed)
        decay = float(state["decay"][0])
        self._history = self._history.with_matrix(recency.decayed(self._history.matrix, steps, decay))
        self._keep_words(state, data)
        return reached, state

    def _of_users(self, users: UserIndices) -> Floats:
        """Mix the history with the users' own words."""
        return self._with_words(self._history.rows(users), self._words_of_users(users))

    def _of_profile(self, profile: Profile) -> Floats:
        """Mix the items of the profile, whatever their order, with its text, which counts like a liked item."""
        return self._with_words(self._history.new(profile), self._words_of_profile(profile))

    def _with_words(self, rows: csr_array, words: Floats) -> Floats:
        total, mass = self._own(words)
        return self._mixed(rows @ self._state["weighted"] + total, rows @ self._state["attention"] + mass)

    def interest(self, items: ItemIndices, weights: Floats | None = None) -> Interest:
        """Return the interest of somebody who touched ``items`` in this order, the latest last.

        Args:
            items: positions, each once, shape ``(k,)``; those that came after training are left out.
            weights: of the events, shape ``(k,)``; 1 by default.
        """
        items = np.asarray(items, dtype=np.int64)
        weights = np.ones(len(items), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
        kept = items < self._history.n_items
        return self._mixture(items[kept], strength(weights[kept], self._history.unit))

    def update(self, interest: Interest, item: int, weight: float = 1.0) -> Interest:
        """Return ``interest`` after one more event; equal to that of the longer history, for any item in constant time.

        An item that was there already moves to the end, and its strengths add up; only then all weights are made anew.

        Args:
            interest: so far.
            item: position of the item touched; one that came after training changes nothing.
            weight: of the event.
        """
        if item >= self._history.n_items:
            return interest
        new = strength(np.array([weight], dtype=np.float32), self._history.unit)
        again = interest.items == item
        items, strengths = np.append(interest.items[~again], item), np.append(interest.strengths[~again], new)
        if again.any():
            strengths[-1] += interest.strengths[again].sum()
            return self._mixture(items, strengths)
        decay = float(self._state["decay"][0])
        total = interest.total * np.float32(decay) + new[0] * self._state["weighted"][item]
        mass = interest.mass * decay + float(new[0] * self._state["attention"][item, 0])
        return replace(interest, items=items, strengths=strengths, total=total, mass=mass)

    def score_interest(self, interest: Interest) -> Floats:
        """Score all items for ``interest`` -> float32 ``(n_items,)``; NaN where nothing is known."""
        mass = np.array([[interest.mass]], dtype=np.float32)
        return np.asarray(self._score(self._mixed(interest.total[None, :], mass))[0])

    def _mixture(self, items: ItemIndices, strengths: Floats) -> Interest:
        decayed = strengths * float(self._state["decay"][0]) ** np.arange(len(items) - 1, -1, -1)
        total = np.asarray(decayed @ self._state["weighted"][items], dtype=np.float32)
        return Interest(items, strengths, total, float(decayed @ self._state["attention"][items, 0]))

    def _own(self, words: Floats) -> tuple[Floats, Floats]:
        """Return what own words of shape ``(u, t)`` add to the mixture's total and mass."""
        state = self._state
        weighted, attention = attended(centred_by(words, state["mean"]), state["project"], state["attend"])
        share = np.float32(state["own_words"][0])
        return share * weighted, share * attention

    def _mixed(self, total: Floats, mass: Floats) -> Floats:
        """Return the vectors that items' vectors are multiplied with, shape ``(u, d + 1)``; zeros without texts."""
        state = self._state
        known = mass[:, 0] > 0
        mixture = total / np.where(mass > 0, mass, 1)
        hidden = np.maximum(mixture @ state["hidden"] + state["hidden_bias"], 0)
        vectors = np.column_stack([mixture + hidden @ state["out"], np.ones(len(mixture))]).astype(np.float32)
        vectors[~known] = 0
        return vectors


def centred_by(texts: Floats, mean: Floats) -> Floats:
    """Subtract ``mean`` from the rows that are not zero and scale them to unit length."""
    present = texts.any(axis=1, keepdims=True)
    shifted = np.where(present, texts - mean, np.float32(0))
    return np.asarray(shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def attended(texts: Floats, project: Floats, attend: Floats) -> tuple[Floats, Floats]:
    """Return projected texts times their attention ``(n, d)``, and the attention ``(n, 1)``; zeros where no text is.

    The attention is ``exp(3 tanh(t . attend))``: a text counts at most some 400 times as much as another.
    """
    present = texts.any(axis=1, keepdims=True)
    attention = np.where(present, np.exp(3 * np.tanh(texts @ attend)), 0).astype(np.float32)
    return attention * (texts @ project), attention
