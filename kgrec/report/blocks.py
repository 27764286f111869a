"""What stands in a section of a page: paragraphs, tables, lists, facts, things beside each other, things folded away.

Each is a macro of ``templates/blocks.html``. A block is :class:`markupsafe.Markup`: text that is escaped already; all
other text is escaped by Jinja2, and what steers, turns or hides is taken out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, SupportsFloat

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from kgrec.shown import visible

Row = Sequence[object]

_SHORT, _LONG = 26, 40
"""Texts up to the one width are names, above the other sentences."""

WIDE = 0x2E7F
"""Characters behind this one (Chinese, Japanese, Korean) are twice as wide."""


@cache
def templates() -> Environment:
    """Return the templates of all pages: everything they are given is cleaned and escaped."""
    loader = PackageLoader("kgrec.report")
    return Environment(loader=loader, autoescape=True, finalize=_clean, undefined=StrictUndefined, trim_blocks=True)


def render(macro: str, **values: object) -> Markup:
    """Return a block by its macro in ``templates/blocks.html``."""
    block: Markup = getattr(templates().get_template("blocks.html").module, macro)(**values)
    return block


def clean(text: object) -> str:
    """Return what a page may show of a text; it is not escaped."""
    return visible(text, lines=True)


def _clean(value: Any) -> Any:
    return value if isinstance(value, Markup) else clean(value)


def escaped(value: object) -> Markup:
    """Return ``value`` as text for a page; what is :class:`~markupsafe.Markup` already stays as it is."""
    return value if isinstance(value, Markup) else escape(clean(value))


def width_of(text: str) -> int:
    """Return how many Latin letters wide a text is."""
    return sum(2 if ord(char) > WIDE else 1 for char in text)


def shortened(text: object, longest: int) -> str:
    """Cut a text after ``longest`` Latin letters' width, not yet escaped."""
    whole, width = clean(text), 0
    if width_of(whole) <= longest:
        return whole
    for kept, char in enumerate(whole):
        width += 2 if ord(char) > WIDE else 1
        if width >= longest:
            return whole[:kept].rstrip() + "…"
    return whole


def number(value: object) -> str:
    """Write a number for people: whole ones with thousands set apart, others with about four digits, NaN as a dash."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    try:
        real = float(value)  # type: ignore[arg-type]  # numpy's numbers
    except (TypeError, ValueError):
        return str(value)
    if not math.isfinite(real):
        return "–"
    if real and not 1e-4 <= abs(real) < 1e15:
        return f"{real:.2e}"
    size = abs(real)
    return f"{real:.4f}" if size < 10 else f"{real:,.1f}" if size < 10_000 else f"{real:,.0f}"


def joined(blocks: Iterable[object]) -> Markup:
    """Put blocks behind each other."""
    return Markup("").join(escaped(block) for block in blocks)


def paragraph(text: object, *, quiet: bool = False) -> Markup:
    """Return a paragraph; a quiet one is a remark in small print."""
    return render("paragraph", text=text, quiet=quiet)


def heading(text: object) -> Markup:
    """Return a heading below that of a section."""
    return render("heading", text=text)


def table(
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    caption: str = "",
    right: Collection[str] = (),
    strong: Collection[int] = (),
) -> Markup:
    """Return a table that scrolls sideways in its own box where it is too wide.

    Args:
        header: names of the columns.
        rows: cells; numbers are written by :func:`number` and stand at the right, None is a dash.
        caption: what the table shows.
        right: columns of text that stand at the right too, such as intervals.
        strong: positions of rows to stress.
    """
    cells = [list(row) for row in rows]
    kinds = [_kind(name, [row[k] for row in cells], right) for k, name in enumerate(header)]
    shown = [[_value(cell) for cell in row] for row in cells]
    return render("table", header=header, kinds=kinds, rows=shown, caption=caption, strong=strong)


def facts(pairs: Mapping[str, object]) -> Markup:
    """Return names with their values, one a line."""
    return render("facts", pairs=[(name, _value(value)) for name, value in pairs.items()])


def listing(items: Iterable[object], *, ordered: bool = False) -> Markup:
    """Return a list with a dot, or a number, before each item."""
    return render("listing", items=list(items), ordered=ordered)


def details(summary: object, *blocks: object) -> Markup:
    """Fold blocks away under a line that opens them."""
    return render("details", summary=summary, blocks=blocks)


def grid(*blocks: object) -> Markup:
    """Put blocks, such as charts, beside each other where there is room, below each other on a phone."""
    return render("grid", blocks=blocks)


def _kind(name: str, column: Sequence[object], right: Collection[str]) -> str:
    """Return how a column is laid out: numbers at the right, names on one line, sentences with room on a phone too."""
    if name in right or (any(map(_is_number, column)) and all(map(_fits, column))):
        return "right"
    longest = max(width_of(str(text)) for text in (name, *column))
    return "short" if longest <= _SHORT else "long" if longest > _LONG else ""


def _value(value: object) -> object:
    return value if isinstance(value, str) else number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, SupportsFloat) and not isinstance(value, bool | str)


def _fits(value: object) -> bool:
    return value is None or value == "" or _is_number(value)


def text_of(value: Any) -> str:
    """Return a value as words: lists with commas, numbers for people."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value) or "–"
    return number(value)


def span(low: float, high: float) -> str:
    """Return an interval in words."""
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def change(value: float, before: float) -> str:
    """Return how much more a value is than another, in per cent."""
    return f"{value / before - 1:+.1%}" if before and math.isfinite(value / before) else ""
