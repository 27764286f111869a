"""The common options work before and after the command, and reach the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgrec.cli.application import expand


@pytest.mark.parametrize(
    "args",
    [
        ["-w", "there", "--set", "seed=7", "--format", "json", "info"],
        ["info", "-w", "there", "--set", "seed=7", "--format", "json"],
        ["-w", "elsewhere", "--format", "csv", "info", "--workspace", "there", "--set", "seed=7", "-f", "json"],
    ],
)
def test_before_and_after_the_command(kgrec, project, args):
    got = kgrec(*args)
    assert got.code == 0
    assert project.opened == {"path": Path("there"), "overrides": ("seed=7",)}
    assert json.loads(got.out)[0]["stale"] == []


def test_overrides_add_up_in_order(kgrec, project):
    kgrec("--set", "seed=1", "info", "--set", "seed=2")
    assert project.opened["overrides"] == ("seed=1", "seed=2")


def test_the_workspace_comes_from_the_environment_unless_named(kgrec, project, monkeypatch):
    kgrec("info")
    assert project.opened["path"] == Path()
    monkeypatch.setenv("KGREC_WORKSPACE", "set")
    kgrec("info")
    assert project.opened["path"] == Path("set")
    kgrec("-w", "named", "info")
    assert project.opened["path"] == Path("named")


def test_quiet_leaves_only_data(kgrec, project):
    loud = kgrec("train")
    assert "fitting" in loud.err
    assert "time: fit 1 min 05 s" in loud.err
    quiet = kgrec("--quiet", "train")
    assert quiet.err == ""
    assert quiet.out == loud.out


def test_info_config_tells_where_values_come_from(kgrec, project):
    rows = json.loads(kgrec("info", "--config", "--set", "train.device=cpu", "--format", "json").out)
    by_key = {row["key"]: row for row in rows}
    assert by_key["train.device"] == {"key": "train.device", "value": "cpu", "from": "--set"}
    assert by_key["seed"]["from"] == "default"
    assert "--set" in kgrec("info", "--config", "--set", "train.device=cpu").out


def test_a_wrong_set_is_a_usage_error(kgrec, project):
    got = kgrec("info", "--config", "--set", "train.devcie=cpu")
    assert got.code == 2
    assert "did you mean 'device'?" in got.err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["d", "--from", "a", "b"], ["d", "--from", "a", "--from", "b"]),
        (["--from", "a", "b", "--force", "d"], ["--from", "a", "--from", "b", "--force", "d"]),
        (["--from", "a", "b", "--", "d"], ["--from", "a", "--from", "b", "--", "d"]),
        (["--from", "a", "--from", "b", "c"], ["--from", "a", "--from", "b", "--from", "c"]),
        (["--from", "a", "a", "a"], ["--from", "a", "--from", "a", "--from", "a"]),
        (["--from=a", "d"], ["--from=a", "d"]),
        (["u", "-n", "3"], ["u", "-n", "3"]),
        (["--from", "-", "x"], ["--from", "-", "--from", "x"]),
        (["--from"], ["--from"]),
        (["d", "--from", "-w", "x"], ["d", "--from"]),
        (["--from", "--force", "d"], ["--from"]),
    ],
)
def test_an_option_may_take_several_values(given, meant):
    assert expand(given, ["--from"]) == meant
