"""How long work tells where it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class StopTraining(Exception):
    """Raised by whoever listens, to end the training that it listens to: it is not going to be good enough."""


class Task(Protocol):
    """A piece of work under way."""

    def advance(self, amount: float = 1) -> None:
        """Report that ``amount`` more units are done."""
        ...

    def note(self, text: str) -> None:
        """Show a short text beside the bar, such as the current loss."""
        ...


class Progress(Protocol):
    """Listens to long work; the command line draws bars, everyone else stays silent."""

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Open a piece of work of ``total`` units; None where the length is not known."""
        ...

    def log(self, message: str) -> None:
        """Say something worth a line."""
        ...

    def measured(self, step: int, value: float) -> None:
        """Report how good what is being trained is after ``step`` epochs, on held-out data; larger is better.

        Raises:
            StopTraining: it need not go on.
        """
        ...


class _SilentTask:
    def advance(self, amount: float = 1) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""


class _Silent:
    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:  # noqa: ARG002
        """Open a task nobody sees."""
        yield _SilentTask()

    def log(self, message: str) -> None:
        """Ignore."""

    def measured(self, step: int, value: float) -> None:
        """Ignore."""


SILENT: Progress = _Silent()
"""Nobody listens."""


class Recording:
    """Passes everything on and keeps what was measured: the learning curve of one training.

    Attributes:
        points: epochs and how good the model was after each, in order.
    """

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.points: list[tuple[int, float]] = []

    def task(self, description: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Open the piece of work where it is listened to."""
        return self._inner.task(description, total)

    def log(self, message: str) -> None:
        """Pass the line on."""
        self._inner.log(message)

    def measured(self, step: int, value: float) -> None:
        """Keep the point and pass it on."""
        self.points.append((step, value))
        self._inner.measured(step, value)
