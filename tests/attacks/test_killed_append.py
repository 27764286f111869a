"""An append that is killed is done or not done: what is published and what kgrec.toml records change together."""

import signal
import subprocess
import sys

import pytest

import kgrec
from kgrec.errors import UsageError

TOML = """# mine
domain = "generic"

[[data.interactions]]
path = "first.csv"  # the first log
columns = { user = "user_id", item = "item_id", time = "time" }
"""
KILLED = """
import os, signal, sys
import kgrec
from kgrec.data import additions
from kgrec.workspace import Workspace

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

moment, root = sys.argv[1:]
if moment == "before the record":
    additions.add_to_config = die
elif moment == "before the end":
    Workspace.settle = die
elif moment == "before the commit":
    Workspace._write = die
kgrec.open(root).build_graph(append=[f"{root}/second.csv"])
"""


@pytest.fixture
def root(tmp_path):
    for name, time in (("first", 1_700_000_000), ("second", 1_700_000_500)):
        rows = "".join(f"u{k},{name}{k % 3},{time + k}\n" for k in range(6))
        (tmp_path / f"{name}.csv").write_text("user_id,item_id,time\n" + rows)
    (tmp_path / "kgrec.toml").write_text(TOML)
    kgrec.open(tmp_path).build_graph()
    return tmp_path


@pytest.mark.parametrize("moment", ["before the commit", "before the record", "before the end"])
def test_killed_anywhere_it_is_done_or_not_done(root, moment):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    project = kgrec.open(root)
    recorded = "second.csv" in (root / "kgrec.toml").read_text()
    assert recorded == (moment != "before the commit")
    assert project.dataset.interactions.height == (12 if recorded else 6)
    assert project.workspace.pending() == {}
    if recorded:
        with pytest.raises(UsageError, match="already part"):
            project.build_graph(append=[root / "second.csv"])
    else:
        project.build_graph(append=[root / "second.csv"])
    text = (root / "kgrec.toml").read_text()
    assert text.count("second.csv") == 1
    assert text.startswith(TOML.rstrip())
    assert kgrec.open(root).build_graph().dataset["interactions"] == 12


def test_what_is_pending_outlives_other_work(root):
    project = kgrec.open(root)
    with project.workspace.locked(), project.workspace.publish("text", seed=1) as (writer,):
        writer.pending["note"] = [1]
    with project.workspace.locked(), project.workspace.publish("text", seed=1):
        pass
    assert project.workspace.pending() == {"note": [1]}
