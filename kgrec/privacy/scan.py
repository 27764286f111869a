"""Look for a person in the bytes of files, whatever they are: compressed, packed, tables, databases, RDF stores.

What a file is is told by its first bytes, not by its name, so that a file nobody registered is found as well.
"""

from __future__ import annotations

import bz2
import gzip
import html
import json
import lzma
import sqlite3
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote

from kgrec.errors import CorruptArtifactError

BLOCK = 1 << 23
"""Bytes looked through at once."""
ROWS = 50_000
"""Rows of a table or database written out at once."""
MOST_EXPANDED = 1 << 36
"""A compressed file is read to so many bytes at most: 64 GiB."""
SHORTEST_TEXT = 16
"""Own words of fewer characters may be anybody's."""
DEEPEST = 3
"""Packed files inside of packed files are opened so far."""

UNREADABLE = (OSError, EOFError, ValueError, RecursionError, sqlite3.Error, zipfile.BadZipFile, lzma.LZMAError)


@dataclass(frozen=True)
class Needles:
    """What is looked for.

    Attributes:
        ids: which must stand by themselves: no letter or digit before or behind them.
        texts: the person's own words.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...] = ()

    @property
    def telling(self) -> bool:
        """Whether the ids are so long that their bytes are no chance: four characters, or six digits."""
        return all(len(one) >= (6 if one.isdigit() else 4) for one in self.ids)

    @cached_property
    def _automaton(self) -> Any:
        import ahocorasick

        found = ahocorasick.Automaton()
        words = {spelt: True for one in self.ids if self.telling for spelt in _spellings(one)}
        for text in self.texts:
            if len(text) >= SHORTEST_TEXT:
                words |= {spelt: False for spelt in _spellings(text) if spelt not in words}
        for word, alone in words.items():
            found.add_word(word.decode("latin-1"), (len(word), alone))
        found.make_automaton()
        return found

    @cached_property
    def _longest(self) -> int:
        return max((length for length, _ in self._automaton.values()), default=0)

    def count(self, blocks: Iterable[bytes]) -> int:
        """Count occurrences in bytes that come block by block."""
        if not len(self._automaton):
            return 0
        found, tail = 0, b""
        for block in chain(blocks, [b"\n"]):  # a hit counts when the byte behind it is known
            data = tail + block
            found += self._between(data, len(tail), len(data) - 1)
            tail = data[-self._longest - 1 :]
        return found

    def _between(self, data: bytes, after: int, last: int) -> int:
        """Count the hits that end behind byte ``after - 1`` and at ``last`` at most."""
        hits = 0
        for end, (length, alone) in self._automaton.iter(data.decode("latin-1")):
            start, stop = end - length + 1, end + 1
            if not after <= stop <= last:
                continue
            hits += not (alone and (_joins(data[max(start - 1, 0) : start]) or _joins(data[stop : stop + 1])))
        return hits


def _joins(byte: bytes) -> bool:
    """Say whether a byte beside an id makes it a part of a longer one."""
    return bool(byte) and (byte.isalnum() or byte in b"_-@+" or byte >= b"\x80")


def _spellings(text: str) -> set[bytes]:
    """Return how a text may stand in a file: in both normal forms, escaped for JSON, HTML and addresses."""
    forms = {text, unicodedata.normalize("NFD", text)}
    forms |= {json.dumps(form)[1:-1] for form in forms} | {json.dumps(text, ensure_ascii=False)[1:-1]}
    forms |= {html.escape(text), html.escape(text, quote=False), quote(text, safe=""), quote(text)}
    return {form.encode("utf-8", "surrogatepass") for form in forms}


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen of a person in a file.

    Attributes:
        hits: occurrences of the id or of own words, in the bytes or in what they unpack to, whichever is more.
        rows: rows whose column of users holds the id.
        problem: why the file could not be read, or only in part; empty: it was.
    """

    hits: int = 0
    rows: int = 0
    problem: str = ""

    def __bool__(self) -> bool:
        return bool(self.hits or self.rows)


@dataclass(frozen=True)
class Scanner:
    """Looks through files for one person.

    Attributes:
        needles: what is looked for.
        user_columns: names of columns and fields that hold ids of users.
    """

    needles: Needles
    user_columns: frozenset[str] = frozenset({"user_id", "user"})

    def look(self, path: Path) -> Found:
        """Look through a file, or through the folder of an RDF store."""
        try:
            if path.is_dir():
                return self._store(path)
            with path.open("rb") as stream:
                return self._stream(stream, path)
        except (*UNREADABLE, CorruptArtifactError) as error:  # such as the store of a command that was killed
            return Found(problem=str(error)[:200] or type(error).__name__)

    def _store(self, folder: Path) -> Found:
        """Look through the statements of an RDF store."""
        import polars as pl

        from kgrec.graph.rdf import encode
        from kgrec.graph.store import open_store

        nodes = [f"user/{path}>".encode() for path in encode(pl.Series(list(self.needles.ids)))]
        hits = rows = 0
        for part in batched((f"{quad}\n".encode() for quad in open_store(folder)), ROWS):
            rows += sum(any(node in line for node in nodes) for line in part)
            hits += self.needles.count([b"".join(part)])
        return Found(hits, rows)

    def _stream(self, stream: IO[bytes], path: Path | None, depth: int = 0) -> Found:
        start = stream.read(262)
        stream.seek(0)
        raw = self.needles.count(_blocks(stream))
        stream.seek(0)
        for magic, reader in _PACKED.items():
            if start.startswith(magic):
                inner = Found()
                for part in reader(stream) if depth < DEEPEST else ():
                    told = self._stream(part, None, depth + 1)
                    inner = Found(inner.hits + told.hits, inner.rows + told.rows, inner.problem or told.problem)
                return Found(max(raw, inner.hits), inner.rows, inner.problem)
        hits, rows, problem = 0, 0, ""
        try:
            for frame in self._tables(stream, start, path):
                rows += self._rows(frame)
                hits += self.needles.count(_lines(frame))
        except UNREADABLE as error:
            problem = str(error)[:200]
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            stream.seek(0)
            hits = self.needles.count([stream.read().decode("utf-16", "replace").encode()])
        return Found(max(raw, hits), rows, problem)

    def _tables(self, stream: IO[bytes], start: bytes, path: Path | None) -> Iterator[Any]:
        """Yield what a file holds as frames: parquet, SQLite, JSON."""
        import polars as pl

        if start.startswith(b"PAR1"):
            try:
                yield from pl.read_parquet(stream).iter_slices(ROWS)
            except pl.exceptions.PolarsError as error:
                raise ValueError(str(error)) from None
        elif start.startswith(b"SQLite format 3\0") and path is not None:
            yield from _database(path)
        elif start.lstrip()[:1] in (b"{", b"["):
            rows = sum(_mentions(document, self.needles.ids, self.user_columns) for document in _documents(stream))
            yield pl.DataFrame({"user_id": [self.needles.ids[0]] * rows}, schema={"user_id": pl.String})

    def _rows(self, frame: Any) -> int:
        import polars as pl

        named = [name for name in frame.columns if name in self.user_columns and frame[name].dtype == pl.String]
        if {"kind", "key"} <= set(frame.columns):  # nodes of a graph
            frame = frame.with_columns(key=pl.when(pl.col("kind") == "user").then("key"))
            named.append("key")
        alike = [pl.col(name).str.strip_chars().is_in(self.needles.ids) for name in named]
        return frame.filter(pl.any_horizontal(alike)).height if alike else 0


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    read = 0
    while block := stream.read(BLOCK):
        read += len(block)
        if read > MOST_EXPANDED:
            raise ValueError(f"more than {MOST_EXPANDED >> 30} GiB")
        yield block


def _lines(frame: Any) -> Iterator[bytes]:
    return (part.write_ndjson().encode() for part in frame.iter_slices(ROWS))


def _database(path: Path) -> Iterator[Any]:
    """Yield the tables of a SQLite file, read without changing anything."""
    import polars as pl

    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(BLOCK, 4 * path.stat().st_size))  # cells that make themselves
        db.text_factory = lambda value: value.decode("utf-8", "replace")
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            rows = db.execute('SELECT * FROM "{}"'.format(name.replace('"', '""')))
            columns = [column[0] for column in rows.description]
            while part := rows.fetchmany(ROWS):
                cells = zip(*part, strict=True)
                yield pl.DataFrame({n: [_text(v) for v in c] for n, c in zip(columns, cells, strict=True)})


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is None else str(value)


def _documents(stream: IO[bytes]) -> Iterator[Any]:
    """Yield the documents of a JSON file, or of each line of one."""
    content = stream.read()
    try:
        yield json.loads(content)
    except (ValueError, RecursionError):
        for line in content.splitlines():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                return


def _mentions(document: Any, ids: tuple[str, ...], names: frozenset[str]) -> int:
    """Count the fields of users that name one, and lists ``users`` that hold one."""
    found, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            found += sum(value.get(name) in ids for name in names)
            users = value.get("users")
            found += sum(users.count(one) for one in ids) if isinstance(users, list) else 0
            waiting += [inner for inner in value.values() if isinstance(inner, list | dict)]
        elif isinstance(value, list):
            waiting += [inner for inner in value if isinstance(inner, list | dict)]
    return found


def batched(lines: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield lists of at most ``size`` lines."""
    while part := list(islice(lines, size)):
        yield part


def is_store(folder: Path) -> bool:
    """Say whether a folder is an RDF store."""
    return (folder / "CURRENT").is_file() and any(folder.glob("MANIFEST-*"))


def _zip(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            with archive.open(name) as part:
                yield part


def _unpacked(opener: Callable[[Any], Any]) -> Callable[[IO[bytes]], Iterator[IO[bytes]]]:
    """Return a reader that copies what a compressed stream holds to the disk, so that it can be read twice."""

    def parts(stream: IO[bytes]) -> Iterator[IO[bytes]]:
        with opener(stream) as unpacked, TemporaryFile() as copy:
            for block in _blocks(unpacked):
                copy.write(block)
            copy.seek(0)
            yield copy

    return parts


def _zstd(stream: IO[bytes]) -> Any:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)


_PACKED: Mapping[bytes, Callable[[IO[bytes]], Iterator[IO[bytes]]]] = {
    b"\x1f\x8b": _unpacked(lambda stream: gzip.GzipFile(fileobj=stream)),
    b"BZh": _unpacked(bz2.BZ2File),
    b"\xfd7zXZ": _unpacked(lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": _unpacked(_zstd),
    b"PK\x03\x04": _zip,
}
"""What packed files begin with, and how to get at what is in them."""
