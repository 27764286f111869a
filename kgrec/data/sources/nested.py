"""Objects in cells: their fields become columns of dotted names (``who.id``), lists of objects lists side by side."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.data.sources.limits import exceeded, limit

_FIELDS = 100
"""So many fields are taken out of the objects in a column of text; more are ids, not fields."""
_SAMPLE = 200


def flatten(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table without objects in cells: their fields are columns of dotted names, and lists of them are lists.

    Raises:
        DataError: there are too many columns.
    """
    columns = [part for name, kind in table.schema.items() for part in _leaves(pl.col(name), name, kind)]
    bound = limit("columns")
    if len(columns) > bound:
        raise exceeded(path, f"{len(columns):,} columns", "columns")
    return table.select(columns)


def _leaves(column: pl.Expr, name: str, kind: pl.DataType) -> list[pl.Expr]:
    if isinstance(kind, pl.Struct):
        return [
            leaf
            for f in kind.fields
            for leaf in _leaves(column.struct.field(f.name), f"{name}.{f.name}", _kind(f.dtype))
        ]
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        return [
            leaf
            for f in kind.inner.fields
            for leaf in _in_list(column.list.eval(pl.element().struct.field(f.name)), f"{name}.{f.name}", f.dtype)
        ]
    if isinstance(kind, pl.List):
        return _in_list(column, name, kind.inner)
    return [column.alias(name)]


def _in_list(lists: pl.Expr, name: str, inner: Any) -> list[pl.Expr]:
    if isinstance(inner, pl.Struct):
        return [
            leaf
            for f in inner.fields
            for leaf in _in_list(lists.list.eval(pl.element().struct.field(f.name)), f"{name}.{f.name}", f.dtype)
        ]
    if isinstance(inner, pl.List):  # lists in lists: all values of a row
        flat = lists.list.eval(pl.element().explode())
        return _in_list(flat, name, inner.inner)
    return [lists.alias(name)]


def _kind(dtype: Any) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[no-any-return]


def texts(schema: Any) -> dict[str, Any]:
    """Return a schema with a string for every scalar."""
    return {name: _text(kind) for name, kind in schema.items()}


def _text(kind: Any) -> Any:
    if isinstance(kind, pl.Struct):
        return pl.Struct({f.name: _text(f.dtype) for f in kind.fields})
    return pl.List(_text(kind.inner)) if isinstance(kind, pl.List | pl.Array) else pl.String


def parse_lines(data: bytes) -> pl.DataFrame:
    """Read an object a line; scalars keep the digits that stand there."""
    schema = pl.scan_ndjson(io.BytesIO(data), infer_schema_length=None).collect_schema()
    return pl.read_ndjson(data, schema=texts(schema))


def with_objects(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Add the fields of JSON objects that stand in cells of text: ``properties.product_id`` beside ``properties``."""
    for name in table.columns:
        if name.startswith("__") or table.schema[name] != pl.String:
            continue
        sample = table[name].head(50 * _SAMPLE).drop_nulls().head(_SAMPLE)
        if not sample.len() or sample.str.contains(r'(?s)^\s*\{\s*(?:"[^"]*"\s*:.*)?\}\s*$').mean() < 0.95:  # type: ignore[operator]
            continue
        keys = sample.str.extract_all(r'"(?:[^"\\]|\\.)*"\s*:').explode().n_unique()
        if not sample.str.contains('"', literal=True).any() or keys > _FIELDS:
            continue
        try:
            lines = table[name].fill_null("{}").str.replace_all(r"\s*[\r\n]+\s*", " ").str.strip_chars()
            cells = parse_lines("\n".join(lines).encode())
            fields = flatten(path, cells.rename({field: f"{name}.{field}" for field in cells.columns}))
        except pl.exceptions.PolarsError:
            continue  # some cell is no object: the column stays a text
        if fields.height == table.height and fields.width <= _FIELDS:
            table = table.hstack([column for column in fields if column.name not in table.columns])
    return table
