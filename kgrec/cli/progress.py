"""Progress on stderr: bars on a terminal, a line for each finished piece of work elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kgrec.cli.console import console, duration
from kgrec.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@contextmanager
def reporting(*, quiet: bool) -> Iterator[Progress]:
    """Open what shows progress as long as the block lasts."""
    if quiet:
        yield SILENT
        return
    screen = console(stderr=True)
    if not screen.is_terminal or screen.is_dumb_terminal:
        yield PlainProgress()
        return
    bars = BarProgress()
    try:
        yield bars
    finally:
        bars.close()


class PlainProgress:
    """Writes a line when a piece of work ends; pieces inside of others stay silent."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:  # noqa: ARG002
        """Open a piece of work."""
        started = time.perf_counter()
        task = _PlainTask()
        self._depth += 1
        try:
            yield task
        finally:
            self._depth -= 1
        if not self._depth:
            note = f" · {task.text}" if task.text else ""
            self.log(f"{description}{note} · {duration(time.perf_counter() - started)}")

    def log(self, message: str) -> None:
        """Write a line."""
        print(message, file=sys.stderr, flush=True)

    def measured(self, step: int, value: float) -> None:
        """Ignore; the note of the training tells it."""


class _PlainTask:
    def __init__(self) -> None:
        self.text = ""

    def advance(self, amount: float = 1) -> None:
        """Ignore; only the end is reported."""

    def note(self, text: str) -> None:
        """Keep the text for the line at the end."""
        self.text = text


class BarProgress:
    """Draws bars; those of finished outer pieces of work stay on the screen with the time they took."""

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        self._depth = 0

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        """Open a piece of work."""
        bars = self._opened()
        number = bars.add_task("  " * self._depth + description, total=total, note="")
        self._depth += 1
        try:
            yield _BarTask(bars, number)
        finally:
            self._depth -= 1
        if self._depth:
            bars.remove_task(number)
        else:
            done = total or 1
            bars.update(number, total=done, completed=done)

    def log(self, message: str) -> None:
        """Write a line above the bars."""
        if self._bars is None:
            console(stderr=True).print(message)
        else:
            self._bars.console.print(message)

    def measured(self, step: int, value: float) -> None:
        """Ignore; the note of the training tells it."""

    def close(self) -> None:
        """Leave the bars as they are and give the terminal back."""
        if self._bars is not None:
            self._bars.stop()

    def _opened(self) -> RichProgress:
        if self._bars is None:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False, style="dim"),
                console=console(stderr=True),
            )
            self._bars.start()
        return self._bars


class _BarTask:
    def __init__(self, bars: RichProgress, number: TaskID) -> None:
        self._bars = bars
        self._number = number

    def advance(self, amount: float = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._number, amount)

    def note(self, text: str) -> None:
        """Show ``text`` beside the bar."""
        self._bars.update(self._number, note=text)
