"""Bulk import and export: jobs that go on while requests are answered, with their progress."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from kgrec.artifacts import storage_errors
from kgrec.errors import KgrecError, NotFoundError
from kgrec.live.event_log import JOBS, BusyError
from kgrec.live.events import MAX_BATCH, Event, Id
from kgrec.live.records import Described
from kgrec.live.service import LiveService

MAX_IMPORT = 1 << 28
"""Bytes of an import at most."""
MOST, WAITING, KEPT_S = 100, 8, 86_400
"""Jobs that are remembered; those that may wait; seconds that a file is kept."""
FAULTS = 20
"""Faulty lines that are told."""

Kind = Literal["events", "items", "users", "lists"]


class ItemLine(Described):
    """A line of an import of items; ``deleted`` takes one out."""

    item_id: Id
    deleted: bool = False


class UserLine(Described):
    """A line of an import of users."""

    user_id: Id


@dataclass(slots=True)
class BulkJob:
    """A job and how far it is.

    Attributes:
        id, task, kind: what it does.
        state: ``waiting``, ``running``, ``done`` or ``failed``.
        done: lines read or written.
        total: of all lines, where it is known.
        rejected: lines that could not be used, of which the first are ``faults``.
        error: why it failed.
    """

    id: str
    task: Literal["import", "export"]
    kind: Kind
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    done: int = 0
    total: int | None = None
    rejected: int = 0
    faults: list[str] = field(default_factory=list)
    error: str = ""


class Jobs:
    """Runs one job after the other.

    Args:
        live: what is read and written.
        root: folder of kgrec.toml.
    """

    def __init__(self, live: LiveService, root: Path) -> None:
        self._live, self._folder = live, root / JOBS
        self._jobs: dict[str, BulkJob] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="kgrec-job")

    def new(self, task: Literal["import", "export"], kind: Kind) -> BulkJob:
        """Note a job.

        Raises:
            BusyError: too many wait.
        """
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob("*.ndjson"):
                with suppress(FileNotFoundError):  # a job that is done takes its file away meanwhile
                    if time.time() - old.stat().st_mtime > KEPT_S:
                        old.unlink()
        with self._lock:
            if sum(job.state == "waiting" for job in self._jobs.values()) >= WAITING:
                raise BusyError("too many jobs wait", hint="send it again when one is done")
            job = BulkJob(secrets.token_hex(8), task, kind)
            self._jobs[job.id] = job
            for key in [key for key, one in self._jobs.items() if one.state in ("done", "failed")][: -MOST or None]:
                del self._jobs[key]
        return job

    def file(self, job: BulkJob) -> Path:
        """Return where the lines of a job lie."""
        return self._folder / f"{job.id}.ndjson"

    def start(self, job: BulkJob) -> None:
        """Run a job when those before it are done."""
        self._pool.submit(self._run, job)

    def drop(self, job: BulkJob) -> None:
        """Forget a job whose lines never came in full."""
        self._jobs.pop(job.id, None)
        self.file(job).unlink(missing_ok=True)

    def find(self, job_id: str) -> BulkJob:
        """Return a job.

        Raises:
            NotFoundError: there is none.
        """
        if (job := self._jobs.get(job_id)) is None:
            raise NotFoundError(f"there is no job {job_id!r}", hint="jobs are forgotten when the server stops")
        return job

    def all(self) -> list[BulkJob]:
        """Return the jobs, the latest first."""
        return list(self._jobs.values())[::-1]

    def close(self) -> None:
        """Start no more; nobody can ask for the files of this server's jobs again."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for job in self.all():
            self.file(job).unlink(missing_ok=True)

    def _run(self, job: BulkJob) -> None:
        job.state = "running"
        try:
            (self._import if job.task == "import" else self._export)(job)
        except KgrecError as error:
            job.state, job.error = "failed", error.message
        except Exception:
            job.state, job.error = "failed", "unexpected error; the server's log says more"
            raise
        else:
            job.state = "done"
        finally:
            if job.task == "import":
                self.file(job).unlink(missing_ok=True)

    def _import(self, job: BulkJob) -> None:
        with storage_errors(self.file(job)), self.file(job).open("rb") as stream:
            job.total = sum(1 for line in stream if line.strip())
            stream.seek(0)
            batch: list[Event | ItemLine | UserLine] = []
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    batch.append(_read(job.kind, line))
                except ValidationError as error:
                    self._reject(job, f"line {number}: {error.errors()[0]['msg']}")
                if len(batch) == MAX_BATCH:
                    self._take(job, batch)
                    batch = []
            if batch:
                self._take(job, batch)

    def _reject(self, job: BulkJob, fault: str) -> None:
        job.rejected += 1
        job.done += 1
        if len(job.faults) < FAULTS:
            job.faults.append(fault[:300])

    def _take(self, job: BulkJob, batch: list[Event | ItemLine | UserLine]) -> None:
        events = [one for one in batch if isinstance(one, Event)]
        if events:
            self._live.append(events)
        items = [(one.item_id, None if one.deleted else _record(one)) for one in batch if isinstance(one, ItemLine)]
        if items:
            try:
                self._live.put_items(items)
            except NotFoundError as error:
                raise NotFoundError(f"{error.message} (lines {job.done + 1} to {job.done + len(batch)})") from None
        for one in batch:
            if isinstance(one, UserLine):
                self._live.put_user(one.user_id, _record(one))
        job.done += len(batch)

    def _export(self, job: BulkJob) -> None:
        with storage_errors(self.file(job)), self.file(job).open("w", encoding="utf-8") as out:
            for row in self._rows(job):
                if user := row.get("user_id"):
                    row = {**row, "user_id": self._live.names.shown(str(user))}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                job.done += 1

    def _rows(self, job: BulkJob) -> Iterator[dict[str, object]]:
        live = self._live
        if job.kind == "events":
            after, job.total = 0, live.log.newest()
            while (found := live.log.read(after)).height:
                yield from found.iter_rows(named=True)
                after = int(found["seq"][-1])
        elif job.kind == "lists":
            yield from live.log.list_records()
        elif job.kind == "items":
            catalogue = live.now.catalogue
            job.total = len(catalogue.positions)
            yield from (catalogue.shown(key) for key in catalogue.positions)
        else:
            people = live.records.people()
            job.total = len(people)
            yield from ({"user_id": key, **one.model_dump()} for key, one in people.items())


def _read(kind: Kind, line: bytes) -> Event | ItemLine | UserLine:
    if kind == "events":
        return Event.model_validate_json(line)
    return (ItemLine if kind == "items" else UserLine).model_validate_json(line)


def _record(line: ItemLine | UserLine) -> Described:
    return Described(title=line.title, description=line.description, attributes=line.attributes)
