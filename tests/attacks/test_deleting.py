"""kgrec deletes only what it made: by marker and exact name, never through a link, never in a stranger's folder."""

import json

import pytest

from kgrec.artifacts import MARKER, is_made, make_folder, remove_folder
from kgrec.errors import CorruptArtifactError, UserError, WorkspaceError
from kgrec.workspace import STAGES, Workspace


def write(workspace):
    with workspace.locked(), workspace.publish("dataset", seed=1) as (writer,):
        (writer.folder / "table.json").write_text("{}")


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "kgrec.toml").write_text('domain = "generic"\n')
    return Workspace(tmp_path)


@pytest.mark.parametrize("name", [*STAGES, "dataset-0123456789ab", ".tmp-graph-0123456789ab", "cache", "runs"])
def test_folders_of_the_users_own_stay(workspace, name):
    theirs = workspace.artifacts / name / "best.bin"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("x")
    with pytest.raises(WorkspaceError, match="was not made by kgrec") as caught:
        write(workspace)
    assert "move it away" in caught.value.hint
    assert theirs.read_text() == "x"
    assert not (workspace.artifacts / "manifest.json").exists()


def test_a_linked_artifacts_folder_is_refused_and_what_it_points_to_stays(workspace, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in (*STAGES, "graph-0123456789ab", ".tmp-text-0123456789ab"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "theirs").write_text("x")
    (elsewhere / MARKER).write_text("forged")
    workspace.artifacts.symlink_to(elsewhere)
    with pytest.raises(WorkspaceError, match="symbolic link"):
        write(workspace)
    assert len(list(elsewhere.rglob("theirs"))) == len(STAGES) + 2


def test_a_stage_folder_that_is_a_link_is_not_followed(workspace, tmp_path_factory):
    elsewhere = make_folder(tmp_path_factory.mktemp("elsewhere") / "made")
    (elsewhere / "theirs").write_text("x")
    write(workspace)
    (workspace.artifacts / "graph-0123456789ab").symlink_to(elsewhere)
    with pytest.raises(WorkspaceError, match="symbolic link"):
        write(workspace)
    assert (elsewhere / "theirs").read_text() == "x"


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_lock_that_is_no_lock_is_named(workspace, tmp_path, kind):
    write(workspace)
    lock = workspace.artifacts / "lock"
    lock.unlink(missing_ok=True)
    if kind == "link":
        lock.symlink_to(tmp_path / "precious.txt")
    else:
        lock.mkdir()
    with pytest.raises(WorkspaceError, match="lock is a"):
        write(workspace)
    assert not (tmp_path / "precious.txt").exists()


def test_an_empty_artifacts_folder_may_be_used(workspace):
    workspace.artifacts.mkdir()
    write(workspace)
    assert workspace.folder("dataset").is_dir()


def test_an_interrupted_deletion_can_be_finished(tmp_path):
    folder = make_folder(tmp_path / "made")
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    (tmp_path / "outside").write_text("x")
    (folder / "link").symlink_to(tmp_path / "outside")
    assert is_made(folder)
    assert remove_folder(folder)
    assert (tmp_path / "outside").read_text() == "x"
    assert not remove_folder(tmp_path)
    with pytest.raises(UserError, match="was not made by kgrec"):
        make_folder(tmp_path)


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_manifest_is_refused(workspace, version):
    change_format(workspace, version)
    with pytest.raises(WorkspaceError, match="newer kgrec") as caught:
        workspace.folder("dataset")
    assert "upgrade" in caught.value.hint
    with pytest.raises(WorkspaceError):
        write(workspace)


@pytest.mark.parametrize("version", [0, -1, "x", None, 1.5, True, [1]])
def test_a_manifest_without_a_version_is_damaged(workspace, version):
    change_format(workspace, version)
    with pytest.raises(CorruptArtifactError, match="is no version"):
        workspace.folder("dataset")


def change_format(workspace, version):
    write(workspace)
    file = workspace.artifacts / "manifest.json"
    document = json.loads(file.read_text())
    document["format"] = version
    file.write_text(json.dumps(document))
