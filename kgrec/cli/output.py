"""Data on stdout or in a file: tables for people, csv for spreadsheets, json, jsonl, csv, tsv, parquet for programs."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kgrec.errors import UsageError, UserError, did_you_mean
from kgrec.shown import visible

if TYPE_CHECKING:
    import polars as pl

Records = Sequence[Mapping[str, Any]]
"""Rows with the same keys; a value may be nested (kept in json, jsonl and parquet, written as JSON in csv and tsv)."""

ROWS_A_BLOCK = 100_000
"""Rows rendered at once."""


class Format(StrEnum):
    """How data is written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"
    sheet = "sheet"
    parquet = "parquet"


def format_of(file: Path) -> Format:
    """Tell the format from the file's name.

    Raises:
        UsageError: the suffix is not known.
    """
    known = [f".{f.value}" for f in Format if f not in (Format.table, Format.sheet)]
    suffix = file.suffix.lower()
    if suffix not in known:
        near = did_you_mean(suffix, known) if suffix else None
        hint = near if near and near.startswith("did") else f"name it {', '.join(known)}, or give --format"
        raise UsageError(f"cannot tell a format from the name {file.name!r}", hint=hint)
    return Format(suffix[1:])


def write_records(records: Records, form: Format, out: Path | None = None) -> None:
    """Write ``records`` to ``out`` (atomically) or to stdout.

    Raises:
        UsageError: parquet for a terminal.
    """
    if form is Format.parquet:
        import polars as pl

        write_frame(pl.DataFrame([_filled(plain(r)) for r in records], infer_schema_length=None), form, out)
        return
    with _stream(form, out) as stream:
        for text in _render(records, form):
            stream.write(text.encode("utf-8", "backslashreplace"))


def write_frame(frame: pl.DataFrame, form: Format, out: Path | None = None) -> None:
    """Write a data frame without turning it into Python objects; see :func:`write_records`."""
    with _stream(form, out) as stream:
        for block in _blocks(frame, form):
            stream.write(block)


def _blocks(frame: pl.DataFrame, form: Format) -> Iterator[bytes]:
    """Render a part of the frame at a time; written here, so that a full disk or a closed pipe is seen as such."""
    if form in (Format.parquet, Format.json):
        buffer = BytesIO()
        _ = frame.write_parquet(buffer) if form is Format.parquet else frame.write_json(buffer)
        yield buffer.getvalue()
        return
    separator = "\t" if form is Format.tsv else ","
    if form is Format.sheet:
        yield _BOM
        frame = _harmless_frame(frame)
    if form is not Format.jsonl:
        yield frame.clear().write_csv(separator=separator).encode()
    for part in frame.iter_slices(ROWS_A_BLOCK):
        text = (
            part.write_ndjson() if form is Format.jsonl else part.write_csv(include_header=False, separator=separator)
        )
        yield text.encode()


def plain(value: Any) -> Any:
    """Turn ``value`` into what JSON knows: numpy scalars into Python's, NaN into null, the rest into strings."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return plain(value.tolist())
    return str(value)


def _filled(value: Any) -> Any:
    """Turn empty mappings into null: parquet has no structs without fields."""
    if isinstance(value, dict):
        return {k: _filled(v) for k, v in value.items()} or None
    return [_filled(v) for v in value] if isinstance(value, list) else value


def _render(records: Records, form: Format) -> Iterator[str]:
    if form is Format.json:
        yield json.dumps([plain(r) for r in records], ensure_ascii=False, indent=2) + "\n"
    elif form is Format.jsonl:
        for record in records:
            yield json.dumps(plain(record), ensure_ascii=False) + "\n"
    else:
        if form is Format.sheet:
            yield _BOM.decode()
        yield from _delimited(records, "\t" if form is Format.tsv else ",", for_sheet=form is Format.sheet)


_BOM = b"\xef\xbb\xbf"
"""What a spreadsheet tells UTF-8 by."""
_COMPUTED = r"^[=+\-@\t]"
"""A text that begins so is a formula to a spreadsheet: it may run programs and send cells away."""


def _harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet computes: the apostrophe says that it is a text."""
    if not isinstance(value, str):
        return value
    value = visible(value, lines=True)
    return f"'{value}" if re.match(_COMPUTED, value) else value


def _harmless_frame(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl
    import polars.selectors as cs

    texts = cs.by_dtype(pl.String, pl.Categorical, pl.Enum).cast(pl.String)
    harmless = texts.map_elements(_harmless, return_dtype=pl.String, skip_nulls=True)
    return frame.with_columns(harmless).rename(lambda name: str(_harmless(name)))


def _delimited(records: Records, separator: str, *, for_sheet: bool) -> Iterator[str]:
    import csv
    import io

    columns = list(records[0]) if records else []
    for row in [columns, *([_flat(r[c]) for c in columns] for r in records)]:
        row = [_harmless(value) for value in row] if for_sheet else row
        line = io.StringIO()
        csv.writer(line, delimiter=separator, lineterminator="\r\n").writerow(row)  # both signs are quoted
        yield line.getvalue()[:-2] + "\n" if columns else ""


def _flat(value: Any) -> Any:
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


@contextmanager
def _stream(form: Format, out: Path | None) -> Iterator[IO[bytes]]:
    if out is not None:
        with atomic(out) as stream:
            yield stream
        return
    if form is Format.parquet and sys.stdout.isatty():
        raise UsageError("parquet is binary and would garble the terminal", hint="give --out FILE.parquet or a pipe")
    sys.stdout.flush()
    stdout: IO[bytes] = sys.stdout.buffer
    yield _Terminal(stdout) if sys.stdout.isatty() else stdout
    stdout.flush()


class _Terminal(BytesIO):
    """Passes on what a terminal may show: data for programs holds signs that would steer it."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self._out = out

    def write(self, data: Any) -> int:
        """Write whole characters."""
        self._out.write(visible(bytes(data).decode("utf-8", "replace"), lines=True).encode("utf-8", "backslashreplace"))
        return len(data)


@contextmanager
def atomic(file: Path) -> Iterator[IO[bytes]]:
    """Write ``file`` aside and put it in place when the block ends without an error.

    A link stays a link to the file it names; a device or a named pipe is written to, never replaced.

    Raises:
        UserError: the folder does not exist.
        StorageError: no space left, or not writable.
    """
    from kgrec.artifacts import replacing, storage_errors

    if not file.parent.is_dir():
        raise UserError(f"the folder {file.parent} does not exist", hint=f"mkdir -p {file.parent}")
    if file.is_dir():
        raise UserError(f"{file} is a folder", hint="name a file in it")
    if file.exists() and not file.is_file():
        with storage_errors(file), file.open("wb") as stream:
            yield stream
        return
    with replacing(file.resolve()) as aside, aside.open("wb") as stream:
        yield stream
