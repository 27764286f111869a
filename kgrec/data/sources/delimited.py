"""Text with separators: csv, tsv and RecBole's atomic files. Every cell is a string, an empty cell is null."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.data.sources.files import LINE, NamedByEnding, check_utf8, read_text_bytes
from kgrec.data.sources.limits import exceeded, limit
from kgrec.errors import DataError

SEPARATORS = ",;|\t"


class CsvSource(NamedByEnding):
    """Separated text with quotes as in RFC 4180. The separator is told from the header."""

    endings = (".csv",)

    def read(self, path: Path) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, two columns of one name, a row of another length.
        """
        data = read_text_bytes(path)
        return parse_delimited(path, data, _sniff(path, data), quoted=True)


class TsvSource(NamedByEnding):
    """Tab-separated text. There is no quoting in this format: a quotation mark is part of the text."""

    endings = (".tsv", ".tab")

    def read(self, path: Path) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, two columns of one name, a row of another length.
        """
        return parse_delimited(path, read_text_bytes(path), "\t", quoted=False)


def parse_delimited(path: Path, data: bytes, separator: str, *, quoted: bool) -> pl.DataFrame:
    """Parse ``data``, the content of ``path``, into string columns and ``__line__``; blank lines are left out.

    Raises:
        DataError: not UTF-8, two columns of one name, a row of another length.
    """
    names, n_lines = _header(path, data, separator, quoted=quoted)
    try:
        table = pl.read_csv(
            data,
            separator=separator,
            quote_char='"' if quoted else None,
            has_header=False,
            skip_lines=n_lines,
            schema=dict.fromkeys(names, pl.String),
            infer_schema=False,
        )
    except pl.exceptions.NoDataError:
        table = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError as error:
        check_utf8(path, data)
        _check_lengths(path, data, separator, len(names), quoted=quoted)
        raise DataError(f"{path} cannot be parsed: {error}", hint="check its quotes and separators") from None
    if _some_row_is_short(data, table, separator, quoted=quoted):
        _check_lengths(path, data, separator, len(names), quoted=quoted)
    if quoted and b'""' in data:  # the parser tells "" from nothing, which here is the same
        table = table.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in names)
    return _number_lines(table, data, n_lines).filter(~pl.all_horizontal(pl.col(names).is_null()))


def _header(path: Path, data: bytes, separator: str, *, quoted: bool) -> tuple[list[str], int]:
    """Return the names of the columns and how many lines the header takes."""
    rows = csv.reader(_text(path, data), **_dialect(separator, quoted=quoted))
    names = [name.strip() for name in next(rows, [])]
    if not any(names):
        raise DataError(f"{path}: the first line is blank", hint="the first line must name the columns")
    if len(names) > limit("columns"):
        raise exceeded(path, f"{len(names):,} columns", "columns")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}", hint="give each column its own name")
    return names, rows.line_num


def _text(path: Path, data: bytes) -> io.TextIOWrapper:
    check_utf8(path, data[: data.find(b"\n")] if b"\n" in data else data)
    # Undecodable bytes further down are reported by the parser; here they must only not get in the way.
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")


def _dialect(separator: str, *, quoted: bool) -> dict[str, Any]:
    if quoted:
        return {"delimiter": separator, "quotechar": '"'}
    return {"delimiter": separator, "quoting": csv.QUOTE_NONE}


def _sniff(path: Path, data: bytes) -> str:
    header = data[: data.find(b"\n")] if b"\n" in data else data
    check_utf8(path, header)
    outside = "".join(header.decode().split('"')[::2])
    return max(SEPARATORS, key=outside.count)


def _some_row_is_short(data: bytes, table: pl.DataFrame, separator: str, *, quoted: bool) -> bool:
    """Compare the separators in the file with those a rectangular table needs: the parser pads short rows silently."""
    if table.width < 2 or not table.height:
        return False
    found = data.count(separator.encode())
    if quoted and b'"' in data:
        in_cells = pl.sum_horizontal(pl.all().str.count_matches(separator, literal=True).sum())
        found -= int(table.select(in_cells).item() or 0) + sum(name.count(separator) for name in table.columns)
    return found != (table.height + 1) * (table.width - 1)


def _check_lengths(path: Path, data: bytes, separator: str, width: int, *, quoted: bool) -> None:
    """Find the first row that has not ``width`` cells. Runs only on files that were found to have one.

    Raises:
        DataError: there is one.
    """
    csv.field_size_limit(max(len(data), csv.field_size_limit()))
    rows = csv.reader(_text(path, data), strict=True, **_dialect(separator, quoted=quoted))
    last = 0
    try:
        for row in rows:
            if row and len(row) != width and not (len(row) == 1 and not row[0].strip()):
                raise DataError(
                    f"{path}: line {last + 1} has {len(row)} cells, the header names {width} columns",
                    hint='a cell that holds the separator or a line break must stand in "quotes"'
                    if quoted
                    else "tab-separated cells cannot hold tabs or line breaks; csv with quotes can",
                )
            last = rows.line_num
    except csv.Error as error:
        raise DataError(
            f"{path}: line {last + 1}: {error}", hint='a quotation mark inside "quotes" must be doubled, quotes closed'
        ) from None


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

    def read(self, path: Path) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, a column without type, a row of another length.
        """
        table = parse_delimited(path, read_text_bytes(path), "\t", quoted=False)
        columns = []
        for header in table.columns:
            if header == LINE:
                columns.append(pl.col(LINE))
                continue
            name, _, kind = header.rpartition(":")
            if not name or kind not in _TYPES:
                raise DataError(
                    f"{path}: column {header!r} has no type", hint="atomic files name columns like user_id:token"
                )
            column = pl.col(header)
            columns.append((column.str.split(" ") if kind.endswith("_seq") else column).alias(name))
        return table.select(columns)
