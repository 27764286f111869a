"""Append-only files of JSON lines that survive a crash in the middle of a line and several writers at once.

    feedback/texts-00001.jsonl  texts-00002.jsonl …    a new file is begun when the last one is long enough
    feedback/lock                                      held by whoever writes

Writers take the lock, cut off half a line that a crash has left, append whole lines and flush them to the disk. Readers
need no lock: they read up to the last whole line. A line that stands twice counts once.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import polars as pl

from kgrec.artifacts import storage_errors
from kgrec.errors import CorruptArtifactError, WorkspaceError

SEGMENT_BYTES = 32 << 20
"""A file that is longer gets no more lines, so that reading one at a time bounds the memory."""

CHUNK = 5_000
"""Rows written at once."""

PATIENCE = 60.0
"""Seconds to wait for another writer."""


@dataclass
class Log:
    """One kind of record, in files ``NAME-00001.jsonl``, ``NAME-00002.jsonl`` and so on.

    Attributes:
        folder: where the files are.
        name: starts the names of the files.
        schema: fields of a record; what a line lacks is null.
        key: what tells records apart, as an expression over the fields ``key_fields``.
        key_fields: those that ``key`` looks at.
        limit: bytes of a file.
    """

    folder: Path
    name: str
    schema: Mapping[str, pl.DataType]
    key: pl.Expr
    key_fields: Sequence[str]
    limit: int = SEGMENT_BYTES
    _read: dict[str, int] = field(default_factory=dict)
    _age: str = ""
    _keys: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.UInt64))

    def segments(self) -> list[Path]:
        """Return the files, oldest first."""
        return sorted(self.folder.glob(f"{self.name}-*.jsonl"))

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes whenever a record is added or removed."""
        found = []
        for file in self.segments():
            at = file.stat()
            found.append((file.name, at.st_ino, at.st_size))
        return tuple(found)

    def frames(self, fields: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the records file by file; one that stands twice may come twice.

        Raises:
            CorruptArtifactError: a line is no record.
        """
        for file in self.segments():
            yield _parsed(file, _whole_lines(file), self._fields(fields))

    def read(self, fields: Sequence[str] | None = None, *, where: pl.Expr | None = None) -> pl.DataFrame:
        """Return all records once, in the order of writing.

        Args:
            fields: only these; None: all.
            where: only the records for which this holds; it sees ``fields`` and the key's.

        Raises:
            CorruptArtifactError: a line is no record.
        """
        wanted = self._fields(fields)
        needed = {**wanted, **self._fields(self.key_fields)}
        frames = [
            (frame if where is None else frame.filter(where)).with_columns(self.key.hash().alias("_key"))
            for frame in self.frames(list(needed))
        ]
        if not frames:
            return pl.DataFrame(schema=wanted)
        return pl.concat(frames).unique("_key", keep="first", maintain_order=True).select(list(wanted))

    def known(self, rows: pl.DataFrame) -> pl.Series:
        """Say of each row whether a record with its key is there; reads only what was added since the last call.

        The lock must be held.
        """
        self._catch_up()
        return rows.select(self.key.hash().alias("_key"))["_key"].is_in(self._keys.implode())

    def append(self, rows: pl.DataFrame) -> None:
        """Add records; the lock must be held. A failed write leaves the file as it was.

        Raises:
            StorageError: no space left, or the folder cannot be written.
        """
        ordered = rows.select(list(self.schema))
        with storage_errors(self.folder):
            for chunk in ordered.iter_slices(CHUNK):
                buffer = io.BytesIO()
                chunk.write_ndjson(buffer)
                _append(self._last(), buffer.getvalue())

    def keep(self, fields: Sequence[str], test: Callable[[pl.DataFrame], pl.Series]) -> int:
        """Keep only records for which ``test`` holds; the lock must be held. Returns how many went.

        Each file is replaced at once, so a reader sees it before or after, never in between.
        """
        gone = 0
        replace_file(self._age_file, uuid.uuid4().hex.encode())  # what others know of the keys is outdated
        for file in self.segments():
            data = _whole_lines(file)
            lines = [line for line in data.split(b"\n") if line]
            mask = test(_parsed(file, data, self._fields(fields))).fill_null(False)
            dropped = int((~mask).sum())
            if dropped:
                gone += dropped
                replace_file(file, b"".join(line + b"\n" for line in compress(lines, mask)))
        return gone

    @property
    def _age_file(self) -> Path:
        return self.folder / f"{self.name}.age"

    def _fields(self, names: Sequence[str] | None) -> dict[str, pl.DataType]:
        return dict(self.schema) if names is None else {name: self.schema[name] for name in names}

    def _last(self) -> Path:
        """Return the file to append to, a new one where the last is full."""
        files = self.segments()
        if files and files[-1].stat().st_size < self.limit:
            return files[-1]
        number = int(files[-1].stem.rpartition("-")[2]) + 1 if files else 1
        return self.folder / f"{self.name}-{number:05}.jsonl"

    def _catch_up(self) -> None:
        """Learn the keys of records that were added since the last call."""
        age = self._age_file.read_text() if self._age_file.exists() else ""
        if age != self._age:  # records were taken out
            self._read, self._keys, self._age = {}, self._keys.clear(), age
        for file in self.segments():
            start = self._read.get(file.name, 0)
            data = _whole_lines(file, start)
            if data:
                rows = _parsed(file, data, self._fields(self.key_fields))
                new = rows.select(self.key.hash().alias("_key"))["_key"]
                self._keys = pl.concat([self._keys, new]).unique()
            self._read[file.name] = start + len(data)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder for writing; it is made where it is missing.

    Raises:
        WorkspaceError: another process holds it for too long.
        StorageError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=PATIENCE)
        try:
            lock.acquire()
        except Timeout:
            raise WorkspaceError(f"{folder} is being written by another process", hint="try again later") from None
    try:
        yield
    finally:
        lock.release()


def _whole_lines(file: Path, start: int = 0) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        data = stream.read()
    return data[: data.rfind(b"\n") + 1]


def _parsed(file: Path, data: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    if not data:
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_ndjson(io.BytesIO(data), schema=schema)
    except pl.exceptions.PolarsError as error:
        raise CorruptArtifactError(
            f"{file} is damaged: {error}", hint="remove the line that is no JSON object; the others are still good"
        ) from None


def _append(file: Path, data: bytes) -> None:
    file.touch()
    with file.open("r+b", buffering=0) as stream:
        start = _after_last_line(stream)
        stream.seek(start)
        stream.truncate()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[stream.write(rest) :]
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(start)
            raise


def _after_last_line(stream: io.FileIO) -> int:
    """Return where the last whole line ends; what follows is half a line that a crash has left."""
    end = stream.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65_536)
        stream.seek(start)
        at = stream.read(end - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def replace_file(file: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file, whole or not at all."""
    with storage_errors(file):
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with aside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
