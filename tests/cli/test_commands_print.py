"""What the other commands print, for people and for programs."""

from __future__ import annotations

import json

import polars as pl
import pytest

from kgrec.cli.console import cell, clean, duration, size
from kgrec.cli.output import Format, write_records
from kgrec.plugin.manager import load_plugins


def test_build_graph_counts_and_points_on(kgrec, project, tmp_path):
    got = kgrec("build-graph", "-w", tmp_path, "--append", "a.csv", "b.csv")
    assert [str(path) for path in project.calls[0][1]] == ["a.csv", "b.csv"]
    assert "12,345" in got.out
    assert "a.csv               2           40%   no user id" in got.out
    assert "warning: a.csv: 40% of the rows are lost: no user id; line 3" in got.err
    assert "a.csv: not used: colour (an attribute of 2 values)" in got.err
    assert "duplicate" not in got.err
    assert "no time 4; these rows were kept" in got.out
    assert "time: ingest 0.50 s · graph 1.0 s · together 1.5 s" in got.err
    assert f"kgrec train -w {tmp_path}" in got.err
    assert json.loads(kgrec("build-graph", "-f", "json", "--strict").out)[0]["graph"] == {"edges": 12345}
    assert project.calls[-1] == ("build_graph", (), True)


def test_train_shows_each_scorer(kgrec, project):
    got = kgrec("train", "--device", "cpu", "--only", "ease", "--only", " gnn,")
    assert project.calls == [("train", "cpu", ("ease", "gnn"))]
    assert "0.3850" in got.out
    assert "left out: no triples" in got.out
    assert "threads 2" in got.out
    report = json.loads(kgrec("train", "-f", "json").out)[0]
    assert report["scorers"][0]["options"] == {"l2": 10.0}
    assert report["scorers"][1]["recall"] is None


def test_train_only_nothing(kgrec, project):
    assert kgrec("train", "--only", ",").code == 2


def test_info_of_a_workspace_and_of_a_user(kgrec, project):
    assert "users" in kgrec("info").out
    got = kgrec("info", "u1")
    assert project.calls[-1] == ("user_info", "u1")
    assert "space, noir" in got.out
    assert kgrec("info", "u1", "--config").code == 2


def test_info_shows_rejected_rows(kgrec, project):
    assert "no user id" in kgrec("info", "--rejects").out
    assert kgrec("info", "--rejects", "-f", "csv").out == "source,line,reason,row\na.csv,7,no user id,{}\n"


def test_parquet_is_not_written_to_a_terminal(kgrec, project, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    got = kgrec("info", "--format", "parquet")
    assert got.code == 2
    assert "terminal" in got.err


def test_parquet_of_nothing_under_a_name(tmp_path):
    file = tmp_path / "info.parquet"
    write_records([{"a": {}, "b": {"c": {}, "d": 1}, "e": [{}]}], Format.parquet, file)
    assert pl.read_parquet(file).row(0, named=True) == {"a": None, "b": {"c": None, "d": 1}, "e": [None]}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.42 s"), (12.34, "12.3 s"), (185, "3 min 05 s"), (7440, "2 h 04 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_values_for_people():
    assert cell(1234567) == "1,234,567"
    assert cell([1, None, "a\x1bb"]) == "1, , a b"
    assert cell({"n_users": 3}) == "n users 3"
    assert cell(True) == "yes"
    assert size(1_400_000_000) == "1.4 GB"
    assert clean("a\tb\x7f") == "a b "


def test_completion_offers_what_exists(tmp_path):
    from kgrec.cli import options

    assert "generic" in options.domains("gen")
    assert options.scorers("ease,po") == ["ease,popularity"]
    assert options.scorers("xyz") == []
    assert "ease" in load_plugins([]).registry("scorer")


def test_completion_of_users_reads_the_workspace(tmp_path):
    import polars as pl
    import typer

    from kgrec.cli import options
    from kgrec.cli.application import build_cli
    from kgrec.cli.run import CommandLineRun
    from kgrec.workspace import Workspace

    workspace = Workspace(tmp_path)
    with workspace.locked(), workspace.publish("dataset", seed=1) as (writer,):
        pl.DataFrame({"user_id": ["anna", "andrew", "bob"]}).write_parquet(writer.folder / "users.parquet")
    manager = load_plugins([])
    command = build_cli(manager)
    context = typer.Context(command, obj=CommandLineRun(manager, where=tmp_path))
    assert options.users(context, "an") == ["anna", "andrew"]
    assert options.items(context, "an") == []
    assert options.users(typer.Context(command, obj=CommandLineRun(manager, where=tmp_path / "none")), "") == []


def test_the_shell_gets_its_completions(kgrec, monkeypatch):
    monkeypatch.setenv("_KGREC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "kgrec rec")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as exit_:
        kgrec()
    assert exit_.value.code == 0
