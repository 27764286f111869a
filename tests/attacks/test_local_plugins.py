"""A workspace's own plugin runs after it was allowed as it stands, and never because it came along."""

import shutil

import numpy as np
import pytest

from kgrec.cli.app import main
from kgrec.consent import Consent
from kgrec.errors import ConsentError, PluginError
from kgrec.local_plugins import FILE, allow
from kgrec.project import open_project
from kgrec.testing import toy_workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return toy_workspace(tmp_path / "ws")


def test_a_started_one_is_used_at_once_and_asked_about_after_a_change(workspace, tmp_path, capsys):
    assert main(["plugins", "new", "scorer", "gems", "--with", "reranker", "--local", "-w", str(workspace)]) == 0
    assert main(["build-graph", "-w", str(workspace)]) == 0
    assert main(["train", "--only", "gems,popularity", "-w", str(workspace)]) == 0
    project = open_project(workspace)
    assert {"gems", "popularity"} >= set(project.ranker.scorers)
    assert project.manager.registry("scorer").owner("gems") == "kgrec_plugins"
    user = project.dataset.users["user_id"][0]
    assert len(project.recommend(user, 2, rerank=["gems-reranker:0.5"])) == 2
    file = workspace / FILE
    file.write_text(file.read_text() + "\nRAN = True\n")
    with pytest.raises(ConsentError, match="was changed since it was allowed") as caught:
        open_project(workspace)
    assert f"kgrec trust code -w {workspace}" in caught.value.hint
    assert main(["trust", "code", "-w", str(workspace)]) == 0
    assert open_project(workspace).manager.module("kgrec_plugins").RAN
    assert len(Consent.load().codes) == 1, "the text of before is not allowed any more"


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_workspace_that_was_handed_over_runs_nothing(workspace, tmp_path, how):
    (workspace / FILE).write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    allow(workspace)
    open_project(workspace)
    (tmp_path / "ran").unlink()
    how(workspace, tmp_path / "other")
    with pytest.raises(ConsentError, match="code that nobody allowed"):
        open_project(tmp_path / "other")
    assert main(["recommend", "u1", "-w", str(tmp_path / "other")]) != 0
    assert not (tmp_path / "ran").exists()


def test_it_can_be_left_out(workspace, monkeypatch):
    (workspace / FILE).write_text("raise SystemExit(7)\n")
    monkeypatch.setenv("KGREC_DISABLE", "kgrec_plugins")
    assert "kgrec_plugins" not in {info.name for info in open_project(workspace).manager.plugins}


def test_it_is_a_plain_file_of_the_workspace(workspace, tmp_path):
    (tmp_path / "elsewhere.py").write_text("")
    (workspace / FILE).symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(PluginError, match="no plain file"):
        open_project(workspace)


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "def broken(:", "import nowhere_to_be_found", "\x00"])
def test_what_fails_is_said_to_be_the_workspaces_own(workspace, text):
    (workspace / FILE).write_text(text)
    allow(workspace)
    with pytest.raises(PluginError, match=r"kgrec_plugins\.py cannot be run"):
        open_project(workspace)


def test_consent_is_shown_and_withdrawn(workspace, capsys):
    (workspace / FILE).write_text("contract = 1\n")
    assert main(["trust", "code", "-w", str(workspace)]) == 0
    capsys.readouterr()
    assert main(["trust", "-f", "jsonl"]) == 0
    assert str(workspace.resolve()) in capsys.readouterr().out
    assert main(["trust", "remove", str(workspace)]) == 0
    with pytest.raises(ConsentError):
        open_project(workspace)


def test_two_workspaces_have_a_plugin_each(workspace, tmp_path):
    other = toy_workspace(tmp_path / "ws2")
    for place, value in ((workspace, 1), (other, 2)):
        (place / FILE).write_text(f"VALUE = {value}\n")
        allow(place)
    values = [open_project(place).manager.module("kgrec_plugins").VALUE for place in (workspace, other)]
    assert np.array_equal(values, [1, 2])
