"""Which source reads a file, and what all of them share: compressed bytes, encodings, where a file is broken."""

from __future__ import annotations

import gzip
import io
import struct
import tomllib
import zipfile
import zlib
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, cast

from kgrec.data.sources.encodings import to_utf8
from kgrec.data.sources.limits import exceeded, most_bytes
from kgrec.data.sources.remote import fetch
from kgrec.errors import DataError, NotFoundError
from kgrec.places import (
    ARCHIVES,
    COMPRESSIONS,
    address,
    split_part,
    suffix,
)

if TYPE_CHECKING:
    import polars as pl

    from kgrec.config import ReadConfig
    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import DataSource

LINE = "__line__"
"""Column with the 1-based line or row of the file."""
PROBLEM = "__problem__"
"""Column with the reason why a row is none of the table's; null, or not there, where all is well."""
TITLE, TOTAL = NOT_ROWS = ("a title above the table", "a total, not a row")
"""Reasons of lines that were never meant to be rows."""

_BLOCK = 1 << 20
BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, LookupError, struct.error)
"""What Python's own module raises of archives that are damaged, or of a version or method that it does not know."""


def find_source(path: Path, format_name: str | None, manager: PluginManager) -> DataSource | None:
    """Return the source named ``format_name``, or the first by rank that claims ``path``; None if no one does.

    Raises:
        NotFoundError: no plugin offers a source of that name.
    """
    registry = manager.registry("data source")
    if format_name is not None:
        named: DataSource = registry[format_name].build()
        return named
    for _, spec in sorted(registry.items(), key=lambda entry: entry[1].rank):
        source: DataSource = spec.build()
        if source.claims(path):
            return source
    return None


def read_source(
    path: Path, format_name: str | None, manager: PluginManager, reading: ReadConfig | None = None
) -> pl.DataFrame:
    """Read a file with the source that fits it; adds ``__line__`` (u32), the 1-based line or row in the file.

    Rows that are none of the table's are left out.

    Args:
        path: the file.
        format_name: name of the data source, or None to tell it from the file's name.
        manager: the plugins in use.
        reading: how its text is cut into cells, as far as kgrec.toml says.

    Raises:
        NotFoundError: the file or the format does not exist.
        DataError: no source reads such a file, or it is damaged.
    """
    table = read_rows(path, format_name, manager, reading)
    return table if PROBLEM not in table.columns else table.filter(table[PROBLEM].is_null()).drop(PROBLEM)


def read_rows(
    path: Path, format_name: str | None, manager: PluginManager, reading: ReadConfig | None = None
) -> pl.DataFrame:
    """Read a file as :func:`read_source` does, with the rows that are none of the table's: ``__problem__`` says why."""
    check_file(path)
    if suffix(path) in ARCHIVES:
        inside = members(path)
        if len(inside) != 1:
            example = f'name one: path = "{path.name}#{inside[0]}"' if inside else "export it again"
            raise DataError(f"{path} holds {len(inside)} files", hint=example)
        path = Path(f"{path}#{inside[0]}")
    source = find_source(path, format_name, manager)
    if source is None:
        known = ", ".join(manager.registry("data source"))
        raise DataError(f"{path}: no data source reads files of this name", hint=_conversion(path, known))
    import polars as pl

    from kgrec.data.sources.nested import with_objects

    try:
        return with_objects(path, source.read(path, reading))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # the latter is no Exception
        told = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path} cannot be read: {told}", hint="is it damaged, or another format of this name?"
        ) from None


def _conversion(path: Path, known: str) -> str:
    """Say how a file of a format that nothing reads is converted."""
    ways = tomllib.loads(resources("kgrec.data").joinpath("notations.toml").read_text("utf-8"))["convert"]
    way = next((way["how"] for way in ways if suffix(path) in way["endings"]), None)
    named = f'if it is one of {known} under another name: format = "..." in kgrec.toml'
    return f"{way}; {named}" if way else f"export it as csv, JSON lines or parquet; {named}"


def check_file(path: Path) -> None:
    """Make sure that ``path`` is a file or a part of one; addresses are found out when they are read.

    Raises:
        NotFoundError: it does not exist; the hint names files beside it with a similar name.
        DataError: it is a folder.
    """
    if address(path):
        return
    path = split_part(path)[0]
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file", hint="name the files in it one by one")
    if path.exists() and not path.is_file():  # a pipe or device may never end
        raise DataError(f"{path} is a pipe or a device, not a file", hint="write what comes out of it to a file first")
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        if not beside:
            raise NotFoundError(f"there is no file {path}", hint=f"the folder {path.parent} has no files")
        raise NotFoundError.of("file", path.name, beside, where=str(path.parent))


class NamedByEnding:
    """A data source that claims files by the ending of their name, with .gz or .zst behind it or without."""

    endings: ClassVar[tuple[str, ...]]

    def claims(self, path: Path) -> bool:
        """Say whether the file's name ends like one of this format."""
        return suffix(path) in self.endings


def read_bytes(path: Path) -> bytes:
    """Read a file, a member of an archive or what an address leads to, whole, decompressed according to its name.

    Raises:
        DataError: it cannot be opened, is not compressed as its name says, or has no content.
        NotFoundError: the archive has no such member.
    """
    url = address(path)
    file, part = (path, "") if url else split_part(path)
    try:
        data = fetch(url) if url else file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{url or file} cannot be read: {error.strerror or error}", hint="check path and permissions"
        ) from None
    if data and file.suffix.lower() in ARCHIVES:
        data = _member(file, data, part)
        path = Path(part) if part else path
    if data:
        data = _decompress(path, data)
    if not data.strip():
        raise DataError(f"{path} is empty", hint="remove it from kgrec.toml, or export it again")
    return data


def members(file: Path, data: bytes | None = None) -> list[str]:
    """Return the names of the files in an archive that have content.

    Raises:
        DataError: it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file.read_bytes() if data is None else data)) as archive:
            found = [m.filename for m in archive.infolist() if not m.is_dir() and m.file_size]
    except BAD_ARCHIVE as error:
        raise DataError(f"{file} is not a complete .zip file: {error}", hint="copy or download it again") from None
    return [name for name in found if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]


def _member(file: Path, data: bytes, part: str) -> bytes:
    known = members(file, data)
    if part not in known:
        raise NotFoundError.of("file", part, known, where=file.name)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(part) as stream:
            return _bounded(file, data, cast("BinaryIO", stream))
    except BAD_ARCHIVE as error:
        raise DataError(f"{file}: {part} cannot be unpacked: {error}", hint="unpack it by hand") from None


def read_text_bytes(path: Path, encoding: str | None = None) -> bytes:
    """Read a text file whole, decompressed, as UTF-8 without byte order mark.

    Args:
        path: the file.
        encoding: as kgrec.toml states it; None: told from the bytes.

    Raises:
        DataError: as :func:`read_bytes`, or the text is in no encoding that can be told.
    """
    data = to_utf8(path, read_bytes(path), encoding)
    if not data.strip():
        raise DataError(f"{path} is empty", hint="remove it from kgrec.toml, or export it again")
    return data


def _decompress(path: Path, data: bytes) -> bytes:
    ending = path.suffix.lower()
    if ending not in COMPRESSIONS:
        return data
    try:
        return _gzip(path, data) if ending == ".gz" else _zstd(path, data)
    except (EOFError, zlib.error, ValueError, OSError) as error:
        raise DataError(
            f"{path} is not a complete {ending} file: {error}", hint="copy or download the file again"
        ) from None


def _gzip(path: Path, data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return _bounded(path, data, cast("BinaryIO", stream))


def _zstd(path: Path, data: bytes) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
            content = _bounded(path, data, stream)
        # The streaming reader takes a cut-off frame for its end; the size in the frame's header tells.
        size = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    if len(content) < size or (not content and size != 0):
        raise ValueError("the end is missing")
    return content


def _bounded(path: Path, data: bytes, stream: BinaryIO) -> bytes:
    """Read a decompressing stream, but no further than the limit."""
    most, content = most_bytes(len(data)), bytearray()
    while block := stream.read(_BLOCK):
        content += block
        if len(content) > most:
            raise exceeded(path, f"grows to more than {len(content) // len(data):,} times its size", "expansion")
    return bytes(content)
