"""docs/cli.md is what --help says, and what must answer at once imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_reference_is_up_to_date():
    written = subprocess.run(
        [sys.executable, "-m", "kgrec.cli.reference"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ).stdout
    stored = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert stored == written, "run: python -m kgrec.cli.reference > docs/cli.md"


def test_the_reference_has_every_command():
    from kgrec.cli.application import build_app
    from kgrec.cli.reference import COMMANDS
    from kgrec.plugin.manager import load_plugins

    app = build_app(load_plugins([]))
    commands = {c.name for c in app.registered_commands}
    within = {
        (group.name, command.name or command.callback.__name__)
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }
    groups = {(group.name,) for group in app.registered_groups}
    assert {words for words in COMMANDS if words} == {*groups, *((c,) for c in commands), *within}
