"""RecBole atomic files: tab-separated, each column named ``name:type``.

Source: https://recbole.io/docs/user_guide/data/atomic_files.html. Types are token, token_seq, float, float_seq; a
sequence is separated by spaces.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kgrec.data.sources.delimited import parse_delimited
from kgrec.data.sources.files import LINE, read_text_bytes, suffix
from kgrec.errors import DataError

ENDINGS = (".inter", ".item", ".user", ".kg", ".link", ".net")
_TYPES = ("token", "token_seq", "float", "float_seq")


class RecBoleSource:
    """Atomic files; columns get their name without the type, sequences become lists of strings."""

    def claims(self, path: Path) -> bool:
        """Say whether the name ends like an atomic file, or so with .gz or .zst."""
        return suffix(path) in ENDINGS

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
