"""Compares what files are taken for with what they are."""

from __future__ import annotations

import shlex
from pathlib import Path

from kgrec.data.inspection import Inspected
from kgrec.data.propose import look
from kgrec.plugin.manager import PluginManager
from tests.data.shapes.cases import Shape


def judge(shape: Shape, folder: Path, manager: PluginManager) -> list[tuple[bool, str]]:
    """Return for each thing that is to be told whether it is told rightly, and what it is."""
    for name, text in shape.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    found = look([folder / name for name in shape.files], None, manager).files
    return [check for name, want in shape.expected.items() for check in _file(name, want, found)]


def judge_folder(folder: Path, manager: PluginManager) -> list[tuple[bool, str]]:
    """Do the same for files in a folder, beside ``expected.tsv``: in each line a file, its role and its columns."""
    lines = (folder / "expected.tsv").read_text(encoding="utf-8").splitlines()
    found = look(sorted(path for path in folder.iterdir() if path.name != "expected.tsv"), None, manager).files
    wanted = [line.split("\t") for line in lines]
    return [check for name, *want in wanted for check in _file(name, shlex.join(want), found)]


def _file(name: str, want: str, found: tuple[Inspected, ...]) -> list[tuple[bool, str]]:
    role, *rest = shlex.split(want)
    kind = "interactions" if role == "wide" else role
    mine = [file for file in found if file.path.name == name and not file.problem]
    file = next((f for f in mine if f.kind == kind), None)
    problems = "; ".join(f.problem for f in found if f.path.name == name)
    if file is None:
        told = f"{name}: {role}, not {[f.kind for f in mine]} {problems[:90]}"
        return [(False, told)] * (1 + len(rest))
    return [
        (True, f"{name}: {role}"),
        *((_one(token, file, mine), f"{name}: {token}, not {_told(file)}") for token in rest),
    ]


def _told(file: Inspected) -> str:
    return f"{file.columns} {file.action} {dict(file.actions)} {file.layout} {list(file.attributes)}"


def _one(token: str, file: Inspected, mine: list[Inspected]) -> bool:
    if token == "constant-user":
        return file.layout.user is not None
    if token.startswith("attr:"):
        return any(a.column == token[5:] for f in mine if f.kind == "items" for a in f.attributes.values())
    word, sign, action = token.partition(">")
    if sign:
        return file.actions.get(word) == action
    field, _, values = token.partition("=")
    if field == "const":
        return "action" not in file.columns and file.action in values.split("|")
    if field == "pattern":
        return file.layout.pattern is not None
    if field == "separator":
        return file.layout.separator == values
    return file.columns.get(field) in values.split("|")
