"""The texts that were written and what readers did with them, on record in the workspace."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.generate.feedback.log import SEGMENT_BYTES, Log, writing
from kgrec.plugin.domain import TextKind
from kgrec.plugin.generation import Fact, GeneratedText, Interest, TextRequest

FOLDER = "feedback"
"""Beside kgrec.toml, not among the artifacts: it cannot be made again."""

EVENTS = ("shown", "clicked", "dwelt", "converted", "rated", "edited")

_TEXT = pl.String()
_TEXTS = pl.List(pl.String())
FACT: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("id", "type", "name", "value", "label", "unit"), _TEXT),
    "number": pl.Float64(),
    "aliases": _TEXTS,
    "source": _TEXT,
    "subject": _TEXT,
}
TEXT_SCHEMA: Mapping[str, pl.DataType] = {
    "text_id": _TEXT,
    "time": pl.Int64(),
    "text": _TEXT,
    **dict.fromkeys(("kind", "lang", "tone", "model", "asked", "variant", "version", "prompt", "user_id"), _TEXT),
    "item_ids": _TEXTS,
    "facts": pl.List(pl.Struct(FACT)),
    "interests": _TEXTS,
    "topics": _TEXTS,
    "noun": _TEXT,
    "seed": pl.Int64(),
    "repaired": pl.Boolean(),
    "fallback": pl.Boolean(),
}
"""Of a text: ``model`` wrote it, ``asked`` was asked to, by the prompt (or phrases) ``variant`` of this ``version``."""

EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    "text_id": _TEXT,
    "event": _TEXT,
    "user_id": _TEXT,
    "time": pl.Int64(),
    "value": pl.Float64(),
    "text": _TEXT,
    "event_id": _TEXT,
    "violations": _TEXTS,
}
"""Of an event: ``value`` is seconds, money or a rating; ``text`` an editor's; ``violations`` what guards say of it."""

_IDENTITY = ("text_id", "event", "user_id", "time", "value", "text")
_PARTS = [pl.col(name).cast(pl.String).fill_null("\0") for name in _IDENTITY]
EVENT_KEY = (
    pl.when(pl.col("event_id").is_not_null())
    .then(pl.concat_str([pl.lit("id"), pl.col("event_id")], separator="\x1f"))
    .otherwise(pl.concat_str(_PARTS, separator="\x1f"))
)
"""What makes an event the same: its own id where it has one, else all that is known of it."""


@dataclass
class FeedbackStore:
    """Texts and events of a workspace; safe for several writers, readable while somebody writes.

    Attributes:
        root: folder of kgrec.toml.
        limit: bytes of a file before a new one is begun.
    """

    root: Path
    limit: int = SEGMENT_BYTES

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.root / FOLDER

    @cached_property
    def texts(self) -> Log:
        """The texts on record."""
        return Log(self.folder, "texts", TEXT_SCHEMA, pl.col("text_id"), ("text_id",), self.limit)

    @cached_property
    def events(self) -> Log:
        """The events on record."""
        return Log(self.folder, "events", EVENT_SCHEMA, EVENT_KEY, (*_IDENTITY, "event_id"), self.limit)

    def add_texts(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Record texts as :func:`text_row` tells them; those on record already are left. Returns how many were new."""
        frame = pl.DataFrame(list(rows), schema=TEXT_SCHEMA)
        with writing(self.folder):
            return _add(self.texts, frame)

    def add_events(self, rows: pl.DataFrame) -> tuple[int, list[str]]:
        """Record events of texts on record; an event that is on record already is left.

        Args:
            rows: of :data:`EVENT_SCHEMA`.

        Returns:
            How many were new, and the ids of texts that are not on record, whose events are not kept.
        """
        with writing(self.folder):
            known = self.texts.known(rows)
            unknown = rows.filter(~known)["text_id"].unique(maintain_order=True).to_list()
            return _add(self.events, rows.filter(known)), unknown

    def forget(self, user_id: str) -> tuple[int, int]:
        """Remove the texts written for a user with all their events, and whatever else the user did.

        Returns:
            How many texts and events went.
        """
        theirs = pl.col("user_id") == user_id
        with writing(self.folder):
            ids = pl.concat(
                [f.filter(theirs)["text_id"] for f in self.texts.frames(["text_id", "user_id"])]
                or [pl.Series("text_id", [], dtype=pl.String)]
            ).implode()
            stays = ~(pl.col("text_id").is_in(ids) | theirs.fill_null(False))
            # Events first: interrupted in between, the texts are still there to say whose events are left.
            events = self.events.keep(["text_id", "user_id"], lambda f: f.select(stays.alias("stays"))["stays"])
            texts = self.texts.keep(["text_id", "user_id"], lambda f: f.select(stays.alias("stays"))["stays"])
        return texts, events


def _add(log: Log, rows: pl.DataFrame) -> int:
    once = rows.with_columns(log.key.alias("_key")).unique("_key", keep="first", maintain_order=True)
    new = once.filter(~log.known(once))
    if new.height:
        log.append(new)
    return new.height


def text_row(text: GeneratedText, request: TextRequest, *, asked: str, seed: int, now: float | None = None) -> Any:
    """Return what is kept of a text: how it came to be, so that it can be judged, edited and learned from later.

    Args:
        text: as written.
        request: what was wanted.
        asked: the model that was asked, as named by whoever asked; the template may have stepped in.
        seed: of the draw.
        now: unix seconds; by default the present.
    """
    return {
        "text_id": text.text_id,
        "time": int(time.time() if now is None else now),
        "text": text.text,
        "kind": text.kind,
        "lang": text.language,
        "tone": request.tone,
        "model": text.model,
        "asked": asked,
        "variant": request.variant,
        "version": request.version,
        "prompt": text.prompt or None,
        "user_id": text.user_id or None,
        "item_ids": list(text.item_ids),
        "facts": [
            {**{name: getattr(fact, name) for name in FACT}, "aliases": list(fact.aliases)} for fact in text.facts
        ],
        "interests": [interest.name for interest in request.interests],
        "topics": list(request.topics),
        "noun": request.noun,
        "seed": seed,
        "repaired": text.repaired,
        "fallback": text.fallback,
    }


def request_of(row: Mapping[str, Any], kind: TextKind) -> TextRequest:
    """Return the request that a text on record answered, as far as the record holds it."""
    return TextRequest(
        kind=kind,
        facts=tuple(Fact(**{**fact, "aliases": tuple(fact["aliases"] or ())}) for fact in row["facts"] or ()),
        language=row["lang"],
        tone=row["tone"],
        interests=tuple(Interest("entity", name, "", 0.0, 0) for name in row["interests"] or ()),
        topics=tuple(row["topics"] or ()),
        noun=row["noun"],
        item_ids=tuple(row["item_ids"] or ()),
        variant=row["variant"],
        version=row["version"],
    )
