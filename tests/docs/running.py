"""Runs what pages show: blocks marked sh, console and python, in their order, in a folder of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^(?:<!-- (?P<said>[^\n]*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "console", "python")
PIP = """#!{python}
import os, subprocess, sys
# What is on the index is installed already; a folder goes where only this page sees it.
folders = [a for a in sys.argv[2:] if a.startswith(".")]
if folders:
    flags = ["-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--upgrade", "--target"]
    flags.append(os.environ["SITE"])
    folders = [f.split("[")[0] for f in folders]
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *flags, *folders]))
"""


def blocks(page):
    """Yield (what a comment above says, kind, text) of each block of a page."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield found["said"] or "", found["kind"], found["text"]


def steps(page):
    """Return the steps of a page: ("file", name, text), ("shell", text) or ("python", text).

    ``<!-- file: NAME -->`` above a block writes it; ``<!-- not run: WHY -->`` leaves it out. A block of Python that
    does not begin with ``import`` goes on from the one before it.
    """
    found = []
    for said, kind, text in blocks(page):
        if said.startswith("file: "):
            found.append(("file", said.removeprefix("file: "), text))
        elif kind not in RUN or said.startswith("not run: "):
            continue
        elif kind == "python":
            if not re.match(r'import |"""|#', text) and found and found[-1][0] == "python":
                found[-1] = ("python", found[-1][1] + text)
            else:
                found.append(("python", text))
        else:
            found.append(("shell", text if kind == "sh" else "\n".join(_typed(text))))
    return found


def _typed(session):
    """Yield the lines of a session that a person types: those behind a prompt, and those that these go on in."""
    goes_on = False
    for line in session.splitlines():
        if goes_on or line.startswith("$ "):
            yield line if goes_on else line[2:]
            goes_on = line.endswith("\\")


def follow(page, folder, environment):
    """Do what a page shows, in ``folder``; the test fails at the first step that fails."""
    programs = folder.parent / f"{folder.name}-bin"
    programs.mkdir()
    shims = {name: f'#!/bin/sh\nexec {sys.executable} -m {name} "$@"\n' for name in ("kgrec", "pytest")}
    shims |= {"python": f'#!/bin/sh\nexec {sys.executable} "$@"\n', "pip": PIP.format(python=sys.executable)}
    for name, text in shims.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    site = folder.parent / f"{folder.name}-site"
    around = {
        **environment,
        "PATH": f"{programs}:{environment['PATH']}",
        "SITE": str(site),
        "PYTHONPATH": f"{site}:{folder}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -q",
    }
    for kind, *step in steps(page):
        if kind == "file":
            target = folder / step[0]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(step[1], encoding="utf-8")
            continue
        command = [sys.executable, "-c", step[0]] if kind == "python" else ["bash", "-euo", "pipefail", "-c", step[0]]
        done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            said = f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
            pytest.fail(f"{page.name}:\n{step[0]}\n{said}")
