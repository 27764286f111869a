"""Starts a plugin: a small complete package that keeps the contract, or one file for a workspace.

What a part of each kind looks like at first stands as text under ``scaffold/``, its contract test beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from kgrec.errors import UserError, did_you_mean
from kgrec.plugin.manager import CONTRACT


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of part is offered.

    Attributes:
        hook: that offers it.
        contract: class of :mod:`kgrec.testing` that checks it.
        summary: one line for ``kgrec plugins``.
        use: a command that uses it, with ``$name``.
        beside: module in which the class stands, since its imports are heavy; empty: the plugin's own.
    """

    hook: str
    contract: str
    summary: str
    use: str
    beside: str = ""


KINDS = {
    "domain": _Kind("kgrec_domains", "DomainContract", "a field of its own", "kgrec init DIR --domain $name"),
    "scorer": _Kind("kgrec_scorers", "ScorerContract", "what few people know first", "kgrec train"),
    "encoder": _Kind(
        "kgrec_text_encoders", "TextEncoderContract", "hashed words", "kgrec train --set text.encoder=$name"
    ),
    "reranker": _Kind(
        "kgrec_rerankers", "RerankerContract", "lowers what everybody knows", "kgrec recommend USER --rerank $name:0.3"
    ),
    "generator": _Kind(
        "kgrec_generators", "GeneratorContract", "a sentence from the facts", "kgrec generate USER --model $name"
    ),
    "guard": _Kind(
        "kgrec_guards", "GuardContract", "no shouting", "kgrec generate USER --model MODEL --set 'guards.$name={}'"
    ),
    "language-model": _Kind(
        "kgrec_language_models", "LanguageModelContract", "says the first fact", "kgrec generate USER --model $name"
    ),
    "source": _Kind(
        "kgrec_data_sources", "DataSourceContract", "cells between bars", "kgrec init DIR --from table.$suffix"
    ),
    "linker": _Kind(
        "kgrec_entity_linkers",
        "EntityLinkerContract",
        "names as they stand",
        "kgrec build-graph --set linking.linker=$name",
    ),
    "gnn": _Kind("kgrec_scorers", "ScorerContract", "a network of torch_geometric", "kgrec train", beside="network"),
    "recipe": _Kind(
        "kgrec_schema_mapping", "RecipeContract", "how an export is read", "kgrec init DIR --from log.csv goods.csv"
    ),
    "command": _Kind("kgrec_commands", "CommandsContract", "List the items that few people know.", "kgrec $name"),
}
"""Kind of part -> how it is offered."""


def new_plugin(kinds: Sequence[str], name: str, folder: Path, *, local: bool = False) -> list[Path]:
    """Write a plugin with one part of each kind.

    Args:
        kinds: keys of :data:`KINDS`; the part of the first is called ``name``, the others ``name-kind``.
        name: letters, digits and dashes.
        folder: where the package's folder ``kgrec-NAME`` goes; with ``local`` where ``kgrec_plugins.py`` goes.
        local: write a single file that only the workspace in ``folder`` loads.

    Returns:
        The files.

    Raises:
        UserError: the name or a kind cannot be used, or something is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 40:
        raise UserError(
            f"{name!r} is no name for a plugin", hint="small letters, digits and single dashes: hidden-gems"
        )
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"unknown kind {kind!r}", hint=did_you_mean(kind, KINDS))
    kinds = list(dict.fromkeys(kinds))
    if local and "recipe" in kinds:
        raise UserError("a recipe is a file, and needs a package", hint="leave out --local; or say it in kgrec.toml")
    module = "kgrec_plugins" if local else f"kgrec_{name.replace('-', '_')}"
    code = _module(kinds, name, module, local=local)
    if local:
        return _write({folder / "kgrec_plugins.py": code})
    root = folder / f"kgrec-{name}"
    if root.exists() and any(root.iterdir()):
        raise UserError(f"{root} is there already", hint="choose another name, or remove it")
    beside: dict[Path, str] = {}  # of a package with more than its hooks
    for kind in kinds:
        values = _values(kind, name, module, kinds[0])
        if kind == "domain":
            beside |= {root / module / file: _read(f"{file}.txt", values) for file in ("domain.toml", "sample.toml")}
        elif kind == "recipe":
            beside[root / module / "recipes" / f"{values['name']}.toml"] = _read("recipe.toml.txt", values)
        elif KINDS[kind].beside:
            beside[root / module / f"{KINDS[kind].beside}.py"] = _read(f"{kind}.py.txt", values)
    return _write(
        {
            root / "pyproject.toml": _project(name, module, package=bool(beside)),
            **({root / module / "__init__.py": code, **beside} if beside else {root / f"{module}.py": code}),
            root / "tests" / f"test_{module}.py": _tests(kinds, name, module),
            root / "README.md": _readme(kinds, name),
            root / ".github" / "workflows" / "test.yml": _WORKFLOW,
        }
    )


def _values(kind: str, name: str, module: str, first: str) -> dict[str, str]:
    own = name if kind == first else f"{name}-{kind}"
    stem = "".join(part.capitalize() for part in own.split("-"))
    return {
        "name": own,
        "summary": KINDS[kind].summary,
        "module": module,
        "Class": stem,
        "function": own.replace("-", "_"),
        "CONSTANT": own.replace("-", "_").upper(),
        "suffix": own.replace("-", ""),
    }


def _read(file: str, values: dict[str, str]) -> str:
    text = files("kgrec.plugin").joinpath("scaffold", file).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _module(kinds: Sequence[str], name: str, module: str, *, local: bool) -> str:
    imports: list[str] = []
    bodies: list[str] = []
    offers: dict[str, list[str]] = {}
    stated = [f"contract = {CONTRACT}"]
    for kind in kinds:
        values = _values(kind, name, module, kinds[0])
        if kind == "recipe" or (kind == "domain" and not local):
            imports.append(f"from kgrec.plugin import {kind}_hook")
            stated.append(f"{KINDS[kind].hook} = {kind}_hook(__name__)")
            continue
        place = module
        if KINDS[kind].beside and not local:
            place = f"{module}.{KINDS[kind].beside}"
        else:
            head, body = _split(_read(f"{kind}.local.py.txt" if kind == "domain" else f"{kind}.py.txt", values))
            imports += head
            bodies.append(body)
        target = values["function"] if kind == "command" else values["Class"]
        where = f'f"{{__name__}}:{target}"' if local else f'"{place}:{target}"'
        spec = f'Spec("{values["name"]}", {where}, "{values["summary"]}")'
        offered = values["CONSTANT"] if kind == "domain" else spec
        offers.setdefault(KINDS[kind].hook, []).append(offered)
    if local or set(kinds) - {"domain", "recipe"}:
        needed = ["hookimpl", *(["Spec"] if any(kind != "domain" for kind in kinds) else [])]
        imports.append(f"from kgrec.plugin import {', '.join(needed)}")
    joined = "\n".join([*_sorted(imports)])
    told = f'"""{name}, a plugin of kgrec: {", ".join(kinds)}."""'
    hooks = [f"@hookimpl\ndef {hook}():\n    return [{', '.join(some)}]\n" for hook, some in offers.items()]
    return (
        "\n\n\n".join([f"{told}\n\n{joined}\n\n" + "\n".join(stated), *(part.rstrip() for part in bodies + hooks)])
        + "\n"
    )


def _split(text: str) -> tuple[list[str], str]:
    """Return the lines of imports, and what follows them; the docstring above is left out."""
    lines = text.rstrip().splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    last = max((k for k, line in enumerate(lines) if line in imports), default=0)
    return imports, "\n".join(lines[last + 1 :]).strip("\n") + "\n"


def _order(name: str) -> tuple[bool, str]:
    return not name[0].isupper(), name


def _sorted(imports: Sequence[str]) -> list[str]:
    """Return imports in groups: the standard library, others, kgrec; names of one module are joined."""
    named: dict[str, set[str]] = {}
    plain = set()
    for line in imports:
        if line.startswith("from "):
            module, _, names = line[5:].partition(" import ")
            named.setdefault(module, set()).update(part.strip() for part in names.split(","))
        else:
            plain.add(line)
    froms = [f"from {m} import {', '.join(sorted(names, key=_order))}" for m, names in sorted(named.items())]
    standard = sorted(line for line in plain if line.split()[1] in ("re", "hashlib"))
    others = sorted(plain - set(standard))
    groups = [standard, others, froms]
    return [line for group in groups if group for line in (*group, "")][:-1]


def _tests(kinds: Sequence[str], name: str, module: str) -> str:
    bodies = [_read(f"{kind}.test.txt", _values(kind, name, module, kinds[0])).rstrip() for kind in kinds]
    needed = sorted({KINDS[kind].contract for kind in kinds} | {"PluginContract"})
    needed += ["toy_request"] if "guard" in kinds else []
    frames = "import polars as pl\n" if "source" in kinds else ""
    frames += "from kgrec.plugin import read_domain\n" if "domain" in kinds else ""
    classes = [
        f"from {module}.{KINDS[kind].beside} import {_values(kind, name, module, kinds[0])['Class']}\n"
        for kind in kinds
        if KINDS[kind].beside
    ]
    plugin = f"class TestPlugin(PluginContract):\n    def make(self):\n        return {module}"
    return (
        f'"""{name} keeps the contracts."""\n\n{frames}from kgrec.testing import {", ".join(needed)}\n\n'
        f"import {module}\n{''.join(classes)}\n\n" + "\n\n\n".join([*bodies, plugin]) + "\n"
    )


def _project(name: str, module: str, *, package: bool) -> str:
    brought = f'packages = ["{module}"]\n\n[tool.setuptools.package-data]\n{module} = ["*.toml", "*.txt", "*/*"]'
    if not package:
        brought = f'py-modules = ["{module}"]'
    return f"""[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "kgrec-{name}"
version = "0.1.0"
description = "{name}, a plugin of kgrec"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["kgrec"]

[project.optional-dependencies]
test = ["kgrec[testing]"]

[project.entry-points.kgrec]
{name} = "{module}"

[tool.setuptools]
{brought}
"""


def _readme(kinds: Sequence[str], name: str) -> str:
    uses = [
        Template(KINDS[kind].use).substitute(_values(kind, name, "", kinds[0])).replace("\n", " ") for kind in kinds
    ]
    shown = "\n".join(f"    {use}" for use in uses)
    return f"""# kgrec-{name}

A plugin of kgrec: {", ".join(kinds)}.

    pip install -e '.[test]'
    kgrec plugins show {name}
{shown}

`pytest` checks that it keeps the contracts.
"""


_WORKFLOW = """on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: pip install -e '.[test]'
      - run: pytest
      - run: kgrec plugins --check
"""


def _write(contents: dict[Path, str]) -> list[Path]:
    for path in contents:
        if path.exists():
            raise UserError(f"{path} is there already", hint="move it away, or choose another name")
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(contents)
