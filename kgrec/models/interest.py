"""Text interest: what somebody is after, as a mixture of texts. Scores, updates and loads without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models.features import centred, principal_axes
from kgrec.models.history import strength
from kgrec.models.neural import (
    Floats,
    NeuralTextOptions,
    NeuralTextScorer,
    TextNetwork,
    WindowTraining,
    centred_by,
    choice_loss,
    with_ones,
)
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.types import ItemIndices, Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from torch import Tensor

    from kgrec.models.validation import Validation

SHARPNESS = 3.0
"""What the projections of both sides are multiplied with at the start: a softmax of cosines says nothing."""


@dataclass(frozen=True, slots=True)
class UserInterest:
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


class TextInterestOptions(NeuralTextOptions):
    """Options of ``[scorers.interest]``."""


class TextInterest(NeuralTextScorer):
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
    """

    Options = TextInterestOptions
    options: TextInterestOptions

    def _train_on(self, steps: NDArray[np.int64] | None, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        from kgrec.models.validation import Validation

        rng, matrix = np.random.default_rng(seed), self._history.matrix
        texts, mean = centred(data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), np.float32))
        counts = np.bincount(matrix.indices, minlength=data.n_items)
        network = InterestNetwork(texts, counts, self.options, ordered=steps is not None, rng=rng, device=data.device)
        validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
        training = InterestTraining(network, (matrix, steps), validation, self.options, seed)
        reached = self._run(training, data, seed)
        return reached, {**network.scoring_arrays(), "mean": mean}

    def _of_users(self, users: UserIndices) -> Floats:
        """Mix the history with the users' own words."""
        return self._with_words(self._history.rows(users), self._words_of_users(users))

    def _of_profile(self, profile: Profile) -> Floats:
        """Mix the items of the profile, whatever their order, with its text, which counts like a liked item."""
        return self._with_words(self._history.new(profile), self._words_of_profile(profile))

    def _with_words(self, rows: csr_array, words: Floats) -> Floats:
        total, mass = self._own(words)
        return self._mixed(rows @ self._state["weighted"] + total, rows @ self._state["attention"] + mass)

    def interest(self, items: ItemIndices, weights: Floats | None = None) -> UserInterest:
        """Return the interest of somebody who touched ``items`` in this order, the latest last.

        Args:
            items: positions, each once, shape ``(k,)``; those that came after training are left out.
            weights: of the events, shape ``(k,)``; 1 by default.
        """
        items = np.asarray(items, dtype=np.int64)
        weights = np.ones(len(items), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
        kept = items < self._history.n_items
        return self._mixture(items[kept], strength(weights[kept], self._history.unit))

    def update(self, interest: UserInterest, item: int, weight: float = 1.0) -> UserInterest:
        """Return ``interest`` after one more event; equal to that of the longer history, for any item in constant time.

        An item that was there already moves to the end, and its strengths add up; only then all weights are computed
        again.

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

    def score_interest(self, interest: UserInterest) -> Floats:
        """Score all items for ``interest`` -> float32 ``(n_items,)``; NaN where nothing is known."""
        mass = np.array([[interest.mass]], dtype=np.float32)
        return np.asarray(self._score(self._mixed(interest.total[None, :], mass))[0])

    def _mixture(self, items: ItemIndices, strengths: Floats) -> UserInterest:
        decayed = strengths * float(self._state["decay"][0]) ** np.arange(len(items) - 1, -1, -1)
        total = np.asarray(decayed @ self._state["weighted"][items], dtype=np.float32)
        return UserInterest(items, strengths, total, float(decayed @ self._state["attention"][items, 0]))

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


def attended(texts: Floats, project: Floats, attend: Floats) -> tuple[Floats, Floats]:
    """Return projected texts times their attention ``(n, d)``, and the attention ``(n, 1)``; zeros where no text is.

    The attention is ``exp(3 tanh(t . attend))``: a text counts at most some 400 times as much as another.
    """
    present = texts.any(axis=1, keepdims=True)
    attention = np.where(present, np.exp(3 * np.tanh(texts @ attend)), 0).astype(np.float32)
    return attention * (texts @ project), attention


class InterestNetwork(TextNetwork):
    """Projections of the texts, attention, decay and the layers above the mixture, in torch.

    Args:
        texts: centred unit text vectors, shape ``(n_items, t)``.
        counts: likes of each item, shape ``(n_items,)``.
        options: sizes; a text is projected to no more numbers than there are principal directions.
        ordered: whether a decay is learned.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        texts: Floats,
        counts: NDArray[np.int64],
        options: TextInterestOptions,
        *,
        ordered: bool,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        start = SHARPNESS * principal_axes(texts, options.size)
        size, hidden = start.shape[1], options.hidden_size
        arrays = {
            "project": start,
            "items": start,
            "attend": np.zeros((texts.shape[1], 1)),
            "hidden": rng.normal(0, np.sqrt(2 / size), (size, hidden)),
            "hidden_bias": np.zeros(hidden),
            "out": np.zeros((hidden, size)),
            "likes": np.zeros(1),
            # The decay is a sigmoid of this: 0.8 at the start; 1 where there is no order.
            "recency": np.full(1, 1.4 if ordered else np.inf),
        }
        super().__init__(texts, counts, arrays, ordered, device)

    def attended(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return projected texts times attention ``(..., d)`` and the attention ``(..., 1)``, 0 without text."""
        texts = self.vectors[items]
        attention = (3 * (texts @ self.parameters["attend"]).tanh()).exp() * texts.any(-1, keepdim=True)
        return attention * (texts @ self.parameters["project"]), attention

    def of_users(self, mixture: Tensor, drop: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """Return users' vectors, shape ``(u, d + 1)``; ``drop`` sets entries of mixture and hidden layer to 0."""
        net, mixture = self.parameters, drop(mixture)
        hidden = drop((mixture @ net["hidden"] + net["hidden_bias"]).relu())
        return with_ones(mixture + hidden @ net["out"])

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return what a user's vector is multiplied with, shape ``(i, d + 1)``; zeros for items without text."""
        import torch

        texts, net = self.vectors[items], self.parameters
        vectors = torch.cat([texts @ net["items"], self.popularity[items, None] * net["likes"]], 1)
        return vectors * texts.any(1, keepdim=True)

    def scoring_arrays(self) -> Arrays:
        """Return what scoring needs."""
        import torch

        names = ("project", "attend", "hidden", "hidden_bias", "out")
        state = {name: self.parameters[name].detach().cpu().numpy() for name in names}
        weighted, attention = attended(self.vectors.cpu().numpy(), state["project"], state["attend"])
        with torch.no_grad():
            items = self.item_vectors(torch.arange(len(self.vectors), device=self.vectors.device)).cpu().numpy()
            decay = self.decay.cpu().numpy()
        return {**state, "decay": decay, "weighted": weighted, "attention": attention, "items": items}


class InterestTraining(WindowTraining):
    """Predicts likes by the mixture of what is looked at."""

    network: InterestNetwork
    validation: Validation | None

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over the likes of the windows ``rows``."""
        import torch

        network = self.network
        present, items, strengths = self._of_windows(rows)
        named, position = torch.unique(items, return_inverse=True)  # a text is projected once a step
        totals, attention = network.attended(named)
        seen = self._looked_at(network.decay) * strengths[:, None, :]  # (b, l, l)
        mass = seen @ attention[position]
        mixture = (seen @ totals[position]) / mass.clamp(min=1e-12)
        chosen = present & (mass[..., 0] > 1e-9) & (attention[position][..., 0] > 0)
        users = network.of_users(mixture[chosen], lambda x: self.dropped(x, self.options.dropout))
        candidates, corrections = self._catalogue.draw(self._generator)
        of_candidates = (candidates, corrections, network.item_vectors(candidates))
        vectors = network.item_vectors(named)[position[chosen]]
        return choice_loss(users, items[chosen], strengths[chosen], vectors, of_candidates)

    def metric(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        import torch

        if self.validation is None:
            return None
        network, (matrix, steps) = self.network, self.histories
        everything = torch.arange(len(network.vectors), device=self.device)
        totals, attention = network.attended(everything)
        values = torch.from_numpy(matrix.data).to(self.device)
        if steps is not None:
            values = values * network.decay ** torch.from_numpy(steps).to(self.device)
        rows = torch.from_numpy(np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))).to(self.device)
        columns = torch.from_numpy(matrix.indices.astype(np.int64)).to(self.device)
        mixture = totals.new_zeros((matrix.shape[0], totals.shape[1] + 1))
        mixture.index_add_(0, rows, torch.cat([totals, attention], 1)[columns] * values[:, None])
        users = network.of_users(mixture[:, :-1] / mixture[:, -1:].clamp(min=1e-12))
        return self.validation.ndcg(users, network.item_vectors(everything))
