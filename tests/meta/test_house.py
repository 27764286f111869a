"""The house as a whole: no circles, names of one meaning, nothing offered, set or installed that nothing uses."""

import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import get_args

import networkx as nx
import pytest
from packaging.requirements import Requirement
from pydantic import BaseModel

from kgrec.config import Config
from kgrec.plugin.manager import OFFERS

ROOT = Path(__file__).parents[2]
CORE = sorted(file for file in (ROOT / "kgrec").rglob("*.py") if "testing" not in file.parts)


@cache
def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file):
    return str(file.relative_to(ROOT))


def modules():
    """Return module name -> file, of the package, the plugins and the benchmarks."""
    roots = [(ROOT, "kgrec"), (ROOT / "benchmarks", ".")]
    roots += [(folder, folder.name.replace("-", "_")) for folder in (ROOT / "plugins").glob("kgrec-*")]
    found = {}
    for root, package in roots:
        for file in (root / package).rglob("*.py"):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file, known):
    """Return the modules that a file imports anywhere, for types as well."""
    found = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return found & known.keys()


def test_no_circle_between_files():
    known = modules()
    graph = nx.DiGraph((name, other) for name, file in known.items() for other in imports(file, known) - {name})
    assert len(graph) > 200
    circles = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    assert circles == []


def test_public_classes_have_names_of_their_own():
    homes = defaultdict(list)
    for file in CORE:
        for node in parsed(file).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name_of(file))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


ASKED = {
    "kgrec/cli/app.py": "errors of Typer's parser, whose classes are private; streams that a caller replaced",
    "kgrec/cli/output.py": "arrays and numbers of numpy, which is not imported for the help",
    "kgrec/generate/models/endpoint.py": "what an endpoint answers",
    "kgrec/models/threads.py": "functions of the operating system",
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


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def settings(model, path=()):
    """Yield the keys of kgrec.toml, such as ``("train", "device")``."""
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        if not inner:
            yield (*path, name)
        for one in inner:
            yield from settings(one, (*path, name))


HOLDERS = {"config", "settings", "defaults", "entry", "attribute", "file", "placement", "boost", "experiment"}
"""Names that hold settings, beside the name of the table: ``config.threads``, ``self.config.train.threads``."""


def test_every_setting_is_read():
    read = defaultdict(set)
    for file in CORE:
        if file.name == "config.py":
            continue
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Attribute):
                holder = node.value
                tail = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
                read[node.attr].add(tail.lstrip("_"))
    keys = list(settings(Config))
    assert len(keys) > 60
    unread = [".".join(key) for key in keys if not read[key[-1]] & {*HOLDERS, *key[-2:-1]}]
    assert unread == []


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
