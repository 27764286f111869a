"""What scorers that train in torch share: options, scoring in numpy, windows of histories, a sampled softmax.

Nothing here imports torch before a training does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info

from kgrec.models import recency
from kgrec.models.history import History
from kgrec.models.threads import limited_threads
from kgrec.models.training_loop import AdamTraining, Arrays, Schedule, TrainingState, fingerprint, run
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Traits
from kgrec.progress import SILENT, Progress
from kgrec.types import Profile, Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Floats = NDArray[np.float32]
Histories = tuple[csr_array, NDArray[np.int64] | None]
"""Strengths of likes, CSR of shape ``(n_users, n_items)``, and how many items came since each, or None."""

EMPTY = -1
"""Stands where a row of a window holds no item."""
MAX_CANDIDATES = 1_024
"""Catalogues up to this size are compared with whole; larger ones by a sample of so many items."""

Epochs = Annotated[int, Field(ge=0, description="at most so many; exactly so many without validation data")]
Patience = Annotated[int, Field(ge=1, description="epochs without a new best on the validation data before it stops")]
LearningRate = Annotated[float, Field(gt=0, description="of Adam")]
BatchSize = Annotated[int, Field(ge=1, description="rows of training data (users or windows) in a step")]
Dropout = Annotated[float, Field(ge=0, le=0.95, description="share of inputs and hidden entries that a step hides")]
HiddenSize = Annotated[int, Field(ge=1, description="length of the hidden layers")]


class NeuralOptions(Options):
    """Options of every scorer that trains by epochs."""

    epochs: Epochs = 40
    patience: Patience = 5
    learning_rate: LearningRate = 0.001
    batch_size: BatchSize = 64
    threads: int | None = Field(None, ge=1, description="for this training; None takes what is set")


class NeuralScorer(Configured, ABC):
    """A scorer that is fitted in torch and scores in numpy, by a product of a user's vector with those of the items.

    Subclasses train, and turn histories into vectors.

    Attributes:
        progress: who is told of the epochs.
        checkpoint: file that a cut-off training continues from, or None.
        checkpoint_every: epochs between two checkpoints.
        best_epoch: after ``fit``, the epoch whose weights were kept; a refit without validation trains so many.
        best_metric: NDCG@20 of ``best_epoch`` on the validation data, NaN without.
    """

    Options: ClassVar[type[NeuralOptions]] = NeuralOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.progress: Progress = SILENT
        self.checkpoint: Path | None = None
        self.checkpoint_every = 10
        self.best_epoch = 0
        self.best_metric = float("nan")

    _history: History
    _state: dict[str, NDArray[Any]]

    @abstractmethod
    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
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

    def _run(self, training: AdamTraining, data: TrainingData, seed: int) -> TrainingState:
        """Train until the validation metric no longer grows; the network then holds the best weights."""
        if not training.n_rows:
            return TrainingState()
        schedule = Schedule(
            epochs=self.options.epochs,
            patience=self.options.patience,
            checkpoint=self.checkpoint,
            checkpoint_every=self.checkpoint_every,
            fingerprint=fingerprint(self.options, data, seed),
        )
        # torch may just have been imported, and then does not yet know of the threads that the others keep to.
        threads = self.options.threads or min((pool["num_threads"] for pool in threadpool_info()), default=1)
        with limited_threads(threads):
            return run(training, schedule, progress=self.progress)

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


class NeuralTextOptions(NeuralOptions):
    """Options of neural scorers that know items by their texts."""

    size: int = Field(128, ge=1, description="length of the projected texts")
    hidden_size: HiddenSize = 128
    window: int = Field(32, ge=2, description="likes that training looks at at once")
    ordered: bool | None = Field(None, description="predict a like from earlier ones only; None: where times are")
    dropout: Dropout = 0.2
    own_words: float = Field(1.0, ge=0, description="what somebody's own words are worth, a like counting 1")


class NeuralTextScorer(NeuralScorer):
    """A neural scorer that knows items by their texts, and users by what they say of themselves, too."""

    Options: ClassVar[type[NeuralTextOptions]] = NeuralTextOptions
    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="fused")

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.has_texts else "no item has a text"

    @abstractmethod
    def _train_on(self, steps: NDArray[np.int64] | None, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        """Train; the arrays hold ``mean``, the mean text, and ``decay``, what one more item leaves of another's weight.

        Args:
            steps: how many items came since, aligned with the history, or None where order does not count.
            data: texts and validation are read.
            seed: of everything drawn.
        """

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        steps = recency.steps_back(data.events, data.matrix) if self.options.ordered is not False else None
        reached, state = self._train_on(steps, data, seed)
        decay = float(state["decay"][0])
        self._history = History(recency.decayed(self._history.matrix, steps, decay), self._history.unit)
        state["own_words"] = np.array([self.options.own_words], dtype=np.float32)
        state["words"] = np.zeros((0, len(state["mean"])), dtype=np.float32)
        if data.user_text is not None and data.item_text is not None:
            state["words"] = data.user_text
        return reached, state

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


def centred_by(texts: Floats, mean: Floats) -> Floats:
    """Subtract ``mean`` from the rows that are not zero and scale them to unit length."""
    present = texts.any(axis=1, keepdims=True)
    shifted = np.where(present, texts - mean, np.float32(0))
    return np.asarray(shifted / np.maximum(np.linalg.norm(shifted, axis=1, keepdims=True), 1e-12), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Likes:
    """The likes of all users, each user's in order, oldest first.

    Attributes:
        users: shape ``(l,)``, ascending.
        items: shape ``(l,)``.
        strengths: shape ``(l,)``.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    strengths: Floats


def ordered_likes(matrix: csr_array, steps: NDArray[np.int64] | None) -> Likes:
    """Return the likes of ``matrix`` by user, then by time of the last event on the item.

    Args:
        matrix: strengths, shape ``(n_users, n_items)``.
        steps: as of :func:`kgrec.models.recency.steps_back`; None keeps the order of the items.
    """
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.arange(len(users)) if steps is None else np.lexsort((-steps, users))
    return Likes(users[order], matrix.indices[order].astype(np.int64), matrix.data[order])


def windows(users: NDArray[np.int64], length: int, stride: int | None = None) -> NDArray[np.int64]:
    """Cut each user's entries into windows from the last one on -> positions of entries, shape ``(w, length)``.

    Windows are filled from the right: the latest entry stands in the last column, and ``EMPTY`` where there is none.

    Args:
        users: whose each entry is, ascending, shape ``(l,)``.
        length: entries in a window.
        stride: entries from the start of one window to that of the next; ``length`` by default. Windows of a
            smaller stride share entries.
    """
    stride = stride or length
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=np.int64)
    counts = np.diff(np.r_[starts, len(users)])
    # The last window of a user ends at the last entry, the one before it ``stride`` entries earlier, and so on.
    shared = length - stride
    n_windows = np.maximum(-(-(counts - shared) // stride), 1)
    owners = np.repeat(np.arange(len(starts)), n_windows)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    ends = (starts + counts)[owners] - number * stride
    positions = ends[:, None] - length + np.arange(length)
    return np.where(positions >= starts[owners][:, None], positions, EMPTY)


def parameters(arrays: Mapping[str, NDArray[Any]], device: str, *, fixed: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Return ``arrays`` as float32 tensors on ``device`` that a training changes, but for those that are ``fixed``."""
    import torch

    return {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        .to(device, copy=True)
        .requires_grad_(name not in fixed)
        for name, array in arrays.items()
    }


def with_ones(vectors: Tensor) -> Tensor:
    """Return ``vectors`` of shape ``(n, d)`` with a last column of ones, which meets the items' biases."""
    import torch

    return torch.cat([vectors, vectors.new_ones((len(vectors), 1))], 1)


class CandidateSampler:
    """The items that a liked item is compared with.

    A sample is drawn with replacement, popular items more often: ``q_j ~ n_j ** 0.5`` for ``n_j`` likes. With
    ``s_j - log(m q_j)`` for the scores of the ``m`` items drawn, the sum of the exponentials is an unbiased estimate of
    that over the catalogue (Bengio and Senecal, Adaptive Importance Sampling to Accelerate Training of a Neural
    Probabilistic Language Model, IEEE TNN 2008), so drawing popular items more often does not punish them.

    Args:
        counts: likes of each item, shape ``(n_items,)``; items without likes are never compared with.
        device: where to.
        size: items of a sample.
    """

    def __init__(self, counts: NDArray[np.int64], device: torch.device, size: int = MAX_CANDIDATES) -> None:
        import torch

        liked = np.flatnonzero(counts)
        self._liked = torch.from_numpy(liked).to(device)
        self._size = size
        shares = np.sqrt(counts[liked].astype(np.float64))
        self._shares = torch.from_numpy((shares / max(shares.sum(), 1e-12)).astype(np.float32)).to(device)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return items, shape ``(m,)``, and what is to be subtracted from their scores, shape ``(m,)``."""
        if len(self._liked) <= self._size:
            return self._liked, self._shares.new_zeros(len(self._liked))
        drawn = self._shares.multinomial(self._size, replacement=True, generator=generator)
        return self._liked[drawn], (self._size * self._shares[drawn]).log()


def choice_loss(
    users: Tensor, targets: Tensor, weights: Tensor, vectors: Tensor, candidates: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Return the weighted mean of ``- log softmax`` of the targets among the candidates.

    Args:
        users: vectors of those who choose, shape ``(p, d)``.
        targets: items chosen, shape ``(p,)``.
        weights: how much each choice counts, shape ``(p,)``.
        vectors: vectors of the targets, shape ``(p, d)``.
        candidates: items ``(m,)``, what to subtract from their scores ``(m,)``, and their vectors ``(m, d)``.
    """
    items, corrections, of_items = candidates
    logits = users @ of_items.T - corrections
    logits = logits.masked_fill(items == targets[:, None], float("-inf"))  # it stands in the sum once, by itself
    chosen = (users * vectors).sum(1)
    total = chosen.logaddexp(logits.logsumexp(1))
    loss: Tensor = ((total - chosen) * weights).sum() / weights.sum()
    return loss


class TextNetwork:
    """Parameters over the vectors of items' texts; ``recency`` among them is the logit of a decay.

    Args:
        vectors: of the items' texts, zero rows where there is none, shape ``(n_items, d)``.
        counts: likes of each item, shape ``(n_items,)``.
        arrays: what the parameters start at.
        ordered: whether the decay is learned.
        device: where to.
    """

    def __init__(
        self, vectors: Floats, counts: NDArray[np.int64], arrays: Mapping[str, NDArray[Any]], ordered: bool, device: str
    ) -> None:
        import torch

        self.vectors = torch.from_numpy(vectors).to(device)
        self.popularity = torch.from_numpy(np.log1p(counts).astype(np.float32)).to(device)
        self.parameters = parameters(arrays, device, fixed=() if ordered else ("recency",))

    @property
    def decay(self) -> Tensor:
        """How much of an item's weight one more item leaves, shape ``(1,)``."""
        return self.parameters["recency"].sigmoid()


class WindowTraining(AdamTraining):
    """Predicts each like of a window from the others, or from the earlier ones where there is an order.

    Args:
        network: what is trained.
        histories: what users liked.
        validation: how the network is judged, or None.
        options: of the scorer.
        seed: of everything drawn.
    """

    candidates: ClassVar[int] = MAX_CANDIDATES
    """Items that a like is compared with in a step."""

    def __init__(
        self,
        network: TextNetwork,
        histories: Histories,
        validation: Any,
        options: NeuralTextOptions,
        seed: int,
    ) -> None:
        import torch

        likes, device = ordered_likes(*histories), network.vectors.device
        found = windows(likes.users, options.window)
        found = found[(found != EMPTY).sum(axis=1) > 1]
        rows = torch.arange(len(found), device=device)
        n_steps = -(-len(found) // options.batch_size)
        super().__init__(network.parameters, rows, n_steps, options.learning_rate, seed)
        self.network, self.histories, self.validation, self.options = network, histories, validation, options
        self._windows = torch.from_numpy(found).to(device)
        self._items = torch.from_numpy(likes.items).to(device)
        self._strengths = torch.from_numpy(likes.strengths).to(device)
        self._users = torch.from_numpy(likes.users).to(device)
        self._order = torch.arange(len(likes.users), device=device)
        counts = np.bincount(likes.items, minlength=len(network.vectors)) * network.vectors.any(1).cpu().numpy()
        self._catalogue = CandidateSampler(counts, device, self.candidates)
        self._ordered = histories[1] is not None

    def train_epoch(self) -> float:
        """Go once over all windows; without an order, likes are dealt out to the windows in a new order first."""
        import torch

        if not self._ordered:
            keys = torch.rand(len(self._users), generator=self._generator, device=self.device)
            self._order = torch.argsort(self._users + keys.double() * 0.999)
        return super().train_epoch()

    def _of_windows(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return of some windows which places hold a like, its item and its strength, each of shape ``(b, l)``."""
        places = self._windows[rows]
        present = places != EMPTY
        entries = self._order[places]
        return present, self._items[entries], self._strengths[entries] * present

    def _looked_at(self, decay: Tensor) -> Tensor:
        """Return how much each place (column) counts for the one that is predicted (row), shape ``(l, l)``."""
        import torch

        places = torch.arange(self._windows.shape[1], device=self.device)
        between = places[:, None] - places[None, :]
        if not self._ordered:
            return (between != 0).float()
        return torch.where(between > 0, decay ** (between - 1).clamp(min=0), 0.0)
