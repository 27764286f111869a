"""What is wrong with installed plugins, found without using them; and what they offer, with options."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from kgrec.errors import KgrecError, MissingExtraError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import BUILTIN, OFFERS, PluginInfo, PluginManager
from kgrec.plugin.options import WithOptions, option_defaults
from kgrec.plugin.spec import Spec

SLOW = 0.3
"""Seconds that the import of a plugin's module may take beyond kgrec's and numpy's."""

HOLDS = 60.0
"""Seconds after which an import is given up."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a plugin.

    Attributes:
        plugin: its name.
        what: a sentence.
        fault: something is wrong, rather than worth knowing.
    """

    plugin: str
    what: str
    fault: bool


def check_plugins(manager: PluginManager, words: Callable[[Domain], Sequence[str]]) -> list[Finding]:
    """Import everything that plugins offer and say what is wrong; kgrec's own plugin is left out.

    Args:
        manager: the plugins.
        words: says what is wrong with the phrases of a domain.
    """
    found = [Finding(info.name, f"not in use: {info.error}", True) for info in manager.broken()]
    for kind in OFFERS:
        registry = manager.registry(kind)
        for name, item in registry.items():
            owner = registry.owner(name)
            if owner == BUILTIN:
                continue
            if isinstance(item, Domain):
                found += [Finding(owner, f"{kind} {name!r}: {what}", True) for what in words(item)]
                continue
            found += [Finding(owner, f"{kind} {name!r}: {what}", fault) for what, fault in _imported(kind, item)]
    found += [Finding("offers", problem.message, True) for problem in manager.problems]
    for info in manager.plugins:
        if info.name != BUILTIN and not info.error:
            found += [Finding(info.name, what, fault) for what, fault in _distribution(manager, info)]
    return found


def _imported(kind: str, spec: Spec) -> list[tuple[str, bool]]:
    try:
        part = spec.imported() if kind == "command" else spec.load()
        if kind != "command":
            option_defaults(part)
    except MissingExtraError as error:
        return [(f"{error.message}; {error.hint}", False)]
    except KgrecError as error:
        return [(error.message, True)]
    return []


def _distribution(manager: PluginManager, info: PluginInfo) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    module = manager.module(info.name)
    if module is not None:
        if "contract" not in vars(module):
            found.append(("states no contract; add `contract = 1` to its module", False))
        seconds = _seconds(str(vars(module).get("__name__", "")))  # of a plugin that is an object there is none
        if seconds is None:
            found.append(("its module cannot be imported in a process of its own", True))
        elif seconds > SLOW:
            found.append((f"its module takes {seconds:.1f} s to import: import what is heavy where it is used", False))
    for text in requires(info.distribution) or [] if info.distribution else []:
        try:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                have = version(wanted.name)
                if not wanted.specifier.contains(have, prereleases=True):
                    found.append((f"needs {text}, but {wanted.name} {have} is installed", True))
        except PackageNotFoundError:
            found.append((f"needs {text}, which is not installed", True))
        except InvalidRequirement:
            found.append((f"states a requirement that cannot be read: {text!r}", True))
    return found


def _seconds(module: str) -> float | None:
    """Return how long a module takes to import where kgrec is imported already; None where it fails."""
    if not module.replace(".", "").replace("_", "").isalnum():
        return 0.0
    code = (
        "import time, importlib, numpy, kgrec.plugin.manager\nbegun = time.process_time()\n"
        f"importlib.import_module({module!r})\nprint('kgrec-seconds', time.process_time() - begun)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=HOLDS, check=False
        )
    except subprocess.TimeoutExpired:
        return HOLDS
    line = next((line for line in done.stdout.splitlines() if line.startswith("kgrec-seconds ")), None)
    return None if done.returncode or line is None else float(line.split()[1])


def described(manager: PluginManager, name: str) -> list[dict[str, Any]]:
    """Return what a plugin offers, or what goes by a name, with options, as JSON values.

    Args:
        manager: the plugins.
        name: of a plugin, or of a thing on offer.
    """
    records = []
    for kind in OFFERS:
        registry = manager.registry(kind)
        for item_name, item in registry.items():
            owner = registry.owner(item_name)
            if name not in (owner, item_name):
                continue
            spec = isinstance(item, Spec)
            records.append(
                {
                    "kind": kind,
                    "name": item_name,
                    "plugin": manager.named(owner).replace("'", ""),
                    "summary": item.summary,
                    "target": item.target if spec else "",
                    "options": _of_domain(item) if not spec else _options(item) if kind != "command" else {},
                }
            )
    return records


def _of_domain(domain: Domain) -> dict[str, Any]:
    """Return what was read of a domain's files, each as a line."""
    columns = [
        f"{role}.{field} {'/'.join(n)}" for role, fields in domain.columns.items() for field, n in fields.items()
    ]
    told = {
        "columns": columns,
        "actions": [f"{action} {weight:g}" for action, weight in domain.action_weights.items()],
        "action_words": [f"{word} {action}" for word, action in domain.action_words.items()],
        "relations": [relation.name for relation in domain.relation_types],
        "attributes": list(domain.attributes),
        "languages": list(domain.item_noun),
        "kinds": [f"{k.name} ({' '.join(code for code in k.phrases if '@' not in code)})" for k in domain.kinds],
        "sample": [domain.sample] if domain.sample else [],
    }
    return {name: ", ".join(values) for name, values in told.items() if values}


def _options(spec: Spec) -> dict[str, Any]:
    """Return option -> default (and what it means, where a model says so), as text."""
    try:
        cls: Any = spec.load()
        defaults = option_defaults(cls)
    except KgrecError as error:
        return {"": error.message}
    if isinstance(cls, WithOptions):
        meant = {name: field.description or "" for name, field in cls.Options.model_fields.items()}
    else:
        lines = [line.partition(":") for line in (inspect.getdoc(cls) or "").splitlines()]
        meant = {name.strip(): text.strip() for name, colon, text in lines if colon}
    return {name: f"{value!r}  {meant.get(name, '')}".rstrip() for name, value in defaults.items()}
