"""Wheels are whole: built from sdists, they hold every file of the packages and work from another folder."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    out = tmp_path_factory.mktemp("dist")
    release.build(out)
    return release, out


def test_they_hold_what_they_should(built):
    release, out = built
    assert list(release.problems(out)) == []


def test_a_wheel_works_without_the_repository(built, tmp_path):
    _, out = built
    site = tmp_path / "site"
    for wheel in out.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    around = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    for line in ("init films --domain video", "build-graph -w films", "plugins show video"):
        command = [sys.executable, "-m", "kgrec", *line.split()]
        done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    where = [sys.executable, "-c", "import kgrec, kgrec_video; print(kgrec.__file__, kgrec_video.__file__)"]
    said = subprocess.run(where, cwd=tmp_path, env=around, capture_output=True, text=True, check=True).stdout
    assert said.count(str(site)) == 2
