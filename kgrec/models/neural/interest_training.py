"""The network of the text interest and its training, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from kgrec.models.adam import AdamTraining
from kgrec.models.features import centred
from kgrec.models.gnn.validation import Validation
from kgrec.models.neural.catalogue import Catalogue, choice_loss
from kgrec.models.neural.fitting import train
from kgrec.models.neural.interest import attended
from kgrec.models.neural.scorer import Floats
from kgrec.models.neural.windows import EMPTY, Likes, ordered_likes, windows
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.neural.interest import TextInterest

SHARPNESS = 3.0
"""What the projections of both sides are multiplied with at the start: a softmax of cosines says nothing."""


class InterestNetwork(nn.Module):
    """Projections of the texts, attention, decay and the layers above the mixture.

    Args:
        texts: centred unit text vectors, shape ``(n_items, t)``.
        counts: likes of each item, shape ``(n_items,)``.
        size: length of the projected texts; no more than there are principal directions.
        hidden: length of the hidden layer.
        ordered: whether a decay is learned.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        texts: Floats,
        counts: NDArray[np.int64],
        *,
        size: int,
        hidden: int,
        ordered: bool,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        super().__init__()
        self.texts = torch.from_numpy(texts).to(device)
        self.popularity = torch.from_numpy(np.log1p(counts).astype(np.float32)[:, None]).to(device)
        values, directions = np.linalg.eigh(texts.T.astype(np.float64) @ texts)
        start = directions[:, np.argsort(-values)[:size]].astype(np.float32)
        size = start.shape[1]

        def parameter(array: NDArray[np.floating], *, learned: bool = True) -> nn.Parameter:
            values = np.ascontiguousarray(array, dtype=np.float32)
            return nn.Parameter(torch.from_numpy(values).to(device), requires_grad=learned)

        self.project, self.items = parameter(SHARPNESS * start), parameter(SHARPNESS * start)
        self.attend = parameter(np.zeros((texts.shape[1], 1)))
        self.hidden = parameter(rng.normal(0, np.sqrt(2 / size), (size, hidden)))
        self.hidden_bias, self.out = parameter(np.zeros(hidden)), parameter(np.zeros((hidden, size)))
        self.likes = parameter(np.zeros(1))
        # The decay is a sigmoid of this: 0.8 at the start; 1 where there is no order.
        self.recency = parameter(np.full(1, 1.4 if ordered else np.inf), learned=ordered)

    @property
    def decay(self) -> Tensor:
        """How much of an item's weight one more item leaves, shape ``(1,)``."""
        return torch.sigmoid(self.recency)

    def attended(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return projected texts times attention ``(..., d)`` and the attention ``(..., 1)``, 0 without text."""
        texts = self.texts[items]
        attention = torch.exp(3 * torch.tanh(texts @ self.attend)) * texts.any(-1, keepdim=True)
        return attention * (texts @ self.project), attention

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return what a user's vector is multiplied with, shape ``(i, d + 1)``; zeros for items without text."""
        texts = self.texts[items]
        vectors = torch.cat([texts @ self.items, self.popularity[items] * self.likes], 1)
        return vectors * texts.any(1, keepdim=True)


class InterestTraining(AdamTraining):
    """Predicts each like of a window from the others, or from the earlier ones where there is an order.

    Args:
        network: what is trained.
        likes: the training data.
        ordered: whether only earlier likes may be looked at.
        validation: how it is judged, or None.
        histories: what users are judged with: strengths, shape ``(n_users, n_items)``, and steps back or None.
        scorer: its options are read.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: InterestNetwork,
        likes: Likes,
        *,
        ordered: bool,
        validation: Validation | None,
        histories: tuple[csr_array, NDArray[np.int64] | None],
        scorer: TextInterest,
        seed: int,
    ) -> None:
        device = network.texts.device
        found = windows(likes.users, scorer.window)
        found = found[(found != EMPTY).sum(axis=1) > 1]
        super().__init__(
            network,
            torch.arange(len(found), device=device),
            -(-len(found) // scorer.batch_size),
            scorer.learning_rate,
            seed,
        )
        self.network, self.validation, self.options, self.ordered = network, validation, scorer, ordered
        self._windows = torch.from_numpy(found).to(device)
        self._items = torch.from_numpy(likes.items).to(device)
        self._strengths = torch.from_numpy(likes.strengths).to(device)
        self._users = torch.from_numpy(likes.users).to(device)
        self._order = torch.arange(len(likes.users), device=device)
        counts = np.bincount(likes.items, minlength=len(network.texts))
        with_text = network.texts.any(1).cpu().numpy()
        self._catalogue = Catalogue(np.where(with_text, counts, 0), str(device))
        matrix, steps = histories
        self._matrix = matrix
        self._steps = None if steps is None else torch.from_numpy(steps).to(device)

    def train_epoch(self) -> float:
        """Go once over all windows; without an order, likes are dealt out to the windows anew."""
        if not self.ordered:
            keys = torch.rand(len(self._users), generator=self._generator, device=self.device)
            self._order = torch.argsort(self._users + keys.double() * 0.999)
        return super().train_epoch()

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over the likes of the windows ``rows``."""
        network, places = self.network, self._windows[rows]
        present = places != EMPTY  # (b, l)
        entries = self._order[places]
        items, strengths = self._items[entries], self._strengths[entries] * present
        named, position = torch.unique(items, return_inverse=True)  # a text is projected once a step
        totals, attention = network.attended(named)
        seen = self._looked_at() * strengths[:, None, :]  # (b, l, l)
        mass = seen @ attention[position]
        mixture = (seen @ totals[position]) / mass.clamp(min=1e-12)
        chosen = present & (mass[..., 0] > 1e-9) & (attention[position][..., 0] > 0)
        mixture = self.dropped(mixture[chosen], self.options.dropout)
        hidden = self.dropped(torch.relu(mixture @ network.hidden + network.hidden_bias), self.options.dropout)
        users = torch.cat([mixture + hidden @ network.out, mixture.new_ones((len(mixture), 1))], 1)
        candidates, corrections = self._catalogue.draw(self._generator)
        of_candidates = (candidates, corrections, network.item_vectors(candidates))
        vectors = network.item_vectors(named)[position[chosen]]
        return choice_loss(users, items[chosen], strengths[chosen], vectors, of_candidates)

    def _looked_at(self) -> Tensor:
        """Return how much each place (column) counts for the one that is predicted (row), shape ``(l, l)``."""
        places = torch.arange(self._windows.shape[1], device=self.device)
        between = places[:, None] - places[None, :]
        if not self.ordered:
            return (between != 0).float()
        return torch.where(between > 0, self.network.decay ** (between - 1).clamp(min=0), 0.0)

    @torch.no_grad()
    def validate(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        network, matrix = self.network, self._matrix
        everything = torch.arange(len(network.texts), device=self.device)
        totals, attention = network.attended(everything)
        values = torch.from_numpy(matrix.data).to(self.device)
        if self._steps is not None:
            values = values * network.decay**self._steps
        pointers, columns = (torch.from_numpy(part.astype(np.int64)).to(self.device) for part in _layout(matrix))
        rows = torch.repeat_interleave(torch.arange(matrix.shape[0], device=self.device), pointers.diff())
        mixture = totals.new_zeros((matrix.shape[0], totals.shape[1] + 1))
        mixture.index_add_(0, rows, torch.cat([totals, attention], 1)[columns] * values[:, None])
        mixture = mixture[:, :-1] / mixture[:, -1:].clamp(min=1e-12)
        hidden = torch.relu(mixture @ network.hidden + network.hidden_bias)
        users = torch.cat([mixture + hidden @ network.out, mixture.new_ones((len(mixture), 1))], 1)
        return self.validation.ndcg(users, network.item_vectors(everything))


def _layout(matrix: csr_array) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    return matrix.indptr, matrix.indices


def fit_interest(
    scorer: TextInterest, matrix: csr_array, steps: NDArray[np.int64] | None, data: TrainingData, seed: int
) -> tuple[TrainingState, Arrays]:
    """Train on ``data`` and return how it went and the arrays that scoring needs.

    Args:
        scorer: its options are read.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        steps: how many items came since, aligned with ``matrix.data``, or None where order does not count.
        data: texts and validation are read.
        seed: of everything drawn.
    """
    rng = np.random.default_rng(seed)
    texts = data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), dtype=np.float32)
    shifted, mean = centred(texts)
    counts = np.bincount(matrix.indices, minlength=data.n_items)
    ordered = steps is not None
    network = InterestNetwork(
        shifted, counts, size=scorer.size, hidden=scorer.hidden_size, ordered=ordered, rng=rng, device=data.device
    )
    validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
    training = InterestTraining(
        network,
        ordered_likes(matrix, steps),
        ordered=ordered,
        validation=validation,
        histories=(matrix, steps),
        scorer=scorer,
        seed=seed,
    )
    reached = train(scorer, training, data, seed)
    return reached, _state(network, shifted, mean)


@torch.no_grad()
def _state(network: InterestNetwork, texts: Floats, mean: Floats) -> Arrays:
    names = ("project", "attend", "hidden", "hidden_bias", "out", "decay")
    state = {name: getattr(network, name).detach().cpu().numpy() for name in names}
    weighted, attention = attended(texts, state["project"], state["attend"])
    items = network.item_vectors(torch.arange(len(texts), device=network.texts.device)).cpu().numpy()
    return {**state, "mean": mean, "weighted": weighted, "attention": attention, "items": items}
