"""The texts that were written and what readers did with them, on record in the workspace: one SQLite file.

The file is in WAL mode and every change is one transaction, flushed to the disk before it is acknowledged: several
processes may write while others read, and a process that is killed leaves what was acknowledged and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl
from pydantic import TypeAdapter

from kgrec.artifacts import check_tables, storage_errors
from kgrec.errors import CorruptArtifactError, StorageError, WorkspaceError
from kgrec.plugin.domain import TextKind
from kgrec.plugin.generation import GeneratedText, Interest, TextRequest

FILE = Path("feedback", "feedback.sqlite")
"""Beside kgrec.toml, not among the artifacts: it cannot be made again."""

PATIENCE = 60.0
"""Seconds to wait for another writer."""

EVENTS = ("shown", "clicked", "dwelt", "converted", "rated", "edited", "accepted", "rejected")

VERDICTS = ("accepted", "edited", "rejected")
"""Events by which somebody decides on a text; the last one counts."""

EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("text_id", "event", "user_id"), pl.String()),
    "time": pl.Int64(),
    "value": pl.Float64(),
    **dict.fromkeys(("text", "event_id"), pl.String()),
    "violations": pl.List(pl.String()),
}
"""Of an event: ``value`` is seconds, money or a rating; ``text`` an editor's; ``violations`` what guards say of it."""

_TABLES = """
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, text_id TEXT NOT NULL UNIQUE, kind TEXT, lang TEXT, model TEXT, asked TEXT,
    variant TEXT, version TEXT, user_id TEXT, fallback INTEGER, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, text_id TEXT NOT NULL, event TEXT NOT NULL, user_id TEXT, time INTEGER,
    value REAL, text TEXT, event_id TEXT UNIQUE, violations TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS same_event ON events (
    text_id, event, ifnull(user_id, ''), ifnull(time, ''), ifnull(value, ''), ifnull(text, ''))
    WHERE event_id IS NULL;
CREATE INDEX IF NOT EXISTS user_of_text ON texts (user_id);
CREATE INDEX IF NOT EXISTS user_of_event ON events (user_id);
"""
"""What makes an event the same: its own id where it has one, else all that is known of it."""

_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A text and how it came to be: enough to judge, edit and learn from it later.

    Attributes:
        text: as written.
        time: unix seconds.
        asked: the generator or model that was asked; the template may have stepped in.
        version: of the prompt (or phrases) that was asked by.
        tone, noun: of the request.
        interests: of the request, their names.
        seed: of the draw.
    """

    text: GeneratedText
    time: int
    asked: str
    version: str
    tone: str
    noun: str
    interests: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, text: GeneratedText, request: TextRequest, *, asked: str, seed: int, now: float | None = None) -> Self:
        """Return the record of a text that answers ``request``, asked of ``asked``; ``now`` is the present if None."""
        at = int(time.time() if now is None else now)
        names = tuple(interest.name for interest in request.interests)
        return cls(
            replace(text, candidates=(), prompt_text=""),
            at,
            asked,
            request.version,
            request.tone,
            request.noun,
            names,
            seed,
        )

    def request(self, kind: TextKind) -> TextRequest:
        """Return the request that the text answered, as far as the record holds it."""
        return TextRequest(
            kind=kind,
            facts=self.text.facts,
            language=self.text.language,
            tone=self.tone,
            interests=tuple(Interest("entity", name, "", 0.0, 0) for name in self.interests),
            topics=self.text.topics,
            noun=self.noun,
            item_ids=self.text.item_ids,
            variant=self.text.variant,
            version=self.version,
        )

    def row(self) -> tuple[str | bool | None, ...]:
        """Return the values of :data:`TEXT_SCHEMA`, then all of the record as JSON."""
        text, document = self.text, _RECORD.dump_json(self).decode()
        by_prompt = (text.model, self.asked, text.variant, self.version)
        return text.text_id, text.kind, text.language, *by_prompt, text.user_id or None, text.fallback, document


_RECORD = TypeAdapter(TextRecord)

TEXT_SCHEMA: Mapping[str, type[pl.DataType]] = {
    **dict.fromkeys(("text_id", "kind", "lang", "model", "asked", "variant", "version", "user_id"), pl.String),
    "fallback": pl.Boolean,
}
"""Columns that texts are counted by; see :class:`TextRecord` and its text."""


@dataclass
class FeedbackStore:
    """Texts and events of a workspace; safe for several writers, readable while somebody writes.

    Attributes:
        root: folder of kgrec.toml.
    """

    root: Path

    @property
    def file(self) -> Path:
        """The SQLite file; made by the first text."""
        return self.root / FILE

    def add_texts(self, texts: Iterable[TextRecord]) -> int:
        """Record texts; those on record already are left. Returns how many were new."""
        with self._changed() as db:
            return _insert(db, "texts", (*TEXT_SCHEMA, "record"), (text.row() for text in texts))

    def add_events(self, rows: pl.DataFrame) -> tuple[int, list[str]]:
        """Record events of texts on record; an event that is on record already is left.

        Args:
            rows: of :data:`EVENT_SCHEMA`.

        Returns:
            How many were new, and the ids of texts that are not on record, whose events are not kept.
        """
        with self._changed() as db:
            ids = rows["text_id"].unique(maintain_order=True).to_list()
            known = {text_id for (text_id,) in db.execute(f"SELECT text_id FROM texts {_AMONG}", (json.dumps(ids),))}
            table = rows.filter(pl.col("text_id").is_in(list(known))).select(list(EVENT_SCHEMA))
            values = ((*row[:-1], None if row[-1] is None else json.dumps(row[-1])) for row in table.iter_rows())
            return _insert(db, "events", tuple(EVENT_SCHEMA), values), [one for one in ids if one not in known]

    def texts(self) -> pl.DataFrame:
        """Return the columns of :data:`TEXT_SCHEMA` of all texts, in the order of writing.

        Raises:
            CorruptArtifactError: the file is damaged.
        """
        rows = self._read(f"SELECT {', '.join(TEXT_SCHEMA)} FROM texts ORDER BY id")
        return pl.DataFrame(rows, schema=dict(TEXT_SCHEMA), orient="row")

    def records(self, ids: Iterable[str]) -> list[TextRecord]:
        """Return the texts of these ids that are on record, in the order of writing.

        Raises:
            CorruptArtifactError: the file is damaged.
        """
        rows = self._read(f"SELECT record FROM texts {_AMONG} ORDER BY id", (json.dumps(list(ids)),))
        return [_RECORD.validate_json(record) for (record,) in rows]

    def waiting(self, limit: int, kind: str = "", language: str = "") -> list[TextRecord]:
        """Return texts on which nobody has decided, in the order of writing; of all kinds and languages if empty.

        Raises:
            CorruptArtifactError: the file is damaged.
        """
        decided = "SELECT text_id FROM events WHERE event IN (SELECT value FROM json_each(?))"
        rows = self._read(
            f"SELECT record FROM texts WHERE text_id NOT IN ({decided})"
            " AND ? IN ('', kind) AND ? IN ('', lang) ORDER BY id LIMIT ?",
            (json.dumps(VERDICTS), kind, language, limit),
        )
        return [_RECORD.validate_json(record) for (record,) in rows]

    def events(self) -> pl.DataFrame:
        """Return all events, columns of :data:`EVENT_SCHEMA`, in the order of writing.

        Raises:
            CorruptArtifactError: the file is damaged.
        """
        rows = self._read(f"SELECT {', '.join(EVENT_SCHEMA)} FROM events ORDER BY id")
        found = pl.DataFrame(rows, schema={**EVENT_SCHEMA, "violations": pl.String()}, orient="row")
        return found.with_columns(pl.col("violations").str.json_decode(EVENT_SCHEMA["violations"]))

    def stamp(self) -> tuple[int, int]:
        """Return what changes whenever an event is added or removed."""
        rows = self._read("SELECT count(*), ifnull(max(id), 0) FROM events")
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def forget(self, user_id: str) -> tuple[int, int]:
        """Remove the texts written for a user with all their events, and whatever else the user did.

        Returns:
            How many texts and events were removed.
        """
        if not self.file.exists():
            return 0, 0
        with self._changed() as db:
            theirs = "text_id IN (SELECT text_id FROM texts WHERE user_id = ?)"
            events = db.execute(f"DELETE FROM events WHERE user_id = ? OR {theirs}", (user_id, user_id)).rowcount
            texts = db.execute("DELETE FROM texts WHERE user_id = ?", (user_id,)).rowcount
        with self._opened() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor do the pages waiting in the log tell of them
        return texts, events

    def _read(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if not self.file.exists():
            return []
        with self._opened() as db:
            return db.execute(query, parameters).fetchall()

    @contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction for writing; it is kept whole or, where anything fails, not at all."""
        with storage_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self.file):
            db = sqlite3.connect(self.file, timeout=PATIENCE, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA secure_delete = ON")  # who is forgotten leaves no bytes behind
                check_tables(db, self.file, _TABLES)
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'user_of_event'").fetchone():
                    db.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
                yield db
            finally:
                db.close()


_AMONG = "WHERE text_id IN (SELECT value FROM json_each(?))"


def _insert(db: sqlite3.Connection, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Add rows, leave those that are there already, and return how many were new."""
    before = db.total_changes
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    return db.total_changes - before


@contextmanager
def sqlite_errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into kgrec's, which say what is wrong with which file, and what to do.

    Raises:
        CorruptArtifactError: the file is damaged, or something else than SQLite.
        StorageError: no space left, or it cannot be written.
        WorkspaceError: another process holds it for too long.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # in the words of the error, of names in a damaged file
        hint = "restore it from a backup, or move it away to start a new one"
        raise CorruptArtifactError(f"{file} is damaged: {error}", hint=hint) from None
    except sqlite3.Error as error:
        code = (error.sqlite_errorcode or 0) & 0xFF  # the low byte is the kind, the rest says more
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise WorkspaceError(f"{file} is being written by another process", hint="try again later") from None
        if code == sqlite3.SQLITE_FULL:
            hint = "free some space and run the command again; nothing was lost"
            raise StorageError(f"no space left for {file}", hint=hint) from None
        if code in _UNWRITABLE:
            raise StorageError(
                f"{file} cannot be written: {error}", hint="check the disk and the permissions"
            ) from None
        raise CorruptArtifactError(
            f"{file} is damaged: {error}",
            hint=f'save what can be read, `sqlite3 {file.name} ".recover"`, or move the file away to start a new one',
        ) from None
