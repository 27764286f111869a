"""Write the options of the scorers into docs/scorers.md, from their models: ``python tools/scorers_page.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kgrec.plugin.manager import load_plugins
from kgrec.plugin.options import WithOptions

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scorers.md"
MARK = "<!-- what follows is made from the code by `python tools/scorers_page.py`; a test keeps it current -->\n"
INTRODUCTION = """
## Options

In kgrec.toml they stand in the scorer's table, `[scorers.ease]`; in Python they are arguments: `EASE(dropout=0.3)`.
An option that a table gives is not tried with other values; `kgrec train --tune` searches those that have a range.
"""
SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page: what is written by hand, then the options."""
    by_hand = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    return by_hand + MARK + INTRODUCTION + "".join(_tables())


def _tables() -> Iterator[str]:
    scorers: dict[type[BaseModel], list[str]] = {}
    for name, spec in load_plugins([]).registry("scorer").items():
        cls = spec.load()
        assert isinstance(cls, WithOptions), name
        scorers.setdefault(cls.Options, []).append(f"`{name}`")
    for model, names in scorers.items():
        rows = (
            f"| `{name}` | {_default(field)} | {_bounds(field)} | {field.description} |"
            for name, field in model.model_fields.items()
        )
        yield "\n".join(
            [f"\n### {', '.join(names)}\n", "| option | default | may be | meaning |", "|---|---|---|---|", *rows, ""]
        )


def _default(field: FieldInfo) -> str:
    return (
        "–"
        if field.default is None
        else f"`{field.default}`"
        if not isinstance(field.default, bool)
        else f"`{str(field.default).lower()}`"
    )


def _bounds(field: FieldInfo) -> str:
    """Say what an option may be: ``0 < whole number ≤ 100``, ``none or idf``."""
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    words = {int: "whole number", float: "number", bool: "`true`, `false`"}
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in SIGNS.items()
        if hasattr(bound, name)
    ]
    return " ".join([words[kinds[0]], " and ".join(bounds)]).strip()


if __name__ == "__main__":
    main()
