"""What stands in a section: paragraphs, tables, lists, facts, things beside each other, things folded away."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from markupsafe import Markup

from kgrec.report.text import escaped, width_of

Row = Sequence[object]

_SHORT, _LONG = 26, 40
"""Texts up to the one width are names, above the other sentences."""


def number(value: object) -> str:
    """Write a number for people: whole ones with thousands set apart, others with about four digits, NaN as a dash."""
    if value is None or isinstance(value, bool | str):
        return {None: "–", True: "yes", False: "no"}.get(value, str(value)) if not isinstance(value, str) else value
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


def joined(blocks: Iterable[object], between: str = "") -> Markup:
    """Put blocks behind each other."""
    return Markup(between).join(escaped(block) for block in blocks)


def paragraph(text: object, *, quiet: bool = False) -> Markup:
    """Return a paragraph; a quiet one is a remark in small print."""
    return Markup('<p class="quiet">{}</p>' if quiet else "<p>{}</p>").format(escaped(text))


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
    columns = [[row[k] for row in cells] for k in range(len(header))]
    kinds = [_kind(name, column, right) for name, column in zip(header, columns, strict=True)]
    head = joined(_cell("th", name, kind, Markup(' scope="col"')) for name, kind in zip(header, kinds, strict=True))
    body = joined(
        Markup("<tr{}>{}</tr>\n").format(
            Markup(' class="strong"') if place in strong else "",
            joined(_cell("td", cell, kind) for cell, kind in zip(row, kinds, strict=True)),
        )
        for place, row in enumerate(cells)
    )
    label = Markup(' aria-label="{}"').format(escaped(caption)) if caption else ""
    # Above the box and not in it: a caption must not scroll out of sight with the columns.
    shown = Markup('<p class="caption">{}</p>').format(escaped(caption)) if caption else ""
    # The box takes the focus so that arrow keys scroll it.
    return Markup(
        '{}<div class="table" tabindex="0" role="region"{}><table><thead><tr>{}</tr></thead>'
        "<tbody>\n{}</tbody></table></div>\n"
    ).format(shown, label or Markup(' aria-label="table"'), head, body)


def facts(pairs: Mapping[str, object]) -> Markup:
    """Return names with their values, one a line."""
    lines = joined(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(escaped(n), _value(v)) for n, v in pairs.items())
    return Markup('<dl class="facts">{}</dl>\n').format(lines)


def listing(items: Iterable[object], *, ordered: bool = False) -> Markup:
    """Return a list with a dot, or a number, before each item."""
    kind = Markup("ol" if ordered else "ul")
    return Markup("<{0}>{1}</{0}>\n").format(kind, joined(Markup("<li>{}</li>").format(escaped(i)) for i in items))


def details(summary: object, *blocks: object) -> Markup:
    """Fold blocks away under a line that opens them."""
    return Markup("<details><summary>{}</summary>{}</details>\n").format(escaped(summary), joined(blocks))


def grid(*blocks: object) -> Markup:
    """Put blocks, such as charts, beside each other where there is room, below each other on a phone."""
    return Markup('<div class="grid">{}</div>\n').format(joined(blocks))


def _kind(name: str, column: Sequence[object], right: Collection[str]) -> str:
    """Return how a column is laid out: numbers at the right, names on one line, sentences with room on a phone too."""
    if name in right or (any(map(_is_number, column)) and all(map(_fits, column))):
        return "right"
    longest = max(width_of(str(text)) for text in (name, *column))
    return "short" if longest <= _SHORT else "long" if longest > _LONG else ""


def _cell(tag: str, value: object, kind: str, more: str = "") -> Markup:
    named = Markup(' class="{}"').format(kind) if kind else ""
    return Markup("<{0}{1}{2}>{3}</{0}>").format(Markup(tag), named, more, _value(value))


def _value(value: object) -> Markup:
    return escaped(value if isinstance(value, str) else number(value))


def _is_number(value: object) -> bool:
    return not isinstance(value, bool | str) and hasattr(value, "__float__")


def _fits(value: object) -> bool:
    return value is None or value == "" or _is_number(value)
