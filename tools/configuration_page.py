"""Write docs/configuration.md from the models of kgrec.toml: ``python tools/configuration_page.py``."""

from __future__ import annotations

import ast
import inspect
import itertools
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from kgrec.config import Config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
INTRODUCTION = """# Settings: kgrec.toml

Values come from four places, later ones win: built-in defaults, the domain's defaults, `kgrec.toml`,
`--set key=value` on the command line. `kgrec info --config` shows where each value in force came from. An unknown
key is an error.

This page is made from the code by `python tools/configuration_page.py`; a test keeps it current.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    _section(Config, "", lines)
    return "\n".join(lines).rstrip() + "\n"


def _section(model: type[BaseModel], path: str, lines: list[str]) -> None:
    plain = {name: field for name, field in model.model_fields.items() if _inner(field) is None}
    if path:
        lines += [f"## `{path}`", "", (model.__doc__ or "").strip().replace("``", "`"), ""]
    if plain:
        lines += ["| key | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {_default(field)} | {_meaning(model, name)} |" for name, field in plain.items()]
        lines.append("")
    for name, field in model.model_fields.items():
        inner = _inner(field)
        if inner is not None:
            many = str(field.annotation).startswith("list")
            dotted = f"{path.strip('[]')}.{name}" if path else name
            _section(inner, f"[[{dotted}]]" if many else f"[{dotted}]", lines)


def _inner(field: FieldInfo) -> type[BaseModel] | None:
    candidates: list[Any] = [field.annotation, *get_args(field.annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "(required)"
    return "–" if field.default is None else f"`{field.default!r}`"


def _meaning(model: type[BaseModel], name: str) -> str:
    """Return the string under a field; pydantic could collect them, but would read the source at every start."""
    for base in model.__mro__:
        if base.__module__ == Config.__module__ and name in base.__annotations__:
            return _docstrings(base).get(name, "")
    return ""


def _docstrings(model: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(model)).body[0].body  # type: ignore[attr-defined]
    found = {}
    for field, after in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = " ".join(str(after.value.value).replace("``", "`").split())
            found[field.target.id] = text.replace("|", "\\|")  # type: ignore[union-attr]
    return found


if __name__ == "__main__":
    main()
