"""A plugin with one part of every kind, as `kgrec plugins new` starts it, is installed by pip and used."""

import os
import subprocess
import sys

import pytest

from kgrec.plugin.scaffolding import KINDS, new_plugin

pytestmark = pytest.mark.slow

USES = """
plugins show all
plugins --check
init shop --domain all
build-graph -w shop --set linking.linker=all-linker
train -w shop --set text.encoder=all-encoder --only popularity,all-scorer,all-gnn
recommend u001 -w shop -n 3 --rerank all-reranker:0.3
generate u001 -w shop --model all-generator --set guards.all-guard={}
generate u001 -w shop --model prompt:all-language-model --set guards.all-guard={}
all-command -w shop
init bars --from table.allsource --yes
"""


def test_every_kind_is_installed_and_used(tmp_path):
    site = tmp_path / "site"
    root = new_plugin(["domain", *(kind for kind in KINDS if kind != "domain")], "all", tmp_path)[0].parent
    command = ["pip", "install", "-q", "--no-deps", "--no-build-isolation", "-t", str(site), str(root)]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    around = {**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    rows = [f"u{k % 9} | i{k * k % 11} | {1_700_000_000 + 3600 * k}" for k in range(60)]
    (tmp_path / "table.allsource").write_text("\n".join(["user | item | time", *rows]))
    for line in USES.strip().splitlines():
        words = line.split()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "kgrec", *words],
            cwd=tmp_path,
            env=around,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout[-500:], done.stderr[-1500:])
        assert "left out" not in done.stderr, (line, done.stderr)
