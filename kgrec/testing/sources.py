"""The contract of a data source."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from kgrec.errors import DataError, KgrecError
from kgrec.plugin.protocols import DataSource
from kgrec.testing.contract import Contract

TABLE = pl.DataFrame(
    {
        "user_id": ["ann", "bob", "陈晨", "ann"],
        "item_id": ["film 1", "film 2", "卧虎藏龙", "film, 3"],
        "rating": ["4.5", "3", "5", "1"],
        "text": ["worth it", 'she said "no"', "很好看", "l'été; à la plage"],
    }
)
"""Strings with commas, quotes, semicolons, accents and Chinese."""


class DataSourceContract(Contract):
    """What every data source must keep.

    Attributes:
        file_name: a name that the source claims; the tests write and read a file of this name.
        table: what is written; override it where the format cannot hold :data:`TABLE`.
    """

    file_name: ClassVar[str]
    table: ClassVar[pl.DataFrame] = TABLE

    @abstractmethod
    def make(self) -> DataSource:
        """Return a new data source."""

    @abstractmethod
    def write(self, table: pl.DataFrame, path: Path) -> None:
        """Write ``table`` (strings only) to ``path`` in the source's format."""

    def expected(self) -> pl.DataFrame:
        """Return what reading must give, as strings and without ``__line__``; by default what was written."""
        return self.table

    def written(self, folder: Path) -> Path:
        """Write :attr:`table` into ``folder`` and return the file."""
        path = folder / self.file_name
        self.write(self.table, path)
        return path

    def test_is_a_source(self) -> None:
        """It has the methods of the protocol."""
        assert isinstance(self.make(), DataSource)

    def test_claims_by_name(self, tmp_path: Path) -> None:
        """It claims its own files by their name, without looking into them, and no others."""
        source = self.make()
        assert source.claims(tmp_path / "not-there" / self.file_name)
        assert not source.claims(tmp_path / "picture.unknown-format")
        assert not source.claims(tmp_path / "no-suffix")

    def test_reads_what_was_written(self, tmp_path: Path) -> None:
        """Columns and values come back as they stand in the file."""
        table = self.make().read(self.written(tmp_path))
        assert isinstance(table, pl.DataFrame)
        expected = self.expected()
        assert table.columns[:-1] == expected.columns or set(table.columns) == {*expected.columns, "__line__"}
        assert table.select(pl.col(expected.columns).cast(pl.String)).equals(expected)

    def test_lines_are_numbered(self, tmp_path: Path) -> None:
        """``__line__`` leads back to the line or row of the file."""
        lines = self.make().read(self.written(tmp_path))["__line__"]
        assert lines.dtype == pl.UInt32
        assert lines.null_count() == 0
        assert lines[0] >= 1
        assert lines.diff().drop_nulls().gt(0).all()

    def test_deterministic(self, tmp_path: Path) -> None:
        """Reading twice gives the same table."""
        path = self.written(tmp_path)
        assert self.make().read(path).equals(self.make().read(path))

    def test_file_is_not_modified(self, tmp_path: Path) -> None:
        """Reading changes nothing on the disk."""
        path = self.written(tmp_path)
        before = path.read_bytes()
        self.make().read(path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_no_rows(self, tmp_path: Path) -> None:
        """A file with columns and no rows is a table without rows, or an error that says so."""
        path = tmp_path / self.file_name
        self.write(self.table.clear(), path)
        with suppress(DataError):
            assert self.make().read(path).height == 0

    def test_empty_file_is_an_error(self, tmp_path: Path) -> None:
        """A file of no bytes is named in the error."""
        self._refused(tmp_path, b"")

    def test_damaged_file_is_an_error(self, tmp_path: Path) -> None:
        """A file that is not what its name says is named in the error."""
        self._refused(tmp_path, b"\xff\xfe\x00 this is not a table \x80\x81\n\xc3\x28,\n")

    def test_missing_file_is_an_error(self, tmp_path: Path) -> None:
        """A file that is not there is a clear error, no traceback."""
        with pytest.raises(KgrecError, match="not-there"):
            self.make().read(tmp_path / f"not-there-{self.file_name}")

    def _refused(self, folder: Path, content: bytes) -> None:
        path = folder / self.file_name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            self.make().read(path)
        assert path.name in caught.value.message, "the error must name the file"
