"""A plugin that `kgrec plugins new` starts keeps the contract, kind by kind, and is found out where it does not."""

import os
import subprocess
import sys
import tomllib

import pytest

from kgrec.errors import UserError
from kgrec.plugin.scaffolding import KINDS, new_plugin


def test_every_kind_keeps_its_contract(tmp_path):
    roots = [new_plugin([kind], f"my-{kind}", tmp_path)[0].parent for kind in KINDS]
    roots.append(new_plugin(list(KINDS), "everything", tmp_path)[0].parent)
    paths = os.pathsep.join(map(str, roots))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " failed" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_is_short_and_whole(tmp_path, kind):
    files = {path.name: path for path in new_plugin([kind], "hidden-gems", tmp_path)}
    (code,) = (files[name].read_text() for name in ("__init__.py", "kgrec_hidden_gems.py") if name in files)
    assert len(code.splitlines()) <= 50
    project = tomllib.loads(files["pyproject.toml"].read_text())
    assert project["project"]["entry-points"]["kgrec"] == {"hidden-gems": "kgrec_hidden_gems"}
    assert "$" not in files["README.md"].read_text() + code


@pytest.mark.parametrize("name", ["Hidden", "a--b", "", "../x", "1st", "x" * 41, "a b"])
def test_names_that_cannot_be_used_are_refused(tmp_path, name):
    with pytest.raises(UserError):
        new_plugin(["scorer"], name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path):
    new_plugin(["scorer"], "gems", tmp_path)
    with pytest.raises(UserError, match="there already"):
        new_plugin(["guard"], "gems", tmp_path)
    with pytest.raises(UserError, match="unknown kind"):
        new_plugin(["scorrer"], "other", tmp_path)
    (one,) = new_plugin(["scorer", "guard"], "gems", tmp_path, local=True)
    assert one.name == "kgrec_plugins.py"
    compile(one.read_text(), "kgrec_plugins.py", "exec")
