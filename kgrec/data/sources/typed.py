"""Formats that state types: JSON lines and Parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl

from kgrec.data.sources.files import LINE, NamedByEnding, check_utf8, read_bytes, read_text_bytes
from kgrec.data.sources.limits import check_depth, exceeded, limit
from kgrec.errors import DataError

_BLOCK = 8 << 20
"""Bytes of lines in which keys are looked for at once."""


class JsonLinesSource(NamedByEnding):
    """JSON lines, also called ndjson: one object a line; keys may be missing from some.

    Scalars become strings, arrays lists of strings, objects stay JSON text.
    """

    endings = (".jsonl", ".ndjson")

    def read(self, path: Path) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, or a line that is no JSON object.
        """
        data = read_text_bytes(path)
        numbers = _object_lines(path, data)
        _check_keys(path, data)
        try:
            table = pl.read_ndjson(data, infer_schema_length=None)
        except pl.exceptions.PolarsError as error:
            _check_objects(path, data)
            raise DataError(
                f"{path} cannot be parsed: {error}", hint="a key must hold the same kind of value in every line"
            ) from None
        if table.height != numbers.len():
            _check_objects(path, data)
            raise DataError(f"{path} does not hold one JSON object a line", hint="export it as JSON lines")
        return table.select(pl.lit(numbers).alias(LINE), *(_as_text(name, kind) for name, kind in table.schema.items()))


def _object_lines(path: Path, data: bytes) -> pl.Series:
    """Return the 1-based numbers of the lines that are not blank, u32."""
    # JSON escapes control characters, so this separator occurs in no valid line.
    lines = pl.Series([data]).cast(pl.Binary)
    try:
        text = lines.cast(pl.String).str.split("\n").explode()
    except pl.exceptions.PolarsError:
        check_utf8(path, data)
        raise
    blank = text.str.strip_chars() == ""
    return (~blank).arg_true().cast(pl.UInt32) + 1


def _check_keys(path: Path, data: bytes) -> None:
    """Make sure that the objects do not have too many different keys: each becomes a column of every line.

    Raises:
        DataError: they have.
    """
    bound, keys, stream = limit("columns"), set[str](), io.BytesIO(data)
    if data.count(b":") <= bound:
        return
    while block := stream.readlines(_BLOCK):
        text = pl.Series([b"".join(block).decode("utf-8", "replace")])
        keys.update(text.str.extract_all(r'"(?:[^"\\]|\\.)*"\s*:').explode().unique().drop_nulls())
        if len(keys) > bound:
            raise exceeded(path, f"more than {bound:,} different keys", "columns")


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.List):
        inner = kind.inner
        if isinstance(inner, pl.Struct | pl.List):
            return column.list.eval(pl.element().struct.json_encode() if isinstance(inner, pl.Struct) else pl.element())
        return column.cast(pl.List(pl.String))
    if isinstance(kind, pl.Struct):
        return pl.when(column.is_not_null()).then(column.struct.json_encode())
    return column.cast(pl.String)


def _check_objects(path: Path, data: bytes) -> None:
    """Find the first line that is no JSON object. Runs only on files that were found to have one.

    Raises:
        DataError: there is one.
    """
    check_utf8(path, data)
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except RecursionError:
            check_depth(path, line)
            raise DataError(f"{path}: line {number} nests too deep", hint="flatten it") from None
        except ValueError as error:
            raise DataError(
                f"{path}: line {number} is no JSON: {error}", hint="each line must be one JSON object"
            ) from None
        if not isinstance(found, dict):
            raise DataError(
                f"{path}: line {number} is no JSON object", hint='each line must look like {"key": "value"}'
            )


class ParquetSource(NamedByEnding):
    """Apache Parquet, with the types that the file states; ``__line__`` counts rows from 1."""

    endings = (".parquet", ".pq")

    def read(self, path: Path) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: it is empty or no Parquet.
        """
        data = read_bytes(path)
        try:
            table = pl.read_parquet(data)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{path} is no Parquet file: {error}", hint="was it cut off, or is it another format under this name?"
            ) from None
        return table.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))
