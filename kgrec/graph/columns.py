"""Finds the columns of tables of triples, links and names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from kgrec.data.columns import FIELDS, REQUIRED, fold, synonyms
from kgrec.data.sources.files import LINE, read_source
from kgrec.data.values import as_text, clean
from kgrec.errors import DataError, did_you_mean
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager


def read_fields(
    path: Path, format_name: str | None, given: Mapping[str, str], role: str, domain: Domain, manager: PluginManager
) -> pl.DataFrame:
    """Read a table and return its fields as trimmed strings (empty: null) and ``line``.

    Args:
        path: the file.
        format_name: name of its data source, or None.
        given: field -> column, from kgrec.toml; fields that it leaves out are found by the names they go by.
        role: ``triples``, ``link`` or ``names``.
        domain: may know more names of columns.
        manager: the plugins in use.

    Raises:
        DataError: a field has no column; the hint names those there are.
        NotFoundError: no such file.
    """
    table = read_source(path, format_name, manager)
    found = {}
    for field in FIELDS[role]:
        column = given.get(field) or _guess(table.columns, synonyms(role, field, domain))
        if column is not None and column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r} (wanted as {field})", hint=did_you_mean(column, _named(table))
            )
        if column is None and field in REQUIRED[role]:
            raise DataError(
                f"{path}: no column is known to hold the {field} of {role}",
                hint=f"set columns.{field} for the file in kgrec.toml; it has {', '.join(_named(table))}",
            )
        if column is not None:
            found[field] = clean(as_text(column, table.schema[column]))
    return table.select(**found, line=pl.col(LINE))


def _guess(columns: list[str], names: list[str]) -> str | None:
    folded = {fold(column): column for column in reversed(columns)}
    return next((folded[name] for name in names if name in folded), None)


def _named(table: pl.DataFrame) -> list[str]:
    return [column for column in table.columns if column != LINE]
