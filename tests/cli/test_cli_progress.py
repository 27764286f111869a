"""Progress: bars on a terminal, lines elsewhere, nothing when quiet."""

from __future__ import annotations

import re

import pytest

from kgrec.cli.console import BarProgress, PlainProgress, reporting
from kgrec.progress import SILENT


def work(progress):
    with progress.task("outer", total=4) as outer:
        with progress.task("inner") as inner:
            inner.advance()
        progress.log("half way [bold]")
        outer.advance(2)
        outer.note("loss 0.25")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def test_lines_where_there_is_no_terminal(capsys):
    with reporting(quiet=False) as progress:
        assert isinstance(progress, PlainProgress)
        work(progress)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "half way [bold]"
    assert second.startswith("outer · loss 0.25 · 0.0")


def test_bars_on_a_terminal(capsys, terminal):
    with reporting(quiet=False) as progress:
        assert isinstance(progress, BarProgress)
        work(progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "half way [bold]" in captured.err
    assert "100%" in captured.err
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.err).split()
    last = " ".join(last[-4:])
    assert last.endswith("loss 0.25")
    assert "inner" not in last


def test_the_terminal_is_given_back_after_an_error(capsys, terminal):
    with pytest.raises(KeyboardInterrupt), reporting(quiet=False) as progress, progress.task("outer", total=2):
        raise KeyboardInterrupt
    err = capsys.readouterr().err
    assert err.rindex("\x1b[?25h") > err.rindex("\x1b[?25l")  # the cursor is shown again
    assert "100%" not in err


def test_quiet_shows_nothing(capsys):
    with reporting(quiet=True) as progress:
        assert progress is SILENT
        work(progress)
    assert capsys.readouterr().err == ""
