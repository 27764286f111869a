"""docs/cli.md is what --help says, and what must answer at once imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kgrec.project import open_project
from kgrec.testing import toy_workspace

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torch_geometric", "transformers", "polars", "rdflib", "scipy", "pandas", "pyoxigraph", "implicit")
PROBE = """
import sys
from kgrec.cli.app import main
code = main(sys.argv[2:])
print("imported:", *sorted(set(sys.argv[1].split(",")) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def imported(*args: str, of: tuple[str, ...] = HEAVY) -> list[str]:
    """Run the command line in a fresh interpreter; return which of the modules it imported."""
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(of), *args], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stderr.splitlines()[-1].removeprefix("imported:").split()


@pytest.mark.parametrize(
    "args",
    [["--help"], ["--version"], ["plugins"], ["recommend", "--help"], ["graph", "--help"], ["plugins", "-f", "json"]],
)
def test_what_answers_at_once_imports_nothing_heavy(args):
    assert imported(*args) == []


def test_help_does_not_even_need_numpy():
    assert imported("--help", of=("numpy", "pydantic")) == []


def test_only_the_chosen_command_is_imported():
    others = ("kgrec.cli.train", "kgrec.cli.evaluate", "kgrec.cli.graph", "rich", "kgrec.project")
    assert imported("--help", of=(*others, "kgrec.cli.recommend")) == []
    assert imported("recommend", "--help", of=(*others, "kgrec.cli.recommend")) == ["kgrec.cli.recommend"]


def test_a_list_for_one_user_needs_no_tables(tmp_path):
    project = open_project(toy_workspace(tmp_path), overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    options = ["recommend", "u01", "-w", str(tmp_path), "--set", "text.encoder=hashing"]
    assert imported(*options, of=("polars", "rdflib", "torch", "numpy.f2py.crackfortran")) == []
