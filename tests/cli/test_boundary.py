"""Every error becomes two lines and an exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
import typer

from kgrec.cli.app import main
from kgrec.cli.application import build_cli
from kgrec.errors import (
    DataError,
    GuardRefusedError,
    KgrecError,
    MissingExtraError,
    PluginError,
    StorageError,
    UsageError,
    UserError,
)
from kgrec.plugin.manager import load_plugins


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KgrecError("m", hint="h"), 1),
        (UsageError("m", hint="h"), 2),
        (UserError("m", hint="h"), 3),
        (PluginError("m", hint="h"), 3),
        (MissingExtraError("m", hint="h"), 4),
        (DataError("m", hint="h"), 5),
        (StorageError("m", hint="h"), 5),
        (GuardRefusedError("m", hint="h"), 6),
    ],
)
def test_an_error_of_kgrec_gives_its_exit_code(kgrec, project, error, code):
    project.fails_with = error
    got = kgrec("info")
    assert (got.code, got.out, got.err) == (code, "", "error: m\nhint: h\n")


def test_debug_lets_the_error_through(kgrec, project):
    project.fails_with = UserError("m")
    with pytest.raises(UserError):
        kgrec("info", "--debug")
    with pytest.raises(UserError):
        kgrec("--debug", "info")


def test_an_unexpected_error_is_one_line_with_a_way_on(kgrec, project):
    project.fails_with = ZeroDivisionError("division by zero\nsecond line")
    got = kgrec("info")
    assert got.code == 1
    assert got.err.splitlines()[0] == "error: unexpected ZeroDivisionError: division by zero"
    assert "--debug" in got.err.splitlines()[1]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), 5, "No space left"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "x"), 3, "x: No such file"),
        (MemoryError(), 1, "not enough memory"),
    ],
)
def test_errors_of_the_machine_are_told_in_plain_words(kgrec, project, error, code, says):
    project.fails_with = error
    got = kgrec("info")
    assert got.code == code
    assert says in got.err
    assert "hint:" in got.err


def test_ctrl_c_says_that_the_last_good_state_stands(kgrec, project):
    project.fails_with = KeyboardInterrupt()
    got = kgrec("train")
    assert got.code == 130
    assert "last good state of the workspace stands" in got.err
    assert "error" not in got.err


def test_an_error_message_cannot_steer_the_terminal(kgrec, project):
    project.fails_with = UserError("user \x1b[2J\x07")
    assert "\x1b" not in kgrec("info").err


@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (["recomend", "u1"], "no such command 'recomend'", "did you mean 'recommend'?"),
        (["recommend", "u1", "--explian"], "no such option: --explian", "'--explain'"),
        (["recommend", "u1", "-explain"], "no such option", "'--explain'"),
        (["recommend", "u1", "--exclude"], "no such option: --exclude", "--include-seen"),
        (["recommend", "u1", "--format", "jsn"], "'jsn' is not one of", "did you mean 'json'"),
        (["train", "--device", "cdua"], "'cdua' is not one of", "did you mean 'cuda'"),
        (["graph", "statz"], "no such command 'statz'", "did you mean 'stats'?"),
        (["--workspac", "x", "info"], "no such option: --workspac", "'--workspace'"),
        (["recommend", "u1", "u2"], "unexpected extra argument", "`kgrec recommend --help`"),
        (["recommend", "u1", "-n", "0"], "'--number'", "`kgrec recommend --help`"),
        (["recommend", "u1", "-n"], "requires an argument", "--help`"),
        (["init"], "missing argument 'DIR'", "`kgrec init --help`"),
    ],
)
def test_a_typo_is_a_usage_error_with_the_right_word(kgrec, project, args, says, hint):
    got = kgrec(*args)
    error, hinted = got.err.splitlines()
    assert got.code == 2
    assert error.startswith("error: ")
    assert says in error
    assert hinted.startswith("hint: ")
    assert hint in hinted
    assert project.calls == []


def test_no_command_shows_the_help(kgrec):
    got = kgrec()
    assert got.code == 0
    assert "build-graph" in got.out
    assert "validate" in kgrec("graph").out


def test_version(kgrec):
    assert kgrec("--version").out.startswith("kgrec 0.")


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    (tmp_path / "api.py").write_text(
        "import sys, types\n"
        "import polars as pl\n"
        "from kgrec.config import Config\n"
        "project = types.SimpleNamespace(\n"
        "    config=Config(),\n"
        "    recommend_many=lambda users, **_: pl.DataFrame({'user_id': ['u'] * 200_000, 'item_id': 'i'}),\n"
        ")\n"
        "module = types.ModuleType('kgrec.project')\n"
        "module.open_project = lambda *_, **__: project\n"
        "sys.modules['kgrec.project'] = module\n"
        "from kgrec.cli.app import main\n"
        "sys.exit(main(['recommend', '--all']))\n"
    )
    with subprocess.Popen(
        [sys.executable, tmp_path / "api.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"user_id\titem_id\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141


def test_main_is_what_the_script_calls():
    answer = subprocess.run(
        [sys.executable, "-m", "kgrec.cli.app", "recommend"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: missing USER\nhint: give a USER")


def test_the_command_line_also_runs_without_kgrecs_main(project, capsys):
    build_cli(load_plugins([])).main(["info", "--format", "json"], standalone_mode=False)
    assert '"stages"' in capsys.readouterr().out


def test_nothing_changes_pythons_exception_hook():
    before = sys.excepthook
    main(["--version"])
    assert sys.excepthook is before
    assert typer.__version__


def test_streams_that_the_caller_closed(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    assert main(["--version"]) == 0
    assert main(["nope"]) == 2
    sys.stdout.close()
    sys.stderr.close()
