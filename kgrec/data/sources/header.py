"""Is the first row a header, how are the columns called, and is the last row a total?"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import polars as pl

from kgrec.data.sources.files import LINE, PROBLEM, TOTAL
from kgrec.errors import DataError

_VALUE = re.compile(r"[-+]?[\d.,:/ \-]*\d[\d.,:/ \-]*(?:[eE][-+]?\d+)?%?|\d{4}-\d\d-\d\d[T ].*")
_NAME = re.compile(r"[^\W\d][\w .\-#%()/\[\]&?:*]*")
_TOTALS = frozenset(
    tomllib.loads(files("kgrec.data").joinpath("notations.toml").read_text(encoding="utf-8"))["totals"]["words"]
)
_LAST = 3


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row names the columns, by how it differs from the rows below.

    A column votes against a header where the first cell is a number or date like all below it, recurs below it, or is
    made of letters and digits as all below it are; it votes for one where the first cell is a word and those below are
    numbers, dates or ids. Where nothing votes, the first row is taken for a header.
    """
    if len(rows) < 2:
        return True
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not rest:
        return True
    votes: Counter[bool] = Counter()
    for k, cell in enumerate(cell.strip() for cell in first):
        below = [row[k].strip() for row in rest if row[k].strip()]
        if not below or not cell:
            continue
        values = sum(bool(_VALUE.fullmatch(other)) for other in below) >= 0.95 * len(below)
        digits = sum(any(c.isdigit() for c in other) for other in below) >= 0.95 * len(below)
        if values:
            if not _VALUE.fullmatch(cell):
                votes[True] += bool(_NAME.fullmatch(cell))
            else:
                votes[False] += 1
        elif digits:
            with_digit = any(c.isdigit() for c in cell)
            votes[not with_digit] += 1
        elif cell in below:
            votes[False] += 1
    distinct = len(set(first)) == len(first)
    numbers = [k for k, cell in enumerate(first) if cell.strip().isdecimal()]
    if len(numbers) > 2 and _differ(first, numbers) and sum(_differ(row, numbers) for row in rest) < 0.5 * len(rest):
        return True  # a matrix of users and items: the first row names each item once
    if votes[True] and distinct:
        return votes[True] * 5 >= votes[False] or len(first) > 20
    return not votes[False]


def _differ(row: Sequence[str], columns: Sequence[int]) -> bool:
    cells = [row[k].strip() for k in columns]
    return all(cells) and len(set(cells)) == len(cells)


def column_names(path: Path, rows: Sequence[Sequence[str]], *, header: bool) -> list[str]:
    """Return the names of the columns: the first row's, or ``column_1``...; a nameless one is called by its place.

    Raises:
        DataError: two columns have one name.
    """
    widths = Counter(len(row) for row in rows[1:]) or Counter([len(rows[0])])
    width = max(widths, key=lambda w: (widths[w], w))
    if not header:
        return [f"column_{k}" for k in range(1, max(width, len(rows[0]) if len(rows) == 1 else 0) + 1)]
    names = [re.sub(r"\s+", " ", n) if "\n" not in n else n for n in (name.strip() for name in rows[0])]
    if width == len(names) + 1 and widths[width] >= 0.9 * widths.total():
        # Each row ends with a delimiter, or begins with the name of the row, as R writes it.
        trailing = all(not row[-1].strip() for row in rows[1:] if len(row) == width)
        names = [*names, ""] if trailing else ["", *names]
    twice = sorted(name for name, count in Counter(filter(None, names)).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: two columns are called {twice[0]!r}",
            hint="give each column its own name; if the first line is data: reading = { header = false } in kgrec.toml",
        )
    taken = set(names)
    return [
        name or next(n for n in (f"column_{k}", f"column_{k}_") if n not in taken) for k, name in enumerate(names, 1)
    ]


def mark_totals(table: pl.DataFrame) -> pl.DataFrame:
    """Mark the last rows of a table as a problem where they sum up the others.

    Such a row has a word like "Total" for a cell, or holds a column's sum, and leaves a cell empty that others fill.
    """
    columns = [name for name in table.columns if name not in (LINE, PROBLEM)]
    rows = table if PROBLEM not in table.columns else table.filter(pl.col(PROBLEM).is_null())
    if rows.height < 3 or len(columns) < 2:
        return table
    body = rows.head(rows.height - _LAST) if rows.height > 2 * _LAST else rows.head(1)
    always = {name for name in columns if body[name].null_count() <= 0.05 * body.height}
    marked = []
    for row in rows.tail(_LAST).to_dicts():
        cells = {name: str(row[name]).strip() for name in columns if row[name] is not None}
        word = any(cell.strip(" :*").casefold() in _TOTALS for cell in cells.values())
        adds_up = any(_is_sum(rows, name, cell, row[LINE]) for name, cell in cells.items())
        if (always - set(cells) and (word or adds_up)) or (word and adds_up and len(columns) > 2):
            marked.append(row[LINE])
    if not marked:
        return table
    reason = pl.when(pl.col(LINE).is_in(marked)).then(pl.lit(TOTAL))
    before = pl.col(PROBLEM) if PROBLEM in table.columns else pl.lit(None, dtype=pl.String)
    return table.with_columns(pl.coalesce(before, reason).alias(PROBLEM))


def _is_sum(rows: pl.DataFrame, name: str, cell: str, line: int) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    above = rows.filter(pl.col(LINE) < line)
    total = float(above[name].cast(pl.Float64, strict=False).sum())
    return above.height > 1 and value != 0 and (abs(total - value) <= 1e-6 * abs(value) or value == above.height)
