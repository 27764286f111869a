"""What a killed process leaves beside its output goes with the next one; what is not kgrec's, or is in use, stays."""

import os
import signal
import subprocess
import sys

import pytest

from kgrec.artifacts import MARKER, replacing, scratch_folder, sweep_asides
from kgrec.errors import WorkspaceError
from kgrec.workspace import Workspace

KILLED = """
import os, signal, sys
from pathlib import Path
from kgrec.artifacts import replacing, scratch_folder

place = Path(sys.argv[1])
with scratch_folder(place, "work") as folder, replacing(place / "out.csv") as aside:
    (folder / "deep").mkdir()
    (folder / "deep" / "part").write_text("x")
    aside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(tmp_path / "another.csv") as aside:
        aside.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["another.csv"]


def test_what_is_in_use_or_not_kgrecs_stays(tmp_path):
    theirs = [".notes.kgrec-backup", ".notes.kgrec-0123456789ABC", "notes.kgrec-0123456789ab", ".x.kgrec-0123456789ab"]
    for name in theirs[:3]:
        (tmp_path / name).write_text("x")
    (tmp_path / theirs[3]).symlink_to(tmp_path / theirs[0])
    folder = tmp_path / ".mine.kgrec-0123456789ab"  # bears the pattern, not the marker
    folder.mkdir()
    (folder / "x").write_text("x")
    os.utime(folder, (0, 0))
    with scratch_folder(tmp_path, "work") as work, replacing(tmp_path / "out.csv") as aside:
        aside.write_text("x")
        sweep_asides(tmp_path)
        assert (work / MARKER).is_file()
        assert aside.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*theirs, folder.name, "out.csv"])
    assert (folder / "x").exists()


@pytest.mark.parametrize(
    "place", ["artifacts/cache", "artifacts/cache/text/links.parquet", "feedback", "artifacts/runs"]
)
def test_links_in_kgrecs_own_folders_are_refused(tmp_path, place):
    import kgrec

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs.safetensors").write_text("x")
    root = tmp_path / "workspace"
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(elsewhere)
    (root / "kgrec.toml").write_text('domain = "generic"\n')
    with pytest.raises(WorkspaceError, match="symbolic link"):
        kgrec.open(root)
    with pytest.raises(WorkspaceError, match="symbolic link"), Workspace(root).locked():
        pass
    assert (elsewhere / "theirs.safetensors").read_text() == "x"
