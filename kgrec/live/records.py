"""What was put while serving: items and users with what is known of them.

Nothing is overwritten: each change has a number, so that a list can be made again from what was known then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from kgrec.live.event_log import EventLog
from kgrec.live.events import Strict

Kind = Literal["item", "user", "session", "edits"]
Word = Annotated[str, StringConstraints(max_length=1_000)]
Value = Word | float
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Attributes = Annotated[dict[Label, Value | Annotated[list[Word], Field(max_length=200)]], Field(max_length=200)]


class Described(Strict):
    """What is known of an item or a user.

    Attributes:
        title: of an item.
        description: of an item, or the user's own words.
        attributes: by their names in the catalogue; several values as a list.
    """

    title: Word | None = None
    description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    attributes: Attributes = {}  # noqa: RUF012


class Changes(Strict):
    """Fields to change of :class:`Described`; an attribute that is null goes."""

    title: Word | None = None
    description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    attributes: Annotated[
        dict[Label, Value | Annotated[list[Word], Field(max_length=200)] | None], Field(max_length=200)
    ] = {}  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A change of an item or a user; ``record`` is None where it was deleted."""

    rev: int
    kind: Kind
    id: str
    record: Described | None


class Records:
    """The changes of a workspace, in their order; safe for many threads and several processes."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._lock = log, threading.Lock()
        self._changes: list[RecordChange] = []
        self.rev = 0
        """Number of the last change that is in memory."""
        self._people: dict[str, list[RecordChange]] = {}
        self.edits: dict[str, str] = {}
        """What users changed by hand of their profiles, JSON; see :class:`kgrec.live.edits.Edits`."""
        self.refresh()

    def refresh(self) -> bool:
        """Read what other processes changed; says whether anything was."""
        with self._lock, self._log.connection() as db:
            rows = db.execute("SELECT rev, kind, id, record FROM records WHERE rev > ? ORDER BY rev", (self.rev,))
            before = self.rev
            for rev, kind, key, text in rows:
                if kind == "edits":
                    self.edits[key] = text
                elif kind in ("item", "user"):
                    one = RecordChange(rev, kind, key, None if text is None else Described.model_validate_json(text))
                    self._changes.append(one)
                    if kind == "user":
                        self._people.setdefault(key, []).append(one)
                self.rev = rev
        return self.rev > before

    def put(self, kind: Kind, records: Sequence[tuple[str, Described | str | None]]) -> None:
        """Note what is known of things by now; None: deleted. On the disk when this returns."""
        at = time.time()
        rows = [(kind, key, at, one.model_dump_json() if isinstance(one, Described) else one) for key, one in records]
        with self._log.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany("INSERT INTO records (kind, id, time, record) VALUES (?, ?, ?, ?)", rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        self.refresh()

    def forget(self, user_id: str) -> None:
        """Drop what is in memory about a user."""
        with self._lock:
            self._changes = [one for one in self._changes if one.kind == "item" or one.id != user_id]
            self._people.pop(user_id, None)
            self.edits.pop(user_id, None)

    def item_rev(self, upto: int) -> int:
        """Return the number of the last change of an item by then."""
        return next((one.rev for one in reversed(self._changes) if one.kind == "item" and one.rev <= upto), 0)

    def items(self, upto: int, after: int = 0) -> dict[str, Described | None]:
        """Return what was put of items, None of what was deleted; changes above ``after`` and up to ``upto`` count."""
        return {one.id: one.record for one in list(self._changes) if one.kind == "item" and after < one.rev <= upto}

    def people(self) -> dict[str, Described]:
        """Return what is known of each user of whom something was put."""
        return {key: self.person(key) for key in list(self._people)}

    def person(self, user_id: str, upto: int | None = None) -> Described:
        """Return what was put of a user by then; empty where nothing was."""
        changes = [one for one in self._people.get(user_id, ()) if upto is None or one.rev <= upto]
        return (changes[-1].record if changes else None) or Described()


def merged(old: Described, new: dict[str, Any]) -> Described:
    """Return a record with some of its fields replaced; an attribute that is null goes."""
    attributes = {**old.attributes, **(new.pop("attributes", None) or {})}
    kept = {key: value for key, value in attributes.items() if value is not None}
    return Described.model_validate({**old.model_dump(), **new, "attributes": kept})
