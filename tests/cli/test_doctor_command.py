"""``kgrec doctor``: every check says what was found and what to do."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import pytest

from kgrec.cli import doctor
from kgrec.plugin.manager import load_plugins
from kgrec.workspace import Workspace


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    """Answer for torch, whose import would take most of the time."""
    answer = SimpleNamespace(returncode=0, stdout='{"built": null, "devices": []}', stderr="")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: answer)
    return answer


def test_without_a_workspace(kgrec, tmp_path):
    got = kgrec("doctor", "-w", tmp_path, "-f", "json")
    assert got.code == 0
    found = {row["check"]: row for row in json.loads(got.out)}
    assert found["python"]["state"] == "ok"
    assert "polars" in found["packages"]["found"]
    assert "kgrec init" in found["workspace"]["do"]
    assert set(found) >= {"torch", "threads", "disk", "plugins"}
    assert not [name for name in found if name.startswith("stage")]


def test_unusable_settings_are_a_failure(kgrec, tmp_path):
    (tmp_path / "kgrec.toml").write_text("sede = 1\n")
    got = kgrec("doctor", "-w", tmp_path)
    assert got.code == 1
    assert "did you mean 'seed'" in " ".join(got.out.split())
    assert "1 failed" in got.err


def test_stages_that_are_missing_or_stale(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.config_file.write_text("seed = 1\n")
    with workspace.locked(), workspace.publish("dataset", seed=1) as (writer,):
        (writer.folder / "table.json").write_text("first")
    with workspace.locked(), workspace.publish("models", seed=1) as (writer,):
        (writer.folder / "table.json").write_text("made from the first")
    states = {c.name: (c.state, c.advice) for c in doctor.stages(workspace)}
    assert states == {"stage dataset": ("ok", ""), "stage models": ("ok", "")}  # no graph, and none needed
    with workspace.locked(), workspace.publish("dataset", seed=1) as (writer,):
        (writer.folder / "table.json").write_text("second")
    states = {c.name: (c.state, c.advice) for c in doctor.stages(workspace)}
    assert states["stage models"] == ("warn", "kgrec train")


def test_a_damaged_workspace_is_a_failure(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.config_file.write_text("seed = 1\n")
    workspace.artifacts.mkdir()
    (workspace.artifacts / "manifest.json").write_text("{")
    [check] = doctor.stages(workspace)
    assert (check.state, check.advice != "") == ("fail", True)


def test_packages_that_are_missing_or_too_new(monkeypatch):
    known = {"numpy": "99.0", "rich": None}
    monkeypatch.setattr(doctor, "_version", lambda name: known.get(name, "1.0"))
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy>=2,<3", "rich>=14", "typer", 'absent; extra == "dev"'])
    found = {c.name: c for c in doctor.packages()}
    assert (found["numpy"].state, found["numpy"].advice) == ("warn", "pip install 'numpy<3,>=2'")
    assert found["rich"].state == "fail"
    assert "typer 1.0" in found["packages"].found
    assert "absent" not in found


def test_a_missing_extra_says_what_is_lost(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: None if name.startswith("gt-") else "1.0")
    found = {c.name: c for c in doctor.extras()}
    assert found["extra models"].state == "warn"
    assert "English texts" in found["extra models"].found
    assert found["extra models"].advice == "pip install 'kgrec[models]'"


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        ({"stdout": '{"built": "13.0", "devices": ["H100, 80 GB"]}'}, "ok", "cuda: H100"),
        ({"stdout": '{"built": null, "devices": []}'}, "ok", "cpu"),
        ({"returncode": 1, "stderr": "Traceback\nImportError: libc10.so"}, "fail", "ImportError: libc10.so"),
    ],
)
def test_what_torch_answers(monkeypatch, no_torch, answer, state, says):
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    vars(no_torch).update(answer)
    check = doctor.torch_devices()
    assert check.state == state
    assert says in check.found


def test_a_gpu_that_torch_cannot_use(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    check = doctor.torch_devices()
    assert check.state == "warn"
    assert "no CUDA" in check.found


def test_torch_that_hangs(monkeypatch):
    def hang(*_, **__):
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(doctor.subprocess, "run", hang)
    assert doctor.torch_devices().state == "fail"


@pytest.mark.parametrize(("free", "state"), [(10**7, "fail"), (10**9, "warn"), (10**11, "ok")])
def test_disk(monkeypatch, tmp_path, free, state):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert doctor.disk(tmp_path / "not" / "there").state == state


def test_broken_plugins_are_listed():
    manager = load_plugins([])
    assert [c.state for c in doctor.plugins(manager)] == ["ok"]


def test_how_much_one_machine_can_build(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: {"SC_PHYS_PAGES": 13_000, "SC_PAGE_SIZE": 10_000}[name])
    (check,) = doctor.one_machine(workspace)
    assert check.state == "ok"
    assert "1 million events; 0 are here" in check.found

    stage = SimpleNamespace(facts={"interactions": 2_000_000}, seconds=75.0)
    monkeypatch.setattr(Workspace, "manifest", lambda _: {"dataset": stage})
    (tmp_path / "kgrec.toml").touch()
    (check,) = doctor.one_machine(workspace)
    assert check.state == "warn"
    assert "2,000,000 are here" in check.found
    assert "took 75 s" in check.found
