"""Which source reads a file, and what all of them share: compressed bytes, encodings, where a file is broken."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, cast

from kgrec.data.sources.limits import exceeded, most_bytes
from kgrec.errors import DataError, NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import DataSource

COMPRESSIONS = (".gz", ".zst")
LINE = "__line__"
"""Column with the 1-based line or row of the file."""

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


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


def read_source(path: Path, format_name: str | None, manager: PluginManager) -> pl.DataFrame:
    """Read a file with the source that fits it; adds ``__line__`` (u32), the 1-based line or row in the file.

    Args:
        path: the file.
        format_name: name of the data source, or None to tell it from the file's name.
        manager: the plugins in use.

    Raises:
        NotFoundError: the file or the format does not exist.
        DataError: no source reads such a file, or it is damaged.
    """
    check_file(path)
    source = find_source(path, format_name, manager)
    if source is None:
        known = ", ".join(manager.registry("data source"))
        raise DataError(
            f"{path}: no data source reads files of this name",
            hint=f'set format = "..." for this file in kgrec.toml; there are {known}',
        )
    return source.read(path)


def check_file(path: Path) -> None:
    """Make sure that ``path`` is a file.

    Raises:
        NotFoundError: it does not exist; the hint names files beside it with a similar name.
        DataError: it is a folder.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file", hint="name the files in it one by one")
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


def suffix(path: Path) -> str:
    """Return the lower-case ending that tells the format: ``.csv`` for ``ratings.CSV.gz``."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_bytes(path: Path) -> bytes:
    """Read a file whole, decompressed according to its name.

    Raises:
        DataError: the file cannot be opened, is not compressed as its name says, or has no content.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", hint="check path and permissions"
        ) from None
    if data:
        data = _decompress(path, data)
    if not data.strip():
        raise DataError(f"{path} is empty", hint="remove it from kgrec.toml, or export it again")
    return data


def read_text_bytes(path: Path) -> bytes:
    """Read a UTF-8 file whole, decompressed, without byte order mark; the text itself is checked by the parser.

    Raises:
        DataError: as :func:`read_bytes`, or the file says it is UTF-16.
    """
    data = read_bytes(path)
    for mark, name in _OTHER_BOMS.items():
        if data.startswith(mark):
            raise DataError(f"{path} is {name}, not UTF-8", hint="save the file as UTF-8")
    return data[len(_BOM) :] if data.startswith(_BOM) else data


def check_utf8(path: Path, data: bytes) -> None:
    """Name the place where ``data`` is no UTF-8.

    Raises:
        DataError: it is not.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte 0x{data[error.start]:02x} at offset {error.start})",
            hint=f"convert the file, for example: iconv -f GB18030 -t UTF-8 {path.name}",
        ) from None


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
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    # The streaming reader takes a cut-off frame for its end; the size in the frame's header tells.
    size = zstandard.frame_content_size(data)
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
