"""The house as a whole: no circles, names of one meaning, nothing offered, set or installed that nothing uses."""

import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kgrec.plugin.manager import OFFERS

ROOT = Path(__file__).parents[2]
CORE = sorted(file for file in (ROOT / "kgrec").rglob("*.py") if "testing" not in file.parts)


@cache
def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file):
    return str(file.relative_to(ROOT))


ASKED = {
    "kgrec/cli/app.py": "errors of Typer's parser, whose classes are private; streams that a caller replaced",
    "kgrec/cli/output.py": "arrays and numbers of numpy, which is not imported for the help",
    "kgrec/generate/lora/learning.py": "settings of a model of transformers",
    "kgrec/generate/models/endpoint.py": "what an endpoint answers",
    "kgrec/models/threads.py": "functions of the C library and the operating system",
    "kgrec/plugin/manager.py": "functions of a plugin's module, which may be anything",
    "kgrec/settings.py": "type hints",
    "kgrec/text/encoders/pretrained.py": "settings of a model of transformers",
}
"""Files that ask things for what they may lack, and why no protocol can say it: the things are not kgrec's."""


def test_parts_are_not_asked_for_what_no_protocol_states():
    asking = {
        name_of(file)
        for file in CORE
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
        and isinstance(node.args[1], ast.Constant)  # getattr(row, name) reads a field by its name
    }
    assert asking == set(ASKED)


def test_every_hard_dependency_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    imported = {
        module.partition(".")[0]
        for file in CORE
        for node in ast.walk(parsed(file))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    brings = defaultdict(set)
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            brings[re.sub(r"[-_.]+", "-", distribution).lower()].add(module)
    names = [re.sub(r"[-_.]+", "-", Requirement(line).name).lower() for line in project["dependencies"]]
    assert [name for name in names if not brings[name] & imported] == []


@pytest.mark.parametrize("kind", OFFERS)
def test_every_kind_of_offer_is_consumed(kind):
    consumers = {
        name_of(file)
        for file in CORE
        if file.parent.name != "plugin" and file != ROOT / "kgrec" / "cli" / "plugins.py"
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("registry", "domain")
        and (node.func.attr == "domain" if kind == "domain" else [ast.unparse(a) for a in node.args] == [repr(kind)])
    }
    assert consumers, f"nobody asks for the registry of {kind!r}"
