"""Formats that state types or names: Parquet, and sheets of Excel and LibreOffice."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl

from kgrec.config import ReadConfig
from kgrec.data.sources.delimited import parse_delimited
from kgrec.data.sources.files import BAD_ARCHIVE, LINE, NamedByEnding, read_bytes
from kgrec.data.sources.limits import exceeded, most_bytes
from kgrec.data.sources.nested import flatten
from kgrec.errors import DataError, MissingExtraError, NotFoundError
from kgrec.places import SHEETS, split_part


class ParquetSource(NamedByEnding):
    """Apache Parquet, with the types that the file states; ``__line__`` counts rows from 1.

    Structs become columns of dotted names, as objects of JSON do.
    """

    endings = (".parquet", ".pq", ".arrow", ".feather", ".ipc")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:  # noqa: ARG002
        """Read the file.

        Raises:
            DataError: it is empty or no Parquet.
        """
        data = read_bytes(path)
        try:
            table = pl.read_parquet(data) if data[:4] == b"PAR1" else pl.read_ipc(data)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{path} is no Parquet file: {error}", hint="was it cut off, or is it another format under this name?"
            ) from None
        return flatten(path, table).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))


class SheetSource(NamedByEnding):
    """A sheet of Excel or LibreOffice, ``book.xlsx#Sheet1``, its cells as strings; titles and totals are told apart."""

    endings = SHEETS

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read a sheet; the only one with content where none is named.

        Raises:
            DataError: it is no such file, or several sheets have content and none is named.
            MissingExtraError: fastexcel is not installed.
            NotFoundError: there is no such sheet.
        """
        file, wanted = split_part(path)
        known = sheets(file)
        if wanted and wanted not in known:
            raise NotFoundError.of("sheet", wanted, list(known), where=file.name)
        if not wanted and len(known) != 1:
            raise DataError(
                f"{path} has {len(known)} sheets with content",
                hint=f'name one: path = "{file.name}#{next(iter(known))}"' if known else "export it again",
            )
        text = known[wanted or next(iter(known))].write_csv(include_header=False).encode()
        return parse_delimited(path, text, (reading or ReadConfig()).model_copy(update={"delimiter": ","}), quoted=True)


def sheets(file: Path) -> dict[str, pl.DataFrame]:
    """Return the sheets that have content, by name.

    Raises:
        DataError: it is no such file.
        MissingExtraError: fastexcel is not installed.
    """
    try:
        import fastexcel
    except ImportError:
        raise MissingExtraError.of("reading Excel files", "excel") from None
    data = read_bytes(file)
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            _check_expansion(file, data)
        book = fastexcel.read_excel(data)
        tables = {
            name: book.load_sheet(name, header_row=None, dtypes="string").to_polars() for name in book.sheet_names
        }
    except (fastexcel.FastExcelError, *BAD_ARCHIVE) as error:
        raise DataError(f"{file} is no Excel file: {error}", hint="save it again, or export it as csv") from None
    return {name: table for name, table in tables.items() if table.height and table.width}


def _check_expansion(file: Path, data: bytes) -> None:
    """Unpack every part of a workbook and count: the sizes that an archive states are whatever its maker wrote."""
    most, size = most_bytes(len(data)), 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for part in archive.infolist():
            # A stated size would end the reading; whether the content is whole is for the library that reads cells.
            part.file_size, part.CRC = most + 1, None  # type: ignore[assignment]
            with archive.open(part) as stream:
                while block := stream.read(1 << 20):
                    size += len(block)
                    if size > most:
                        raise exceeded(file, f"grows to {size // len(data):,} times its size", "expansion")
