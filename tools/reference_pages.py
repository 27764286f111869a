"""Write docs/api.md and docs/parts/KIND.md from the code: ``python tools/reference_pages.py``."""

from __future__ import annotations

import importlib
import inspect
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import kgrec
from kgrec import testing
from kgrec.plugin import files as files_module
from kgrec.plugin import protocols, spec
from kgrec.plugin.domain import ACTIONS, AGAINST, DEFAULT_ACTION_WEIGHTS
from kgrec.plugin.scaffolding import KINDS, new_plugin

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "This page is made from the code by `python tools/reference_pages.py`; a test keeps it current.\n"
ON_A_PROJECT = {
    "project.graph": "kgrec.graph.knowledge_graph:KnowledgeGraph",
    "project.texts": "kgrec.generate.service:TextService",
    "project.runs": "kgrec.evaluate.runs:Runs",
    "project.feedback": "kgrec.generate.feedback.feedback:TextFeedback",
}
"""Attribute of a project -> its class, whose methods stand on the page, too."""

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\s*$")
ENTRY = re.compile(r"^(\*{0,2}[\w, ]+):\s+(.*)")


def main() -> None:
    """Write the pages; those of kinds that are gone are removed."""
    written = render()
    for path in (DOCS / "parts").glob("*.md"):
        if path not in written:
            path.unlink()
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def render() -> dict[Path, str]:
    """Return every page with its text."""
    parts = {DOCS / "parts" / f"{kind}.md": _part(kind) for kind in KINDS}
    return {DOCS / "api.md": _api(), **parts}


# What stands in docstrings, as Markdown


def prose(docstring: str | None) -> str:
    """Return a docstring in Google's style as Markdown: its sections become lists, its examples code."""
    out: list[str] = []
    lines = inspect.cleandoc(docstring or "").splitlines()
    section = example = False
    for line in lines:
        if line.startswith((">>>", "...")) or (example and line.strip()):
            if not example:
                out += ["", "```pycon"]
            example = True
            out.append(line)
            continue
        if example:
            out += ["```", ""]
            example = False
        found = SECTION.match(line)
        if found:
            section = True
            out += ["", f"**{found[1]}**", ""]
        elif section and line.startswith("    ") and not line.startswith("     "):
            entry = ENTRY.match(line.strip())
            out.append(f"- `{entry[1]}`: {entry[2]}" if entry else f"- {line.strip()}")
        elif section and line.strip():
            out[-1] += " " + line.strip()
        else:
            section = section and not line.strip()
            out.append(line)
    text = "\n".join([*out, *(["```"] if example else [])])
    text = re.sub(r":(?:class|meth|data|func|mod|attr):`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", text)
    return re.sub(r"\n{3,}", "\n\n", text.replace("::\n", ":\n")).strip()


def _first(docstring: str | None) -> str:
    return prose(docstring).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


# The reference of the Python interface


def _api() -> str:
    pieces = [
        f"# From Python\n\n{MADE}",
        "`kgrec.open` gives a `Project`; everything else hangs on it. What is not on this page is no promise.\n",
        _section("kgrec.open", kgrec.open, 2),
    ]
    for name in kgrec.__all__:
        thing = getattr(kgrec, name)
        if name != "open":
            pieces += [_section(f"kgrec.{name}", thing, 2), *_members(thing, "project." if name == "Project" else ".")]
    for name, home in ON_A_PROJECT.items():
        module, _, attribute = home.partition(":")
        cls = getattr(importlib.import_module(module), attribute)
        pieces += [f"## `{name}`\n\n{prose(cls.__doc__)}\n", *_members(cls, f"{name}.")]
    return "\n".join(pieces)


def _section(name: str, thing: Any, level: int) -> str:
    described = f"{'#' * level} `{name}`\n\n"
    if inspect.isclass(thing) and (issubclass(thing, Exception) or not thing.__doc__ or name == "kgrec.Project"):
        return f"{described}{prose(thing.__doc__)}\n"
    return f"{described}```py\n{_signature(name, thing)}\n```\n\n{prose(thing.__doc__)}\n"


class _Plain(str):
    """An annotation that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(name: str, thing: Callable[..., Any]) -> str:
    """Return the signature as it stands in the source, over several lines where it is long."""
    signature = inspect.signature(thing)
    kept = [
        p.replace(annotation=_Plain(p.annotation) if isinstance(p.annotation, str) else p.annotation)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    back = signature.return_annotation
    shown = str(signature.replace(parameters=kept, return_annotation=_Plain(back) if isinstance(back, str) else back))
    if len(name) + len(shown) < 100:
        return f"{name}{shown}"
    marks = "".join(f"    {part},\n" for part in _parts(kept))
    return f"{name}(\n{marks}){f' -> {back}' if isinstance(back, str) else ''}"


def _parts(parameters: list[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        yield re.sub(r"<[\w.]+ object at 0x\w+>", "...", str(parameter))


def _members(cls: type[Any], prefix: str) -> Iterator[str]:
    found = {name: thing for base in reversed(cls.__mro__[:-1]) for name, thing in vars(base).items()}
    for name, thing in found.items():
        if name.startswith("_") or issubclass(cls, Exception):
            continue
        if isinstance(thing, (property, cached_property)):
            getter = thing.fget if isinstance(thing, property) else thing.func
            back = inspect.signature(getter).return_annotation if getter else ""
            yield f"### `{prefix}{name}`\n\n`{str(back).strip(chr(39))}`: {prose(getter.__doc__)}\n"
        elif inspect.isfunction(thing):
            yield _section(f"{prefix}{name}", thing, 3)


# A page a kind of part


def _part(kind: str) -> str:
    about = KINDS[kind]
    hook = getattr(spec, about.hook)
    cls = _protocol(about.hook)
    contract = getattr(testing, about.contract)
    use = re.sub(r"\$\w+", "example", about.use)
    pieces = [
        f"# {kind.replace('-', ' ').capitalize()}\n\n{MADE}",
        f"`kgrec plugins new {kind} NAME` starts one. It is offered by the hook `{_signature(about.hook, hook)}` and "
        f"used by `{use}`.\n",
        f"## What it must be able to do\n\n{_source(cls)}",
    ]
    if more := list(_abilities(cls)):
        pieces.append(
            "## What it may do besides\n\nFound by looking at the class; nothing needs to be inherited.\n\n"
            + "\n".join(_source(each) for each in more)
        )
    if kind == "domain":
        pieces += [*_known_relations(), *_known_actions()]
    pieces += [
        f"## A whole one\n\n{''.join(_example(kind))}",
        f"## The contract: `{about.contract}`\n\n{prose(contract.__doc__)}\n\n"
        "| test | what it holds you to |\n|---|---|\n"
        + "\n".join(
            f"| `{name}` | {_first(getattr(contract, name).__doc__)} |"
            for name in dir(contract)
            if name.startswith("test_")
        )
        + "\n",
    ]
    return "\n".join(pieces)


def _known_relations() -> Iterator[str]:
    """Yield what a relation type has that a domain need only name."""
    told = tomllib.loads((Path(files_module.__file__).parent / "common.toml").read_text(encoding="utf-8"))
    yield "## Relation types that kgrec knows\n"
    yield "| name | inverse | leads to | salience | label |\n|---|---|---|---|---|"
    for name in told:
        relation = files_module.read_relation("kgrec", name, {})
        yield f"| `{name}` | `{relation.inverse}` | {relation.tail} | {relation.salience:g} | {relation.label} |"
    yield ""


def _known_actions() -> Iterator[str]:
    """Yield the actions and their weights."""
    yield "## Actions\n\n| action | weight | |\n|---|---|---|"
    for action in ACTIONS:
        why = "speaks against the item" if action in AGAINST else "what was shown" if action == "impression" else ""
        yield f"| `{action}` | {DEFAULT_ACTION_WEIGHTS[action]:g} | {why} |"
    yield ""


def _example(kind: str) -> Iterator[str]:
    """Yield the files of a new plugin that are its own, each as a block."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in sorted(new_plugin([kind], "example", root), key=lambda path: "tests" in path.parts):
            name = path.relative_to(root / "kgrec-example").as_posix()
            if path.suffix in (".py", ".toml") and name != "pyproject.toml":
                text, language = path.read_text(encoding="utf-8").rstrip(), {".py": "python"}.get(path.suffix, "toml")
                yield f"`{name}`:\n\n<!-- file: {name} -->\n```{language}\n{text}\n```\n\n"


def _protocol(hook: str) -> type[Any]:
    """Return the class that a hook's documentation or annotation names."""
    function = getattr(spec, hook)
    found = re.search(r":class:`([\w.]+)\.(\w+)`", (inspect.getdoc(function) or "").split(":return")[0])
    if found and found[2] != "Spec":
        cls: type[Any] = getattr(importlib.import_module(found[1]), found[2])
        return cls
    if hook == "kgrec_domains":
        from kgrec.plugin import Domain

        return Domain
    return protocols.CommandRun


def _abilities(cls: type[Any]) -> Iterator[type[Any]]:
    """Yield the further protocols whose names end as the protocol's does: NewUserScorer beside Scorer."""
    word = re.findall(r"[A-Z][a-z]+", cls.__name__)[-1]
    for name, other in vars(protocols).items():
        if (
            inspect.isclass(other)
            and getattr(other, "_is_protocol", False)
            and other is not cls
            and name.endswith(word)
        ):
            yield other


def _source(cls: type[Any]) -> str:
    if not getattr(cls, "_is_protocol", False):
        return f"`{cls.__module__}.{cls.__name__}`: {prose(cls.__doc__)}\n"
    text = inspect.getsource(cls).replace("@runtime_checkable\n", "").rstrip()
    return f"<!-- not run: what is asked for, from the code -->\n```python\n{text}\n```\n"


if __name__ == "__main__":
    main()
