"""The one epoch loop: early stopping, checkpoints that a run resumes from, progress; and training by Adam for it.

Nothing here imports torch before a training starts.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kgrec.artifacts import load_arrays, replacing, save_arrays
from kgrec.errors import CorruptArtifactError
from kgrec.progress import SILENT, Progress
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import Tensor

Arrays = dict[str, NDArray[Any]]


class Training(Protocol):
    """A model under training."""

    def train_epoch(self) -> float:
        """Go once over the training data and return the mean loss."""
        ...

    def validate(self) -> float | None:
        """Return how good the model is on held-out data, larger is better, or None where nothing is held out."""
        ...

    def weights(self) -> Arrays:
        """Return a copy of what makes the result: the best epoch's are kept."""
        ...

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`weights` returned."""
        ...

    def state(self) -> Arrays:
        """Return all that the next epoch depends on: weights, optimiser, random generators."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`state` returned."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train.

    Attributes:
        epochs: at most so many; exactly so many when there is nothing to validate on.
        validate_every: epochs between two looks at the validation data.
        patience: looks in a row without a new best before training stops.
        checkpoint: where the run's state is kept, or None.
        checkpoint_every: epochs between two checkpoints.
        fingerprint: names data, options and seed; a checkpoint of another fingerprint is not continued.
    """

    epochs: int
    validate_every: int = 1
    patience: int = 5
    checkpoint: Path | None = None
    checkpoint_every: int = 10
    fingerprint: str = ""


@dataclass
class TrainingState:
    """How the training went so far.

    Attributes:
        epoch: epochs done.
        best_epoch: epoch of the weights kept, 0 for the start; the last epoch when nothing is validated.
        best_metric: metric of ``best_epoch``, NaN when nothing is validated.
        stale: looks since the best.
        metrics: metric of every look, in order.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_metric: float = float("nan")
    stale: int = 0
    metrics: list[float] = field(default_factory=list)


def run(training: Training, schedule: Schedule, *, progress: Progress = SILENT) -> TrainingState:
    """Train until the epochs are over or the metric no longer grows; ``training`` then holds the best weights.

    The start is looked at too, so a start that training only makes worse is what remains. A run that was cut off
    continues from its last checkpoint and ends as it would have ended.

    Raises:
        CorruptArtifactError: the checkpoint is damaged.
        StopTraining: ``progress`` wants no more of it.
        StorageError: a checkpoint cannot be written.
    """
    state, best = _resume(training, schedule, progress)
    if state is None:
        state, best = TrainingState(), None
        best = _look(training, state, best, progress)
    with progress.task("training", total=schedule.epochs) as task:
        task.advance(state.epoch)
        while state.epoch < schedule.epochs and state.stale < schedule.patience:
            loss = training.train_epoch()
            state.epoch += 1
            if state.epoch % schedule.validate_every == 0 or state.epoch == schedule.epochs:
                best = _look(training, state, best, progress)
            if schedule.checkpoint is not None and state.epoch % schedule.checkpoint_every == 0:
                _save(training, state, best, schedule)
            task.advance()
            task.note(f"loss {loss:.4f}" + (f", validation {state.metrics[-1]:.4f}" if state.metrics else ""))
    if best is None:
        state.best_epoch = state.epoch
    # What is kept need not be what the last step left: it may be an average over steps.
    training.load_weights(training.weights() if best is None else best)
    return state


def _look(training: Training, state: TrainingState, best: Arrays | None, progress: Progress) -> Arrays | None:
    """Validate and return the best weights so far."""
    metric = training.validate()
    if metric is None:
        return None
    state.metrics.append(metric)
    progress.measured(state.epoch, metric)
    if best is not None and metric <= state.best_metric:
        state.stale += 1
        return best
    state.best_epoch, state.best_metric, state.stale = state.epoch, metric, 0
    return training.weights()


def _save(training: Training, state: TrainingState, best: Arrays | None, schedule: Schedule) -> None:
    """Write the checkpoint beside its place and move it there, so that a cut leaves the old one."""
    assert schedule.checkpoint is not None
    arrays: Arrays = {f"training.{name}": array for name, array in training.state().items()}
    arrays |= {f"best.{name}": array for name, array in (best or {}).items()}
    arrays["state"] = np.array([state.epoch, state.best_epoch, state.stale, best is not None], dtype=np.int64)
    arrays["metrics"] = np.array([state.best_metric, *state.metrics], dtype=np.float64)
    arrays["fingerprint"] = np.frombuffer(f"kgrec {schedule.fingerprint}".encode(), dtype=np.uint8)
    with replacing(schedule.checkpoint) as aside:
        save_arrays(aside, arrays)


def _resume(
    training: Training, schedule: Schedule, progress: Progress
) -> tuple[TrainingState, Arrays | None] | tuple[None, None]:
    if schedule.checkpoint is None or not schedule.checkpoint.exists():
        return None, None
    hint = f"delete {schedule.checkpoint} to train from the start"
    try:
        arrays = load_arrays(schedule.checkpoint)
        if arrays["fingerprint"].tobytes() != f"kgrec {schedule.fingerprint}".encode():
            progress.log(f"{schedule.checkpoint} is of another training: starting over")
            return None, None
        epoch, best_epoch, stale, has_best = (int(number) for number in arrays["state"])
        best_metric, *metrics = (float(number) for number in arrays["metrics"])
        training.load_state(_part(arrays, "training."))
    except (CorruptArtifactError, KeyError, ValueError, RuntimeError) as error:  # RuntimeError: torch on wrong shapes
        raise CorruptArtifactError(f"{schedule.checkpoint} is no checkpoint: {error}", hint=hint) from error
    progress.log(f"continuing after epoch {epoch}")
    state = TrainingState(epoch, best_epoch, best_metric, stale, metrics)
    return state, _part(arrays, "best.") if has_best else None


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


class AdamTraining(ABC):
    """Goes over rows of training data in random order, in blocks; for :func:`run`.

    Args:
        network: what is trained, by name; a step changes those that require gradients.
        rows: numbers of the rows of training data, shape ``(r,)``, on the network's device.
        n_steps: blocks that an epoch is cut into.
        learning_rate: of Adam.
        seed: of everything drawn.
        average: decay, by step, of the running average of the parameters that is the result of training; 0 takes the
            parameters as they are. The average of a noisy course lies nearer to where it leads (Polyak and Juditsky,
            SIAM J. Control and Optimization 1992).

    Attributes:
        n_steps: steps in an epoch.
        steps_done: steps taken so far.
    """

    def __init__(
        self,
        network: Mapping[str, Tensor],
        rows: Tensor,
        n_steps: int,
        learning_rate: float,
        seed: int,
        *,
        average: float = 0.0,
    ) -> None:
        import torch

        self.device = rows.device
        self.n_steps, self.steps_done = max(1, n_steps), 0
        self._parameters, self._rows = network, rows
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self._trained = {name: parameter for name, parameter in network.items() if parameter.requires_grad}
        self._learning_rate, self._decay = learning_rate, average
        self._first, self._second = (
            {name: torch.zeros_like(p, requires_grad=False) for name, p in self._trained.items()} for _ in range(2)
        )
        self._taken = {name: torch.zeros((), device=self.device) for name in self._trained}
        self._average = {name: p.detach().clone() for name, p in self._trained.items()} if average else {}

    @property
    def n_rows(self) -> int:
        """Number of rows of training data."""
        return len(self._rows)

    @abstractmethod
    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over ``rows`` of shape ``(b,)``."""

    @abstractmethod
    def metric(self) -> float | None:
        """Return how good the network is on held-out data, larger is better, or None where nothing is held out."""

    def validate(self) -> float | None:
        """Return the metric of the averaged parameters."""
        import torch

        with torch.no_grad(), self.averaged():
            return self.metric()

    def train_epoch(self) -> float:
        """Go once over all rows, in random order; the loss is brought to the host once, at the end."""
        import torch

        order = self._rows[torch.randperm(len(self._rows), generator=self._generator, device=self.device)]
        total = torch.zeros((), device=self.device)
        blocks = order.chunk(self.n_steps)
        for block in blocks:
            total += self.step(block)
        return float(total) / len(blocks)

    def step(self, rows: Tensor) -> Tensor:
        """Take one step on ``rows`` of shape ``(b,)`` and return its loss, on the device."""
        import torch

        for parameter in self._trained.values():
            parameter.grad = None
        loss = self.loss(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._descend()
        self.steps_done += 1
        return loss.detach()

    def _descend(self) -> None:
        # The class torch.optim.Adam loads torch's compiler (1.3 s) and takes a sixth to a third longer a step.
        from torch.optim.adam import adam

        taught = {name: p.grad for name, p in self._trained.items() if p.grad is not None}
        adam(
            [self._trained[name] for name in taught],
            list(taught.values()),
            [self._first[name] for name in taught],
            [self._second[name] for name in taught],
            [],
            [self._taken[name] for name in taught],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        for name, average in self._average.items():
            average.lerp_(self._trained[name], 1 - self._decay)

    def weights(self) -> Arrays:
        """Return a copy of the parameters, averaged where that was asked for."""
        with self.averaged():
            return self._copied()

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over parameters; the running average starts again from them."""
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(torch.from_numpy(np.array(weights[name])).reshape(parameter.shape))
            for name, average in self._average.items():
                average.copy_(self._trained[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network have the averaged parameters meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> Arrays:
        """Return parameters, their average, Adam's moments, the generator's state and the number of steps."""
        arrays = {f"weights.{name}": array for name, array in self._copied().items()}
        arrays |= {name: np.atleast_1d(tensor.cpu().numpy().copy()) for name, tensor in self._memory()}
        arrays["generator"] = self._generator.get_state().numpy()
        arrays["steps_done"] = np.array([self.steps_done])
        return arrays

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`state` returned."""
        import torch

        self.load_weights(_part(state, "weights."))
        for name, tensor in self._memory():
            # Copied in place: a moment must lie in memory as its parameter does, or the fused kernel pairs the wrong
            # entries.
            tensor.copy_(torch.from_numpy(np.array(state[name])).reshape(tensor.shape))
        self._generator.set_state(torch.from_numpy(np.array(state["generator"])))
        self.steps_done = int(state["steps_done"][0])

    def dropped(self, x: Tensor, share: float) -> Tensor:
        """Set a random ``share`` of the entries to 0 and scale the others up, drawn from the training's generator."""
        import torch

        if share == 0:
            return x
        kept = torch.rand(x.shape, generator=self._generator, device=self.device) >= share
        return x * kept / (1 - share)

    def _memory(self) -> Iterator[tuple[str, Tensor]]:
        """Yield by name what steps leave behind besides the parameters."""
        kept = {"first": self._first, "second": self._second, "step": self._taken, "average": self._average}
        return ((f"{kind}.{name}", tensor) for kind, named in kept.items() for name, tensor in named.items())

    def _copied(self) -> Arrays:
        return {name: value.detach().cpu().numpy().copy() for name, value in self._parameters.items()}

    def _swap(self) -> None:
        for name, average in self._average.items():
            self._trained[name].data, average.data = average.data, self._trained[name].data


def fingerprint(options: BaseModel, data: TrainingData, seed: int) -> str:
    """Hash what a training depends on: a checkpoint of another training is not continued.

    Args:
        options: of the scorer; the number of threads changes nothing in the result.
        data: what it is fitted on.
        seed: of the fit.
    """
    known = options.model_dump(exclude={"threads"})
    digest = hashlib.sha256(repr((sorted(known.items()), seed)).encode())
    for array in _inputs(data):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _inputs(data: TrainingData) -> list[NDArray[Any]]:
    arrays: list[NDArray[Any] | None] = [data.item_text, data.user_text]
    for matrix in (data.matrix, data.validation):
        arrays += [] if matrix is None else [matrix.data, matrix.indices, matrix.indptr]
    if data.events.times is not None:
        arrays += [data.events.users, data.events.items]
    if data.triples is not None:
        arrays += [data.triples.heads, data.triples.relations, data.triples.tails, data.triples.weights]
    return [array for array in arrays if array is not None]
