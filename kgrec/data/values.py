"""Cells to values: ids, texts, lists and numbers as Polars expressions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of any type as strings; a whole number stored as float loses its ``.0``."""
    column = pl.col(name)
    if kind.is_float():
        whole = column.is_finite() & (column == column.round(0)) & (column.abs() < 2.0**53)
        return (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
    if isinstance(kind, pl.List | pl.Array):
        return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    if isinstance(kind, pl.Struct):
        return pl.when(column.is_not_null()).then(column.struct.json_encode())
    return column.cast(pl.String, strict=False)


def without_cells(table: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Leave out cells that stand for nothing; columns whose names begin with ``__`` and lists stay."""
    kinds = {n: k for n, k in table.schema.items() if not n.startswith("__") and not k.is_nested()}
    given = pl.lit(pl.Series(list(missing))).implode()
    return table.with_columns(
        pl.when(~as_text(n, k).str.strip_chars().is_in(given)).then(pl.col(n)).alias(n) for n, k in kinds.items()
    )


def clean(text: pl.Expr) -> pl.Expr:
    """Trim and NFC-normalise; what is then empty is null."""
    # A whole column at once, because a column of ASCII, which most ids are, is NFC already and need not be copied.
    return text.map_batches(_clean_column, return_dtype=pl.String)


def _clean_column(text: pl.Series) -> pl.Series:
    if (text.str.len_bytes() != text.str.len_chars()).any():
        text = text.str.normalize("NFC")
    trimmed = text.str.strip_chars()
    return trimmed.set(trimmed == "", None)


def clean_list(name: str, kind: pl.DataType, separator: str | None) -> pl.Expr:
    """Return the distinct values of a multi-valued cell in their order, each trimmed and NFC; null where none."""
    if isinstance(kind, pl.List | pl.Array):
        cells = pl.col(name).cast(pl.List(pl.String))
    else:
        cells = as_text(name, kind).str.split(separator or "\0")
    element = pl.element().str.normalize("NFC").str.strip_chars()
    values = cells.list.eval(element.filter(element.is_not_null() & (element != ""))).list.unique(maintain_order=True)
    return pl.when(values.list.len() > 0).then(values)


def number(text: pl.Expr) -> pl.Expr:
    """Return a string as a finite f32, null where it is none."""
    value = text.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite() & (value.abs() < 3e38)).then(value).cast(pl.Float32)
