"""The one epoch loop: early stopping, checkpoints that a run continues from, progress. Knows nothing of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import CorruptArtifactError
from kgrec.progress import SILENT, Progress
from kgrec.workspace import load_arrays, save_arrays, storage_errors

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
    with storage_errors(schedule.checkpoint):
        schedule.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        aside = schedule.checkpoint.with_name(f".{schedule.checkpoint.name}.{os.getpid()}")
        try:
            save_arrays(aside, arrays)
            aside.replace(schedule.checkpoint)
        finally:
            aside.unlink(missing_ok=True)


def _resume(
    training: Training, schedule: Schedule, progress: Progress
) -> tuple[TrainingState, Arrays | None] | tuple[None, None]:
    if schedule.checkpoint is None or not schedule.checkpoint.exists():
        return None, None
    hint = f"delete {schedule.checkpoint} to train from the start"
    try:
        arrays = load_arrays(schedule.checkpoint)
        if arrays["fingerprint"].tobytes() != f"kgrec {schedule.fingerprint}".encode():
            progress.log(f"{schedule.checkpoint} is of another training: starting anew")
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
