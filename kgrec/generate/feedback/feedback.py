"""What readers did with texts that are on record: recorded, judged by the guards, made into pairs to learn from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from kgrec.data.pseudonyms import Pseudonyms
from kgrec.data.sources.files import LINE, read_source
from kgrec.errors import DataError, NotFoundError
from kgrec.generate.feedback.events import FeedbackReport, parse_events, rejected_rows
from kgrec.generate.feedback.store import EVENT_SCHEMA, VERDICTS, FeedbackStore, TextRecord
from kgrec.generate.kinds import TEMPLATE, cues_of, kinds_of
from kgrec.generate.parts import PROMPT
from kgrec.generate.prompts import render
from kgrec.generate.writer import Writer
from kgrec.plugin.domain import default_prompt
from kgrec.plugin.generation import MAIN

if TYPE_CHECKING:
    from kgrec.generate.service import TextService
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.manager import PluginManager

UNKNOWN = "no such text on record"
SHOWN_IDS = 10
"""Unknown ids that a report names."""

GOOD = 4.0
"""Ratings from this on accept a text; a lower one refuses it, clicked or not."""

Acceptance = Literal["edited", "accepted", "rated", "clicked"]
"""Why a text counts as accepted."""

_HINTS = {
    "unknown event": "shown, clicked, dwelt, converted, rated, edited, accepted or rejected",
    "no seconds": "give the seconds as value",
    "no rating": "give 1 to 5 as value",
    "no new text": "give the new text",
}


@dataclass(frozen=True, slots=True)
class AcceptedText:
    """A pair to learn from.

    Attributes:
        prompt: with the facts, as a language model would be asked now.
        text: what was accepted; the editor's where it was edited.
        kind: of the text.
        language: of the text.
        text_id: of the text as it was written.
        why: ``edited``, ``accepted``, ``rated`` or ``clicked``.
        model: who wrote it before it was edited.
        item_ids: what it is about.
    """

    prompt: str
    text: str
    kind: str
    language: str
    text_id: str
    why: Acceptance
    model: str
    item_ids: tuple[str, ...] = ()


class TextFeedback:
    """The texts on record (``generate.record``) and what readers did with them.

    Args:
        store: the record.
        domain: whose kinds of text they are.
        manager: the plugins, which read files.
        texts: what knows guards, names and prompts; asked only where one of them is needed.
    """

    def __init__(
        self, store: FeedbackStore, domain: Domain, manager: PluginManager, texts: Callable[[], TextService]
    ) -> None:
        self.store = store
        self._domain, self._manager, self._texts = domain, manager, texts

    def record(
        self,
        text_id: str,
        event: str,
        *,
        value: float | None = None,
        text: str | None = None,
        user: str | None = None,
        time: float | None = None,
        event_id: str | None = None,
    ) -> FeedbackReport:
        """Record what a reader did with a text that is on record.

        Args:
            text_id: as ``generate`` tells it.
            event: ``shown``, ``clicked``, ``dwelt``, ``converted``, ``rated``; of who decides on a text: ``accepted``,
                ``edited`` or ``rejected``, of which the last one counts.
            value: seconds of ``dwelt``, 1 to 5 of ``rated``, worth of ``converted`` if it has any.
            text: the new text of ``edited``; guards look at it, and what they object to is recorded, not refused. Of
                ``rejected`` the reason.
            user: who it was; None: the user for whom the text was written.
            time: unix seconds; None: now.
            event_id: an id of your own: the same id is the same event, whatever else it says.

        Raises:
            NotFoundError: no such text is on record.
            DataError: the event is none, or lacks what it needs.
        """
        at = int(_now() if time is None else time)
        row = {"value": value, "text": text, "user_id": user, "time": at, "event_id": event_id}
        cells = {**row, "text_id": text_id, "event": event, LINE: 1}
        # What a shell hands over need not be text.
        clean = {name: _printable(value) for name, value in cells.items()}
        raw = pl.DataFrame([clean], schema_overrides=dict.fromkeys(("text", "user_id", "event_id"), pl.String))
        found = self._stored(raw, "feedback", {name: name for name in cells if name != LINE})
        if found.unknown:
            raise self._unknown(text_id)
        if found.rejected:
            reason = next(iter(found.rejected))
            raise DataError(f"event {event!r} of text {text_id!r}: {reason}", hint=_HINTS.get(reason))
        return found

    def from_file(self, file: str | Path, *, columns: Mapping[str, str] | None = None) -> FeedbackReport:
        """Record the events of a file; those that are on record already are left, so it may be read twice.

        Args:
            file: csv, tsv, jsonl, parquet or what a plugin reads, with the columns text_id, event, and where there are
                such: value, text, user_id, time, event_id.
            columns: field -> column, where the names are others.

        Raises:
            NotFoundError: there is no such file.
            DataError: it cannot be read, or none of its rows can be used.
            ConfigError: a column is missing.
        """
        file = Path(file)
        found = self._stored(read_source(file, None, self._manager), file.name, columns or {})
        if found.rows and not (found.stored or found.duplicates):
            if found.unknown and set(found.rejected) == {UNKNOWN}:
                raise self._unknown(found.unknown[0])
            reason, count = next(iter(found.rejected.items()))
            first = found.rejects.row(0, named=True)
            raise DataError(
                f"no event of {file} can be used; {count} rows were left for: {reason}",
                hint=f"for example line {first['line']}: {first['row'][:200]}",
            )
        return found

    def forget(self, user: str) -> tuple[int, int]:
        """Remove the texts that were written for a user, the events on them, and the user's other events.

        Returns:
            How many texts and events were removed.
        """
        return self.store.forget(Pseudonyms.of(self.store.root).stored(user))

    def waiting(self, n: int = 100, *, kind: str | None = None, language: str | None = None) -> list[TextRecord]:
        """Return the first texts on record that nobody has accepted, edited or rejected.

        Args:
            n: at most so many.
            kind: only texts of this kind.
            language: only texts in this language.
        """
        return self.store.waiting(n, kind or "", language or "")

    def approved(self) -> list[tuple[TextRecord, str]]:
        """Return the texts that somebody accepted or edited, as they are to be sent, in the order of writing."""
        return [
            (record, text)
            for record, text, why in accepted_records(self.store, faulty_edits=True)
            if why in ("accepted", "edited")
        ]

    def objections(self, record: TextRecord, text: str) -> list[str]:
        """Return what guards have against another text in place of one on record."""
        return self._objections(Writer(self._texts().parts.guards()), record, text)

    def accepted(self, *, faulty_edits: bool = False) -> list[AcceptedText]:
        """Return the texts that were accepted, edited, rated 4 or better, or clicked, with the prompts they answer.

        They come in the order in which they were written; those whose kind there is no longer are left out.

        Args:
            faulty_edits: also take edits that guards object to; a model would learn to say what no fact bears out.
        """
        found = []
        for record, text, why in accepted_records(self.store, faulty_edits=faulty_edits):
            prompt = self._prompt_of(record)
            if prompt is not None:
                was = record.text
                told = (was.kind, was.language, was.text_id, why, was.model, was.item_ids)
                found.append(AcceptedText(prompt, text, *told))
        return found

    def _prompt_of(self, record: TextRecord) -> str | None:
        """Return the prompt that a text on record answers; of a text by the template, the one a model would get."""
        kind = kinds_of(self._domain).get(record.text.kind)
        if kind is None:
            return None
        variants = self._texts().variants.of(kind, record.text.language, PROMPT)
        chosen = variants.get(record.text.variant) if record.asked != TEMPLATE else None
        prompt = (chosen or variants[MAIN]).prompt or default_prompt(f"{kind.name}.{record.text.language}")
        return render(prompt, record.request(kind)) if prompt else None

    def _stored(self, raw: pl.DataFrame, where: str, columns: Mapping[str, str]) -> FeedbackReport:
        events, rejects = parse_events(raw, where, _now(), columns)
        events = events.with_columns(Pseudonyms.of(self.store.root).column(events["user_id"]))
        events = self._with_violations(events)
        stored, unknown = self.store.add_events(events.select(list(EVENT_SCHEMA)))
        gone = events.filter(pl.col("text_id").is_in(pl.Series(unknown, dtype=pl.String).implode()))
        lines = raw.join(gone.select(LINE), on=LINE, how="semi", maintain_order="left")
        reasons = pl.Series("reason", [UNKNOWN] * lines.height, dtype=pl.String)
        rejects = pl.concat([rejects, rejected_rows(lines, reasons, where)]).sort("line", maintain_order=True)
        return FeedbackReport(
            rows=raw.height,
            stored=stored,
            duplicates=events.height - gone.height - stored,
            rejected=dict(rejects["reason"].value_counts(sort=True).iter_rows()),
            unknown=tuple(unknown[:SHOWN_IDS]),
            rejects=rejects,
            faulty_edits=int((events["violations"].list.len() > 0).sum()),
        )

    def _with_violations(self, events: pl.DataFrame) -> pl.DataFrame:
        """Let the guards look at edited texts. What an editor wrote is kept in any case; that is said beside it."""
        edits = events.filter(pl.col("event") == "edited")
        if not edits.height:
            return events
        records = {record.text.text_id: record for record in self.store.records(edits["text_id"])}
        writer = Writer(self._texts().parts.guards())
        found = {
            line: self._objections(writer, records[text_id], text)
            for line, text_id, text in edits.select(LINE, "text_id", "text").rows()
            if text_id in records
        }
        told = pl.DataFrame(
            {LINE: list(found), "violations": list(found.values())},
            schema={LINE: events.schema[LINE], "violations": pl.List(pl.String)},
        )
        return events.drop("violations").join(told, on=LINE, how="left", maintain_order="left")

    def _objections(self, writer: Writer, record: TextRecord, text: str) -> list[str]:
        kind = kinds_of(self._domain).get(record.text.kind)
        if kind is None:
            return []
        request = replace(
            record.request(kind),
            known=self._texts().names,
            cues=cues_of(self._domain, record.text.language),
            synonyms=self._domain.synonyms,
            allowed=self._domain.may_say,
            private=(record.text.user_id,) if record.text.user_id else (),
        )
        return [f"{found.guard}: {found.message}" for found in writer.check(request, text)]

    def _unknown(self, text_id: str) -> NotFoundError:
        known = self.store.texts()["text_id"].to_list()
        if not known:
            return NotFoundError(
                f"unknown text {text_id!r}: no text is on record", hint="set generate.record = true, then write texts"
            )
        return NotFoundError.of("text", text_id, known, where="the record")


def accepted_records(store: FeedbackStore, *, faulty_edits: bool = False) -> list[tuple[TextRecord, str, Acceptance]]:
    """Return the records of accepted texts, what was accepted (the editor's text where there is one), and why.

    What somebody rejected is not accepted by clicks or ratings.

    Args:
        store: the record.
        faulty_edits: also take edits that guards object to.
    """
    value, event = pl.col("value"), pl.col("event")
    events = store.events().sort("time", nulls_last=False, maintain_order=True)
    edited, decided = event == "edited", event.is_in(VERDICTS)
    faulty = pl.col("violations").list.len().fill_null(0) > 0
    verdicts = events.group_by("text_id", maintain_order=True).agg(
        event.filter(decided).last().alias("verdict"),
        pl.col("text").filter(edited).last().alias("edit"),
        faulty.filter(edited).last().fill_null(False).alias("faulty"),
        value.filter(event == "rated").last().alias("rating"),
        (event == "clicked").any().alias("clicked"),
    )
    why = (
        pl.when(pl.col("verdict").is_in(["edited", "accepted"]))
        .then(pl.col("verdict"))
        .when(pl.col("verdict") == "rejected")
        .then(None)
        .when(pl.col("rating") >= GOOD)
        .then(pl.lit("rated"))
        .when(pl.col("rating").is_null() & pl.col("clicked"))
        .then(pl.lit("clicked"))
    )
    chosen = verdicts.with_columns(why=why).filter(pl.col("why").is_not_null())
    if not faulty_edits:
        chosen = chosen.filter(~((pl.col("why") == "edited") & pl.col("faulty")))
    found = {
        text_id: (edit if why == "edited" else None, why)
        for text_id, edit, why in chosen.select("text_id", "edit", "why").iter_rows()
    }
    records = [(record, *found[record.text.text_id]) for record in store.records(found)]
    return [(record, record.text.text if edit is None else edit, why) for record, edit, why in records]


def _now() -> float:
    return time.time()


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
