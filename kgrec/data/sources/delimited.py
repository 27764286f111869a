"""Text with separators: csv, tsv and RecBole's atomic files. Every cell is a string, an empty cell is null.

Rows that are none of the table's (titles above it, totals below, a cell too many) keep their cells as far as they fit
and say in ``__problem__`` what is wrong.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import ReadConfig
from kgrec.data.sources.files import LINE, PROBLEM, TITLE, NamedByEnding, read_text_bytes
from kgrec.data.sources.header import column_names, is_header, mark_totals
from kgrec.data.sources.limits import exceeded, limit
from kgrec.errors import DataError

DELIMITERS = (",", ";", "\t", "|", "::", "\x01", "^")
"""Candidates, the likeliest first."""

ADJACENT = "adjacent"
"""In place of a delimiter: a line is an id and, after blanks, the ids it belongs with."""

_STAND_IN = "\x1f"
"""Stands for a delimiter of several characters while cells are told apart."""
_SAMPLE_ROWS = 200
_SAMPLE = 256 << 10


class CsvSource(NamedByEnding):
    """Separated text with quotes as in RFC 4180; separator and header are told from the file."""

    endings = (".csv", ".txt", ".dat", ".data", ".log")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, in no encoding that can be told, or most rows are not of the header's length.
        """
        reading = reading or ReadConfig()
        data = read_text_bytes(path, reading.encoding)
        return parse_delimited(path, data, reading, quoted=True)


class TsvSource(NamedByEnding):
    """Tab-separated text. There is no quoting in this format: a quotation mark is part of the text."""

    endings = (".tsv", ".tab")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, in no encoding that can be told, or most rows are not of the header's length.
        """
        reading = (reading or ReadConfig()).model_copy(update={"delimiter": "\t"})
        return parse_delimited(path, read_text_bytes(path, reading.encoding), reading, quoted=bool(reading.quote))


_FORMULA = re.compile(rb'(^|[,;\t|])="([^"\r\n]*)"(?=[,;\t|\r\n]|\Z)', re.MULTILINE)


def parse_delimited(path: Path, data: bytes, reading: ReadConfig, *, quoted: bool) -> pl.DataFrame:
    """Parse the UTF-8 text of ``path`` into string columns and ``__line__``; blank lines are left out.

    Args:
        path: the file, for messages.
        data: its text.
        reading: what is known of it; the rest is told from its first rows.
        quoted: may cells stand in quotes?

    Raises:
        DataError: two columns of one name, or more than half of the rows are not of the header's length.
    """
    if quoted and b'="' in data:  # spreadsheets keep ids as text this way: ="00123"
        data = _FORMULA.sub(rb'\1"\2"', data)
    delimiter, before = _stated(data, reading.delimiter)
    quote = (reading.quote if reading.quote is not None else '"') if quoted else ""
    delimiter = delimiter or _sniff(data, quote)
    if delimiter == ADJACENT:
        return _adjacency(data)
    if len(delimiter.encode()) > 1:
        data, delimiter = data.replace(delimiter.encode(), _STAND_IN.encode()), _STAND_IN
    dialect = _Dialect(delimiter, quote)
    skip = before + (reading.skip_lines or 0)
    enough = max(_SAMPLE, _offset(data, skip + 3))
    sample = list(dialect.rows(data[:enough], limit=_SAMPLE_ROWS, skip=skip))
    if len(sample) > 1 and len(data) > enough and len(sample) < _SAMPLE_ROWS:
        sample.pop()  # the sample may end inside a row
    sample = [(line, row) for line, row in sample if any(cell.strip() for cell in row)]
    if not sample:
        raise DataError(f"{path} has no rows", hint="remove it from kgrec.toml, or export it again")
    first = _first_row(sample) if reading.skip_lines is None and reading.header is None else 0
    titles = sample[:first]
    rows = [row for _, row in sample[first:]]
    header = reading.header if reading.header is not None else is_header(rows)
    names = column_names(path, rows, header=header)
    if len(names) > limit("columns"):
        raise exceeded(path, f"{len(names):,} columns", "columns")
    skipped = sample[first][0] - 1 if not header else dialect.end_of(data, sample[first][0])
    table = _fast(data, names, dialect, skipped)
    if table is None:
        table = _careful(path, data, names, dialect, skipped)
    table = _whole_numbers(mark_totals(table))
    if titles:
        above = _problems(names, [(line, row, TITLE) for line, row in titles])
        table = pl.concat([above, table], how="diagonal").select(*names, LINE, PROBLEM)
    return table


def _whole_numbers(table: pl.DataFrame) -> pl.DataFrame:
    """Write columns of nothing but ``1042.0`` as ``1042``: whole numbers that went through a table with gaps."""
    form, cells = r"^-?\d+\.0$", pl.col(pl.String)
    first = table.head(100).select(cells.str.contains(form).all())  # most columns are told by their first cells
    likely = [column.name for column in first if column.item()]
    if not likely:
        return table
    counts = table.select(pl.col(likely).str.contains(form).sum() == pl.col(likely).count())
    filled = table.select(pl.col(likely).count() > 0)
    changed = [name for name in likely if counts[name].item() and filled[name].item()]
    return table.with_columns(pl.col(changed).str.head(-2)) if changed else table


class _Dialect:
    """How rows are cut into cells: delimiter, quote (empty: none), and a sign that takes a quote's meaning away."""

    def __init__(self, delimiter: str, quote: str, escape: str | None = None) -> None:
        self.delimiter, self.quote, self.escape = delimiter, quote, escape

    def rows(self, data: bytes, *, limit: int | None = None, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the cells of each row, blank ones included."""
        csv.field_size_limit(max(len(data), csv.field_size_limit()))
        stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
        for _ in range(skip):
            stream.readline()
        told: dict[str, Any] = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        if self.escape:
            told |= {"escapechar": self.escape, "doublequote": False}
        reader = csv.reader(stream, delimiter=self.delimiter, **told)
        last, count = 0, 0
        while limit is None or count < limit:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:  # a NUL byte or the like
                row = []
            yield skip + last + 1, row
            last, count = reader.line_num, count + 1

    def end_of(self, data: bytes, line: int) -> int:
        """Return the last line of the row that begins in ``line``."""
        found = list(self.rows(data, limit=2, skip=line - 1))
        return found[1][0] - 1 if len(found) > 1 else line + data.count(b"\n", 0)


def _stated(data: bytes, delimiter: str | None) -> tuple[str | None, int]:
    """Return the delimiter that Excel's first line ``sep=;`` names, if it is there, and how many lines that takes."""
    first = data[: data.find(b"\n") + 1].strip().decode("utf-8", "replace") if b"\n" in data[:20] else ""
    if first.strip('"').lower().startswith("sep=") and len(first.strip('"')) == 5:
        return delimiter or first.strip('"')[4], 1
    if first.strip('"').lower() in ("sep=\\t", "sep="):
        return delimiter or "\t", 1
    return delimiter, 0


def _sniff(data: bytes, quote: str) -> str:
    """Return the delimiter that cuts most of the first rows into equally many cells, and into many."""
    sample = data[:_SAMPLE]
    best, most = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        text = sample
        if len(delimiter) > 1:
            text, delimiter = sample.replace(delimiter.encode(), _STAND_IN.encode()), _STAND_IN
        widths = Counter(len(row) for _, row in _Dialect(delimiter, quote).rows(text, limit=_SAMPLE_ROWS) if any(row))
        widths.pop(1, None)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        filled = sum(widths.values())
        # A comma inside of numbers or sentences cuts some rows, the delimiter cuts all of them.
        fit = (round(count / max(filled, 1), 1) * round(count / _rows_in(text), 1), width)
        if fit > most:
            best, most = (delimiter if delimiter != _STAND_IN else "::"), fit
    return best if most[1] else _blank(sample) or best


def _blank(sample: bytes) -> str | None:
    """Return a blank where it, and nothing else, cuts the first rows: into equally many cells, most of them numbers.

    Rows of nothing but whole numbers, one and then more or fewer, are adjacency lists (:data:`ADJACENT`).
    """
    lines = sample.splitlines()[:_SAMPLE_ROWS]
    rows = [line.split(b" ") for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()]
    cells = [cell for row in rows for cell in row if cell]
    widths = {len(row) for row in rows}
    if len(widths) > 2 and len({row[0] for row in rows}) == len(rows) and all(cell.isdigit() for cell in cells):
        return ADJACENT
    numbers = sum(any(48 <= c <= 57 for c in cell) for cell in cells)
    return " " if len(widths) == 1 and min(widths) > 1 and numbers > 0.5 * len(cells) else None


def _adjacency(data: bytes) -> pl.DataFrame:
    """Read lines like ``user item item item`` (KGAT, LightGCN): two columns, the second of lists."""
    text = pl.Series("text", data.decode("utf-8", "replace").split("\n")).to_frame().with_row_index(LINE, offset=1)
    cells = text.with_columns(pl.col("text").str.strip_chars().str.split(" ")).filter(pl.col("text").list.len() > 1)
    first, rest = pl.col("text").list.first().alias("column_1"), pl.col("text").list.slice(1).alias("column_2")
    return cells.select(first, rest, pl.col(LINE))


def _rows_in(text: bytes) -> int:
    return max(1, min(_SAMPLE_ROWS, sum(1 for line in text.splitlines()[:_SAMPLE_ROWS] if line.strip())))


def _first_row(sample: list[tuple[int, list[str]]]) -> int:
    """Return the position of the first row that is as wide as most: what stands above are titles."""
    widths = Counter(len(row) for _, row in sample)
    width = max(widths, key=lambda w: (widths[w], w))
    if width == 1 or widths[width] < 0.5 * len(sample):
        return 0
    for k, (_, row) in enumerate(sample[:30]):
        filled = sum(bool(cell.strip()) for cell in row)
        if len(row) in (width, width - 1) and (filled > 0.5 * width or k == len(sample) - 1):
            return k
    return 0


def _fast(data: bytes, names: list[str], dialect: _Dialect, skipped: int) -> pl.DataFrame | None:
    """Parse a file that is as it should be; None where rows have different lengths or quotes stand astray."""
    if dialect.quote and _stray_quotes(data, dialect):
        return None
    try:
        table = pl.read_csv(
            data,
            separator=dialect.delimiter,
            quote_char=dialect.quote or None,
            has_header=False,
            skip_lines=skipped,
            schema=dict.fromkeys(names, pl.String),
            infer_schema=False,
        )
    except pl.exceptions.NoDataError:
        table = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError:
        return None
    if _some_row_is_short(data, table, dialect, skipped):
        return None
    if dialect.quote and b'""' in data:  # the parser tells "" from nothing, which here is the same
        table = table.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in names)
    return _number_lines(table, data, skipped).filter(~pl.all_horizontal(pl.col(names).is_null()))


def _stray_quotes(data: bytes, dialect: _Dialect) -> bool:
    """Say whether a quotation mark has neither a delimiter, a line's end nor another mark beside it."""
    quote = dialect.quote.encode()
    if quote not in data:
        return False
    text = np.frombuffer(data, dtype=np.uint8)
    at = np.flatnonzero(text == quote[0])
    edges = np.frombuffer(dialect.delimiter.encode() + b"\r\n" + quote, dtype=np.uint8)
    before = np.isin(text[np.maximum(at - 1, 0)], edges) | (at == 0)
    after = np.isin(text[np.minimum(at + 1, len(text) - 1)], edges) | (at == len(text) - 1)
    return bool((~before & ~after).any())


def _some_row_is_short(data: bytes, table: pl.DataFrame, dialect: _Dialect, skipped: int) -> bool:
    """Compare the separators in the file with those a rectangular table needs: the parser pads short rows silently."""
    if table.width < 2 or not table.height:
        return False
    separator = dialect.delimiter
    start = _offset(data, skipped)
    found = data.count(separator.encode(), start)
    if dialect.quote and data.find(dialect.quote.encode(), start) >= 0:
        in_cells = pl.sum_horizontal(pl.all().str.count_matches(separator, literal=True).sum())
        found -= int(table.select(in_cells).item() or 0)
    return found != table.height * (table.width - 1)


def _offset(data: bytes, lines: int) -> int:
    position = 0
    for _ in range(lines):
        position = data.find(b"\n", position) + 1
        if not position:
            return len(data)
    return position


def _careful(path: Path, data: bytes, names: list[str], dialect: _Dialect, skipped: int) -> pl.DataFrame:
    """Parse a file with rows of other lengths or quotes astray: the reading of most good rows counts.

    Raises:
        DataError: more than half of the rows do not have as many cells as there are columns.
    """
    width = len(names)
    readings = [dialect]
    if dialect.quote:
        readings += [_Dialect(dialect.delimiter, dialect.quote, "\\")] if b"\\" + dialect.quote.encode() in data else []
        readings += [_Dialect(dialect.delimiter, "")]
    best: list[tuple[int, list[str]]] = []
    good, chosen = -1, dialect
    for reading in readings:
        rows = [(line, row) for line, row in reading.rows(data, skip=skipped) if any(cell.strip() for cell in row)]
        fit = sum(len(row) == width for _, row in rows)
        if fit > good:
            best, good, chosen = rows, fit, reading
    wrong = [(line, row) for line, row in best if len(row) != width]
    if len(wrong) > good:
        line, row = wrong[0]
        raise DataError(
            f"{path}: line {line} has {len(row)} cells, the header names {width} columns",
            hint='a cell that holds the separator or a line break must stand in "quotes"; if the separator is another: '
            'reading = { delimiter = ";" } in kgrec.toml',
        )
    if dialect.quote and not chosen.quote:
        best = [(line, [_unquoted(cell, dialect.quote) for cell in row]) for line, row in best]
    bad = [(line, row, f"{len(row)} cells instead of {width}") for line, row in best if len(row) != width]
    right = [(line, row) for line, row in best if len(row) == width]
    table = pl.DataFrame(
        {name: [row[k] or None for _, row in right] for k, name in enumerate(names)},
        schema=dict.fromkeys(names, pl.String),
    ).with_columns(pl.Series(LINE, [line for line, _ in right], dtype=pl.UInt32))
    if not bad:
        return table
    found = pl.concat([table, _problems(names, bad)], how="diagonal").sort(LINE)
    return found.select(*names, LINE, PROBLEM)


def _unquoted(cell: str, quote: str) -> str:
    inner = cell.strip()
    if len(inner) > 1 and inner[0] == inner[-1] == quote:
        inner = inner[1:-1]
        return inner.replace(quote * 2, quote)
    return cell


def _problems(names: list[str], rows: list[tuple[int, list[str], str]]) -> pl.DataFrame:
    cells = {name: [row[k] if k < len(row) else None for _, row, _ in rows] for k, name in enumerate(names)}
    table = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))
    return table.with_columns(
        pl.Series(LINE, [line for line, _, _ in rows], dtype=pl.UInt32),
        pl.Series(PROBLEM, [reason for _, _, reason in rows], dtype=pl.String),
    )


def _number_lines(table: pl.DataFrame, data: bytes, n_header_lines: int) -> pl.DataFrame:
    first = n_header_lines + 1
    lines = pl.int_range(first, pl.len() + first, dtype=pl.UInt32)
    breaks = data.count(b"\n") + (not data.endswith(b"\n"))
    if breaks > table.height + n_header_lines and table.width:  # cells with line breaks push the later rows down
        inside = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))
        lines = (lines + inside.cum_sum().shift(1, fill_value=0)).cast(pl.UInt32)
    return table.with_columns(lines.alias(LINE))


_TYPES = ("token", "token_seq", "float", "float_seq")


class RecBoleSource(NamedByEnding):
    """Atomic files: tab-separated, each column named ``name:type``.

    Source: https://recbole.io/docs/user_guide/data/atomic_files.html. Types are token, token_seq, float, float_seq; a
    sequence is separated by spaces and becomes a list of strings. Columns get their name without the type.
    """

    endings = (".inter", ".item", ".user", ".kg", ".link", ".net")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, a column without type, a row of another length.
        """
        given = reading or ReadConfig()
        data = read_text_bytes(path, given.encoding)
        if not any(f":{kind}" in data[: data.find(b"\n")].decode("utf-8", "replace") for kind in _TYPES):
            return parse_delimited(path, data, given, quoted=False)  # another file of such a name: `u.item`
        stated = given.model_copy(update={"delimiter": "\t", "header": True})
        table = parse_delimited(path, data, stated, quoted=False)
        columns = []
        for header in table.columns:
            if header in (LINE, PROBLEM):
                columns.append(pl.col(header))
                continue
            name, _, kind = header.rpartition(":")
            if not name or kind not in _TYPES:
                raise DataError(
                    f"{path}: column {header!r} has no type", hint="atomic files name columns like user_id:token"
                )
            column = pl.col(header)
            columns.append((column.str.split(" ") if kind.endswith("_seq") else column).alias(name))
        return table.select(columns)
