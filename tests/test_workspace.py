import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from kgrec import artifacts
from kgrec.errors import CorruptArtifactError, StorageError, WorkspaceError
from kgrec.workspace import STAGES, Workspace, fingerprint_of, load_arrays, read_json, save_arrays, write_json


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "kgrec.toml").write_text("")
    return Workspace(tmp_path)


def put(workspace, *stages, content="1", seed=7):
    with workspace.locked(), workspace.publish(*stages, seed=seed) as writers:
        for writer in writers:
            (writer.folder / "table.json").write_text(content)
            writer.facts["rows"] = 3


def read(workspace, stage):
    return (workspace.folder(stage) / "table.json").read_text()


def leftovers(workspace):
    current = {info.folder for info in workspace.manifest().values()} | {"manifest.json", "lock", "cache"}
    return sorted(path.name for path in workspace.artifacts.iterdir() if path.name not in {*current, artifacts.MARKER})


def test_what_was_published_is_current(workspace):
    put(workspace, "dataset")
    info = workspace.info("dataset")
    assert read(workspace, "dataset") == "1"
    assert (info.seed, info.facts, info.made_from) == (7, {"rows": 3}, {})
    assert info.fingerprint == fingerprint_of(workspace.folder("dataset"))
    assert info.versions["kgrec"]
    assert leftovers(workspace) == []


def test_a_new_version_replaces_the_old_one(workspace):
    put(workspace, "dataset")
    first = workspace.folder("dataset")
    put(workspace, "dataset", content="2")
    assert read(workspace, "dataset") == "2"
    assert first.exists(), "somebody may still be reading it"
    with workspace.locked():
        assert not first.exists()


def test_each_stage_says_how_long_it_took_itself(workspace):
    with workspace.locked(), workspace.publish("dataset", "graph", seed=7) as (dataset, graph):
        dataset.ended = graph.started = dataset.started + 5
        graph.ended = graph.started + 2
    assert (workspace.info("dataset").seconds, workspace.info("graph").seconds) == (5, 2)


def test_stages_published_together_know_each_other(workspace):
    put(workspace, "dataset", "graph")
    assert workspace.info("graph").made_from == {"dataset": workspace.info("dataset").fingerprint}
    put(workspace, "text", "models")
    assert set(workspace.info("models").made_from) == {"dataset", "graph", "text"}
    assert [workspace.stale(stage) for stage in STAGES] == [[], [], [], []]


def test_a_changed_stage_makes_the_later_ones_stale_and_an_equal_one_does_not(workspace):
    put(workspace, *STAGES)
    put(workspace, "dataset")
    assert workspace.stale("models") == []
    put(workspace, "graph", content="2")
    assert workspace.stale("models") == ["graph"]
    assert workspace.stale("dataset") == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_in_the_middle_leaves_the_last_good_state(workspace, failure):
    put(workspace, "dataset", "graph")
    before = workspace.manifest()

    def interrupted():
        with workspace.locked(), workspace.publish("dataset", "graph", seed=1) as (dataset, _):
            (dataset.folder / "table.json").write_text("half")
            raise failure

    with pytest.raises(failure):
        interrupted()
    assert workspace.manifest() == before
    assert read(workspace, "dataset") == "1"
    assert leftovers(workspace) == []
    put(workspace, "dataset", content="3")
    assert read(workspace, "dataset") == "3"


DIE_WHILE_WRITING = """
import os, pathlib, signal, sys
from kgrec.workspace import Workspace
workspace = Workspace(pathlib.Path(sys.argv[1]))
with workspace.locked(), workspace.publish("dataset", seed=1) as (writer,):
    (writer.folder / "table.json").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_the_last_good_state_and_no_lock(workspace):
    put(workspace, "dataset")
    process = subprocess.run([sys.executable, "-c", DIE_WHILE_WRITING, str(workspace.root)], timeout=60, check=False)
    assert process.returncode == -signal.SIGKILL
    assert read(workspace, "dataset") == "1"
    assert leftovers(workspace) != [], "the half-written folder is still there"
    with workspace.locked():
        assert leftovers(workspace) == []
        assert read(workspace, "dataset") == "1"


def test_only_one_writer_at_a_time(workspace):
    with workspace.locked():
        with pytest.raises(WorkspaceError, match="in use by another kgrec command"), workspace.locked():
            pytest.fail("the lock was given twice")
        assert leftovers(workspace) == []
    with workspace.locked():
        pass


def test_the_sweep_deletes_what_kgrec_made_and_nothing_else(workspace):
    put(workspace, "dataset")
    for name in (".tmp-graph-0123456789ab", "graph-0123456789ab"):
        artifacts.make_folder(workspace.artifacts / name)
    strangers = ("cache", "notes", "models", "graph-final", "text-0123456789ac", ".tmp-mine")
    for name in strangers:
        (workspace.artifacts / name).mkdir()
        (workspace.artifacts / name / "best.bin").write_text("x")
    (workspace.artifacts / ".manifest.json.kgrec-0123456789ab").write_text("half")
    with workspace.locked():
        pass
    assert leftovers(workspace) == sorted({*strangers} - {"cache"})
    assert all((workspace.artifacts / name / "best.bin").exists() for name in strangers)
    assert read(workspace, "dataset") == "1"


def test_no_space_left_while_a_stage_is_written(workspace):
    put(workspace, "dataset")
    with (
        pytest.raises(StorageError, match="no space left") as caught,
        workspace.locked(),
        workspace.publish("dataset", seed=1),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "nothing was lost" in caught.value.hint
    assert read(workspace, "dataset") == "1"
    assert leftovers(workspace) == []


@pytest.mark.parametrize("words", ["parquet: No space left on device (os error 28)", "Invalid thrift: transport error"])
def test_no_space_left_in_the_words_of_a_library(words, tmp_path):
    with pytest.raises(StorageError, match="no space left"), artifacts.storage_errors(tmp_path):
        raise RuntimeError(words)


def test_no_space_left_for_the_manifest(workspace, monkeypatch):
    put(workspace, "dataset", "graph")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        put(workspace, "dataset", content="2")
    monkeypatch.undo()
    assert read(workspace, "dataset") == "1"
    with workspace.locked():
        assert leftovers(workspace) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot be written"), Workspace(tmp_path).locked():
            pytest.fail("locked")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"stages": []}',
        '{"stages": {"dataset": {}}}',
        '{"stages": {"dataset": 3}}',
        '{"stages": {"dataset": {"unknown": 1}}}',
        "\xff",
    ],
)
def test_a_damaged_manifest_is_named_with_what_to_do(workspace, content):
    workspace.artifacts.mkdir()
    (workspace.artifacts / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CorruptArtifactError, match=r"manifest\.json is damaged") as caught:
        workspace.info("dataset")
    assert "kgrec build-graph" in caught.value.hint


@pytest.mark.parametrize("folder", ["../../elsewhere", "/etc", "graph-00", "dataset-", "dataset-0/../../x", "."])
def test_a_manifest_cannot_lead_out_of_the_workspace(workspace, tmp_path, folder):
    put(workspace, "dataset")
    file = workspace.artifacts / "manifest.json"
    document = json.loads(file.read_text())
    document["stages"]["dataset"]["folder"] = folder
    file.write_text(json.dumps(document))
    with pytest.raises(CorruptArtifactError, match="cannot be in the folder"):
        workspace.folder("dataset")
    with pytest.raises(CorruptArtifactError):
        put(workspace, "dataset")
    assert (tmp_path / "kgrec.toml").exists()


def test_a_missing_stage_names_the_command_that_makes_it(tmp_path, workspace):
    with pytest.raises(WorkspaceError, match="has no graph yet") as caught:
        workspace.folder("graph")
    assert caught.value.hint == "run `kgrec build-graph` first"
    with pytest.raises(WorkspaceError) as caught:
        workspace.folder("models")
    assert caught.value.hint == "run `kgrec train` first"
    with pytest.raises(WorkspaceError, match="is no kgrec workspace") as caught:
        Workspace(tmp_path / "elsewhere").info("dataset")
    assert "kgrec init" in caught.value.hint


def test_a_folder_that_is_gone(workspace):
    put(workspace, "dataset")
    assert artifacts.remove_folder(workspace.folder("dataset"))
    with pytest.raises(CorruptArtifactError, match="is missing"):
        workspace.folder("dataset")


def test_a_fingerprint_is_of_names_and_contents(tmp_path):
    for name, files in {"a": {"x.json": "1"}, "b": {"x.json": "1"}, "c": {"x.json": "2"}, "d": {"y.json": "1"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    a, b, c, d = (fingerprint_of(tmp_path / name) for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


def test_json_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_json(file, {"名": [1.5, None]})
    assert read_json(file) == {"名": [1.5, None]}
    with pytest.raises(TypeError):
        write_json(file, {"x": {1, 2}})
    assert read_json(file) == {"名": [1.5, None]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    file.write_text("{")
    with pytest.raises(CorruptArtifactError, match=r"a\.json cannot be read"):
        read_json(file)


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.ones((4, 2), np.float32)[::2], "c": np.zeros(0)}
    save_arrays(tmp_path / "a.safetensors", arrays)
    back = load_arrays(tmp_path / "a.safetensors")
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_what_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        load_arrays(tmp_path / "a.safetensors")


def test_the_manifest_says_all_there_is_to_say(workspace):
    put(workspace, "dataset")
    document = json.loads((workspace.artifacts / "manifest.json").read_text())
    assert document["stages"]["dataset"] == dataclasses.asdict(workspace.info("dataset"))
