"""The example plugins, written from the documentation alone: installed together they pass their tests and the check."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "plugins").glob("kgrec-*"))


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """Return an environment in which all of them are installed, as far as Python can tell."""
    site = tmp_path_factory.mktemp("site")
    for root in EXAMPLES:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        about = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        about.mkdir()
        told = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (about / "METADATA").write_text(told + "".join(f"Requires-Dist: {one}\n" for one in project["dependencies"]))
        offered = (f"{name} = {module}\n" for name, module in project["entry-points"]["kgrec"].items())
        (about / "entry_points.txt").write_text("[kgrec]\n" + "".join(offered))
    paths = os.pathsep.join(map(str, [site, *EXAMPLES]))
    return {**os.environ, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(site / "cache"), "OMP_NUM_THREADS": "1"}


def ran(command, around, folder):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=around, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_nothing_is_wrong_with_them(around, tmp_path):
    assert len(EXAMPLES) == 7
    listed = ran(["kgrec", "plugins", "--check", "--format", "json"], around, tmp_path)
    assert '"fault": true' not in listed


def test_their_own_tests_pass(around, tmp_path):
    told = ran(
        ["pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *map(str, EXAMPLES)], around, tmp_path
    )
    assert "failed" not in told
