"""Write the options of scorers and re-rankers into their pages, from their models: ``python tools/options_page.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kgrec.plugin.manager import load_plugins
from kgrec.plugin.options import WithOptions

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARK = "<!-- what follows is made from the code by `python tools/options_page.py`; a test keeps it current -->\n"
SCORERS = """
## Options

In kgrec.toml they stand in the scorer's table, `[scorers.ease]`; in Python they are arguments: `EASE(dropout=0.3)`.
An option that a table gives is not tried with other values; `kgrec train --tune` searches those that have a range.
"""
RERANKERS = """
## Options

In kgrec.toml they stand in the re-ranker's table, `[rerankers.mmr]`; on the command line behind its name, where the
first one needs no name: `--rerank mmr:0.3,by=text`.
"""
PAGES = {"scorer": (DOCS / "scorers.md", SCORERS), "re-ranker": (DOCS / "reranking.md", RERANKERS)}
"""Kind of part -> page that lists its options, and what stands before them."""

SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
WORDS = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text", list: "list", dict: "table"}


def main() -> None:
    """Write the pages."""
    for kind, (page, _) in PAGES.items():
        page.write_text(render(kind), encoding="utf-8")


def render(kind: str) -> str:
    """Return the page of a kind of part: what is written by hand, then the options."""
    page, introduction = PAGES[kind]
    by_hand = page.read_text(encoding="utf-8").split(MARK)[0]
    return by_hand + MARK + introduction + "".join(_tables(kind))


def _tables(kind: str) -> Iterator[str]:
    parts: dict[type[BaseModel], list[str]] = {}
    for name, spec in load_plugins([]).registry(kind).items():
        cls = spec.load()
        assert isinstance(cls, WithOptions), name
        parts.setdefault(cls.Options, []).append(f"`{name}`")
    for model, names in parts.items():
        rows = [
            f"| `{name}` | {_default(field)} | {_bounds(field)} | {field.description} |"
            for name, field in model.model_fields.items()
        ]
        if rows:
            head = [f"\n### {', '.join(names)}\n", "| option | default | may be | meaning |", "|---|---|---|---|"]
            yield "\n".join([*head, *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: FieldInfo) -> str:
    """Say what an option may be: ``whole number > 0 and ≤ 100``, ``none, idf``."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    kinds = [field.annotation] if get_origin(field.annotation) in (list, dict) else get_args(field.annotation)
    words = [WORDS[get_origin(kind) or kind] for kind in kinds or [field.annotation] if kind is not NoneType]
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in SIGNS.items()
        if hasattr(bound, name)
    ]
    return " ".join([" or ".join(words), " and ".join(bounds)]).strip()


if __name__ == "__main__":
    main()
