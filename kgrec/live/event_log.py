"""The log of events: one SQLite file in WAL mode, in which every acknowledged event is on the disk exactly once.

Writers do not write themselves: a single thread commits whatever waits in one transaction (group commit) with
``synchronous=FULL``, and only then are they told. So thousands of small batches a second cost some dozens of flushes.
Other processes on the same workspace see what was committed by reading on from the last ``seq`` they know.
"""

from __future__ import annotations

import json
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic_core import to_json

from kgrec.artifacts import check_tables, replacing, storage_errors
from kgrec.errors import CorruptArtifactError, StorageError
from kgrec.live.events import Event

FILE = Path("live", "events.sqlite")
"""Beside kgrec.toml, not among the artifacts: it cannot be made again."""

SESSION = "session"
"""Kind of the records that say whose a session was found to be."""

FORGETS = "forgets"
"""Under this name the log counts how often somebody was forgotten, for other processes that hold what it held."""

EXPORTS = Path("live", "export")
"""Where closed parts of the log lie as parquet, for `kgrec build-graph --append`."""

JOBS = Path("live", "jobs")
"""Where a server's bulk jobs keep their lines for a day."""

FORMAT = 1
"""Version of the tables."""

PATIENCE = 10.0
"""Seconds to wait for another process that writes."""

WAITING = 512
"""Calls that may wait for a commit; what comes beyond is refused, not queued."""

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, user_id TEXT NOT NULL, item_id TEXT,
    action TEXT NOT NULL, value REAL, time REAL NOT NULL, text TEXT, rec_id TEXT);
CREATE INDEX IF NOT EXISTS of_user ON events (user_id);
CREATE INDEX IF NOT EXISTS of_list ON events (rec_id) WHERE rec_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS lists (
    rec_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, time REAL NOT NULL, record TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS list_of_user ON lists (user_id);
CREATE INDEX IF NOT EXISTS list_by_time ON lists (time);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    rev INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, time REAL NOT NULL, record TEXT);
"""

_COLUMNS = ("event_id", "user_id", "item_id", "action", "value", "time", "text", "rec_id")
_INSERT = f"INSERT OR IGNORE INTO events ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "seq": pl.Int64,
    **dict.fromkeys(("event_id", "user_id", "item_id", "action"), pl.String),
    "value": pl.Float64,
    "time": pl.Float64,
    **dict.fromkeys(("text", "rec_id"), pl.String),
}
"""Columns of events that are read."""


class BusyError(StorageError):
    """More calls wait for the log than it can take; trying again in a moment helps."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch.

    Attributes:
        seq: of the newest event in the log; who has read up to it has read the batch.
        new: events that were not in the log yet.
        known: events that were, by their ``event_id``.
    """

    seq: int
    new: int
    known: int


@dataclass(frozen=True, slots=True)
class _Job:
    rows: Sequence[tuple[Any, ...]]
    lists: Sequence[tuple[str, str, float, str]]
    done: Future[Appended]


class _Connection(threading.local):
    """The connection of each thread."""

    db: sqlite3.Connection | None = None


class EventLog:
    """The log of a workspace; safe for many threads and several processes.

    Args:
        root: folder of kgrec.toml.
    """

    def __init__(self, root: Path) -> None:
        self.file = root / FILE
        with storage_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._local = _Connection()
        with self.connection() as db:  # fails here rather than in the thread
            check_tables(db, self.file, _TABLES)
            db.executescript(_TABLES)
            found = db.execute("SELECT value FROM state WHERE name = 'format'").fetchone()
            if found is None:
                db.execute("INSERT OR IGNORE INTO state VALUES ('format', ?)", (str(FORMAT),))
            elif found[0] != str(FORMAT):
                raise CorruptArtifactError(
                    f"{self.file} has format {found[0]!r}, this kgrec reads {FORMAT}",
                    hint="install the kgrec that wrote it, or export its events with that one",
                )
        self._closed = False
        self._thread = threading.Thread(target=self._write, name="kgrec-event-log", daemon=True)
        self._thread.start()

    def append(self, events: Sequence[Event], *, now: float | None = None) -> Future[Appended]:
        """Log events; the future is done when they are on the disk.

        Args:
            events: in the order in which they count.
            now: unix seconds of those without a time; None: the present.

        Raises:
            BusyError: too many calls wait already.
        """
        at = time.time() if now is None else now
        rows = [
            (e.event_id, e.user_id, e.item_id, e.action, e.value, at if e.time is None else e.time, e.text, e.rec_id)
            for e in events
        ]
        return self._submit(_Job(rows, (), Future()))

    def keep_list(self, rec_id: str, user_id: str, record: Mapping[str, Any], at: float) -> Future[Appended]:
        """Keep the receipt of a list that was served, JSON values.

        Raises:
            BusyError: too many calls wait already.
        """
        text = to_json(record).decode()
        return self._submit(_Job((), ((rec_id, user_id, at, text),), Future()))

    def _submit(self, job: _Job) -> Future[Appended]:
        if self._closed:
            raise StorageError(f"{self.file} is closed")
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise BusyError("the event log cannot keep up", hint="send again after a moment") from None
        return job.done

    def _write(self) -> None:
        """Commit what waits, again and again; a failure is told to those who wait, and the thread goes on."""
        while True:
            jobs = [self._jobs.get()]
            while len(jobs) < WAITING:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            found = [job for job in jobs if job is not None]
            try:
                if found:
                    self._commit(found)
            except Exception as error:  # whoever waits is told, and the thread lives on
                for job in found:
                    if not job.done.done():
                        job.done.set_exception(_told(self.file, error))
            if len(found) < len(jobs):
                return

    def _commit(self, jobs: Sequence[_Job]) -> None:
        answers = []
        with self.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                for job in jobs:
                    before = db.total_changes
                    db.executemany(_INSERT, job.rows)
                    new = db.total_changes - before
                    db.executemany("INSERT OR IGNORE INTO lists VALUES (?, ?, ?, ?)", job.lists)
                    answers.append((new, len(job.rows) - new))
                seq = _newest(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        for job, (new, known) in zip(jobs, answers, strict=True):
            job.done.set_result(Appended(seq, new, known))

    def flush(self) -> None:
        """Wait until what was handed over before is on the disk."""
        self._submit(_Job((), (), Future())).result(timeout=60)

    def newest(self) -> int:
        """Return the ``seq`` of the newest event, 0 of an empty log."""
        with self.connection() as db:
            return _newest(db)

    def read(self, after: int, most: int = 50_000) -> pl.DataFrame:
        """Return events of :data:`SCHEMA` with a ``seq`` above ``after``, in their order."""
        columns = ", ".join(SCHEMA)
        return self._frame(f"SELECT {columns} FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, most))

    def of_users(self, user_ids: Sequence[str]) -> pl.DataFrame:
        """Return all events of some users, columns of :data:`SCHEMA`, in the order of ``seq``."""
        marks = ", ".join("?" * len(user_ids))
        query = f"SELECT {', '.join(SCHEMA)} FROM events WHERE user_id IN ({marks}) ORDER BY seq"
        return self._frame(query, tuple(user_ids))

    def merge(self, session: str, user_id: str) -> None:
        """Note that a session was of a user, as a change of :class:`kgrec.live.records.Records`."""
        with self.connection() as db:
            row = (SESSION, session, time.time(), json.dumps(user_id))
            db.execute("INSERT INTO records (kind, id, time, record) VALUES (?, ?, ?, ?)", row)

    def merged(self, rev: int | None = None) -> dict[str, str]:
        """Return whose the sessions are that were merged by then (a number of changes), or by now: session -> user."""
        with self.connection() as db:
            query = "SELECT id, record FROM records WHERE kind = ? AND rev <= ? ORDER BY rev"
            rows = db.execute(query, (SESSION, 2**62 if rev is None else rev)).fetchall()
        found: dict[str, str] = {str(session): json.loads(owner) for session, owner in rows}
        for key in found:  # a session of a session is of the same person
            passed = {key}
            while (owner := found[key]) in found and owner not in passed:
                passed.add(owner)
                found[key] = found[owner]
        return found

    def of_lists(self, after: int = 0) -> pl.DataFrame:
        """Return events with a ``seq`` above ``after`` that name the list of their item, columns of :data:`SCHEMA`."""
        query = f"SELECT {', '.join(SCHEMA)} FROM events WHERE rec_id IS NOT NULL AND seq > ? ORDER BY seq"
        return self._frame(query, (after,))

    def _frame(self, query: str, parameters: tuple[Any, ...]) -> pl.DataFrame:
        with self.connection() as db:
            return pl.DataFrame(db.execute(query, parameters).fetchall(), schema=dict(SCHEMA), orient="row")

    def list_record(self, rec_id: str) -> dict[str, Any] | None:
        """Return the receipt of a list, or None."""
        with self.connection() as db:
            found = db.execute("SELECT record FROM lists WHERE rec_id = ?", (rec_id,)).fetchone()
        return None if found is None else json.loads(found[0])

    def shown(self, experiment: str, action: str) -> pl.DataFrame:
        """Count what users of an experiment were shown: ``variant``, ``user_id``, ``lists``, and ``hits``.

        Args:
            experiment: its name.
            action: a list is a hit where an event of this kind names it.
        """
        query = """SELECT json_extract(record, '$.variant'), user_id, count(*),
            sum(rec_id IN (SELECT rec_id FROM events WHERE action = ? AND rec_id IS NOT NULL))
            FROM lists WHERE json_extract(record, '$.experiment') = ? GROUP BY 1, 2 ORDER BY 1, 2"""
        schema = {"variant": pl.String, "user_id": pl.String, "lists": pl.Int64, "hits": pl.Int64}
        with self.connection() as db:
            return pl.DataFrame(db.execute(query, (action, experiment)).fetchall(), schema=schema, orient="row")

    def list_records(self, since: float = 0.0) -> Iterator[dict[str, Any]]:
        """Iterate over the receipts of lists made since a moment (unix seconds), oldest first."""
        with self.connection() as db:
            for (record,) in db.execute("SELECT record FROM lists WHERE time >= ? ORDER BY time", (since,)):
                yield json.loads(record)

    def thin(self, before: float, most: int = 1_000) -> int:
        """Remove receipts made before a moment (unix seconds), at most so many at once; returns how many."""
        query = "DELETE FROM lists WHERE rec_id IN (SELECT rec_id FROM lists WHERE time < ? ORDER BY time LIMIT ?)"
        with self.connection() as db:
            return db.execute(query, (before, most)).rowcount

    def state(self, name: str) -> str | None:
        """Return what :meth:`set_state` kept last, or None."""
        with self.connection() as db:
            found = db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_state(self, name: str, value: str) -> None:
        """Keep a small value, such as up to where events were exported."""
        with self.connection() as db:
            db.execute(
                "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
            )

    def forget(self, user_id: str) -> tuple[int, int]:
        """Remove the events and receipts of a user and her sessions, exported ones too; returns how many of each."""
        ids = [user_id, *(session for session, owner in self.merged().items() if owner == user_id)]
        events, lists = _forget_files(self.file.parent, ids), 0  # first: while it is known whose the sessions are
        with self.connection() as db:
            for key in ids:
                events += db.execute("DELETE FROM events WHERE user_id = ?", (key,)).rowcount
                lists += db.execute("DELETE FROM lists WHERE user_id = ?", (key,)).rowcount
                db.execute("DELETE FROM records WHERE kind <> 'item' AND id = ?", (key,))
            db.execute(
                "INSERT INTO state VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = value + 1", (FORGETS,)
            )
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor do the pages waiting in the log tell of them
        return events, lists

    def export(self, folder: Path) -> Path | None:
        """Write the events since the last export as a parquet file that ``kgrec build-graph --append`` reads.

        The file is complete before the log remembers it; killed between the two, the same file is written again.

        Returns:
            The file, named by its first and last ``seq``; None where nothing came.
        """
        after = int(self.state("exported") or 0)
        found = self.read(after, most=10_000_000)
        if not found.height:
            return None
        owners = self.merged()
        found = found.with_columns(pl.col("user_id").replace(owners)) if owners else found
        last = int(found["seq"][-1])
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"events-{after + 1:012d}-{last:012d}.parquet"
        time = pl.col("time").cast(pl.Int64).alias("timestamp")
        table = found.select("user_id", "item_id", "action", pl.col("value").alias("rating"), time, "text")
        with replacing(target) as aside:
            table.write_parquet(aside)
        self.set_state("exported", str(last))
        return target

    def close(self) -> None:
        """Commit what waits, and stop."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open this thread's connection, in autocommit; SQLite's errors become kgrec's."""
        try:
            db = self._local.db
            if db is None:
                db = sqlite3.connect(self.file, timeout=PATIENCE, isolation_level=None)
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute("PRAGMA secure_delete=ON")
                self._local.db = db
            yield db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise _told(self.file, error) from None


def forget_live(root: Path, user_id: str) -> int:
    """Remove what came of a user while serving from a workspace; returns how much it was."""
    if not (root / FILE).exists():
        return _forget_files(root / FILE.parent, [user_id])
    log = EventLog(root)
    try:
        return sum(log.forget(user_id))
    finally:
        log.close()


def _forget_files(folder: Path, ids: Sequence[str]) -> int:
    """Take users out of exported parts, and delete the lines of jobs, which hold everybody; returns how many events."""
    removed = 0
    for file in sorted((folder / EXPORTS.name).glob("events-*.parquet")):
        table = pl.read_parquet(file)
        kept = table.filter(~pl.col("user_id").is_in(ids))
        if kept.height < table.height:
            removed += table.height - kept.height
            with replacing(file) as aside:
                kept.write_parquet(aside)
    for file in (folder / JOBS.name).glob("*.ndjson"):
        file.unlink(missing_ok=True)
    return removed


def built_seq(paths: Iterable[str]) -> int:
    """Return the ``seq`` of the last event that stands in one of the files that :meth:`EventLog.export` wrote."""
    found = (re.fullmatch(r"events-\d{12}-(\d{12})\.parquet", Path(path).name) for path in paths)
    return max((int(match[1]) for match in found if match), default=0)


def _newest(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()[0])


def _told(file: Path, error: Exception) -> Exception:
    """Return an error of SQLite as one that says what to do."""
    if isinstance(error, UnicodeDecodeError):  # in the words of the error, of names in a damaged file
        return CorruptArtifactError(f"{file} is damaged: {error}", hint="restore it from a backup, or move it away")
    if not isinstance(error, sqlite3.Error):
        return error
    code = vars(error).get("sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptArtifactError(f"{file} is damaged: {error}", hint="restore it from a backup, or move it away")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BusyError(f"{file} is held by another process", hint="send again after a moment")
    return StorageError(f"{file} cannot be written: {error}", hint="check the disk's free space and permissions")
