"""What people see: tables, durations, progress, errors. rich is imported when something is shown, not before."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kgrec.progress import SILENT, Progress, Task
from kgrec.shown import visible, without_secrets

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.table import Table
    from rich.text import Text

NAME, PROSE = 160, 4000
"""Characters that are shown of a name, and of a text."""


def console(*, stderr: bool = False) -> Console:
    """Make a console that shows data as it is: no markup, no emoji codes, no guessed highlights, nothing invisible.

    Colours follow the terminal and NO_COLOR, the width follows the terminal and COLUMNS.
    """
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit by itself; the error boundary decides

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible(text, lines=True), **options)

    return _Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def report(message: str, hint: str | None) -> None:
    """Print ``error:`` and ``hint:``."""
    _line("error:", message, "1;31")
    if hint:
        _line("hint:", hint, "1;36")


def warn(message: str) -> None:
    """Print ``warning:``."""
    _line("warning:", message, "1;33")


def _line(word: str, text: str, colour: str) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    head = f"\x1b[{colour}m{word}\x1b[0m" if coloured else word
    lines = without_secrets("\n".join(text.splitlines()))
    print(f"{head} {prose(lines)}", file=sys.stderr)


def table(columns: Mapping[str, Mapping[str, Any]]) -> Table:
    """Make a table; ``columns`` are header -> keyword arguments of :meth:`rich.table.Table.add_column`."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name, options in columns.items():
        made.add_column(name, **options)
    return made


def show_records(records: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows of equal keys as a table; numbers are put to the right."""
    out = console()
    if not records:
        out.print(empty)
        return
    columns: dict[str, dict[str, Any]] = {}
    for name in records[0]:
        numeric = all(isinstance(r[name], int | float | None) for r in records)
        columns[words(name)] = {"justify": "right"} if numeric else {"overflow": "fold"}
    made = table(columns)
    for record in records:
        made.add_row(*(cell(value) for value in record.values()))
    out.print(made)


def show_facts(facts: Mapping[str, Any], *, title: str = "") -> None:
    """Print facts: single values one a line, nested ones and lists of records under a heading of their own."""
    out = console()
    if title:
        out.print(title, style="bold")
    simple = {k: v for k, v in facts.items() if not isinstance(v, Mapping) and not _is_records(v)}
    if simple:
        made = table({"": {"style": "cyan", "no_wrap": True}, " ": {"overflow": "fold"}})
        made.show_header = False
        for key, value in simple.items():
            made.add_row(words(key), cell(value))
        out.print(made)
    for key, value in facts.items():
        if key in simple or not value:
            continue
        out.print()
        if _is_records(value) or _is_grid(value):
            rows = value if _is_records(value) else [{words(key): words(k), **v} for k, v in value.items()]
            if _is_records(value):
                out.print(words(key), style="bold")
            show_records(rows, empty="")
        else:
            show_facts(value, title=words(key))


def _is_records(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _is_grid(value: Any) -> bool:
    """Say whether the facts are rows of the same few single values, which read better as a table."""
    rows = list(value.values()) if isinstance(value, Mapping) else []
    return (
        len(rows) > 1
        and all(isinstance(row, Mapping) and 0 < len(row) <= 6 and row.keys() == rows[0].keys() for row in rows)
        and not any(isinstance(v, Mapping | list | tuple) for row in rows for v in row.values())
    )


def words(key: str) -> str:
    """Write a key of a report as words: ``n_users`` -> ``n users``."""
    return key.replace("_", " ")


def cell(value: Any) -> str:
    """Write a value for a table: thousands apart, lists by commas, nothing for None, texts as :func:`clean` does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, str):
        return clean(value, 3 * NAME)
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(k))} {cell(v)}" for k, v in value.items())
    if isinstance(value, Iterable):
        return ", ".join(cell(v) for v in value)
    return clean(str(value))


_shown: list[Callable[[str], str]] = []


def show_as(change: Callable[[str], str]) -> None:
    """Have texts of the data changed before they are shown: pseudonyms to ids."""
    _shown[:] = [change]


def clean(text: str, longest: int = NAME) -> str:
    """Return what a terminal may show of a text of the data: one line, nothing that steers it, not too long."""
    for change in _shown:
        text = change(text)
    return shortened(visible(text), longest)


def prose(text: str) -> str:
    """Return what a terminal may show of a text of several lines: nothing that steers it, not too long."""
    return shortened(visible(text, lines=True), PROSE)


def shortened(text: str, longest: int) -> str:
    """Cut a text that would fill the terminal; an ellipsis says so."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def duration(seconds: float) -> str:
    """Write a duration: ``0.42 s``, ``12.3 s``, ``3 min 05 s``, ``2 h 04 min``."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def when(unix_seconds: float) -> str:
    """Write a point in time in the local zone."""
    return datetime.fromtimestamp(unix_seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def size(n_bytes: float) -> str:
    """Write an amount of bytes: ``1.4 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit in ("B", "kB") else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


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
        print(visible(without_secrets(message), lines=True), file=sys.stderr, flush=True)

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
        number = bars.add_task("  " * self._depth + clean(description), total=total, note="")
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
        message = without_secrets(message)
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
        self._bars.update(self._number, note=clean(text))
