"""Apache Parquet, with the types that the file states."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kgrec.data.sources.files import LINE, read_bytes, suffix
from kgrec.errors import DataError


class ParquetSource:
    """Parquet files; ``__line__`` counts rows from 1."""

    def claims(self, path: Path) -> bool:
        """Say whether the name ends in .parquet or .pq, or these with .gz or .zst."""
        return suffix(path) in (".parquet", ".pq")

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
