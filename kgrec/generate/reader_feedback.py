"""Feedback on generated texts: recorded, judged, measured, and made into pairs to learn from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kgrec.data.sources import read_source
from kgrec.data.sources.files import LINE
from kgrec.errors import DataError, NotFoundError
from kgrec.generate.feedback.accepted import AcceptedText, accepted_texts
from kgrec.generate.feedback.events import FeedbackReport, parse_events, rejected_rows
from kgrec.generate.feedback.store import EVENT_SCHEMA, request_of, text_row
from kgrec.generate.kinds import cues_of, kinds_of
from kgrec.generate.pipeline import Writer
from kgrec.generate.prompts import render
from kgrec.generate.variants import TEMPLATE
from kgrec.plugin.generation import MAIN, GeneratedText, TextRequest, default_prompt

if TYPE_CHECKING:
    from kgrec.evaluate.responses import ResponseGroup
    from kgrec.generate.options import GenerateOptions
    from kgrec.generate.service import TextService
    from kgrec.project import Project

UNKNOWN = "no such text on record"
SHOWN_IDS = 10
"""Unknown ids that a report names."""


@dataclass(frozen=True)
class FeedbackEvaluation:
    """What readers made of the texts.

    Attributes:
        window_hours: how long they had to react.
        reward: what variants are tried for.
        texts: on record.
        pending: exposures that are too young to be judged.
        unshown: events of texts that their reader was never shown, by the record; they count nowhere.
        late: clicks and conversions after the window; they count as none.
        groups: the figures.
        best: label of a variant's group -> how likely it is that its rate is the highest of its kind, language and
            model; only where there are several variants.
    """

    window_hours: float
    reward: str
    texts: int
    pending: int
    unshown: int
    late: int
    groups: tuple[ResponseGroup, ...]
    best: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        document = {
            name: getattr(self, name) for name in ("window_hours", "reward", "texts", "pending", "unshown", "late")
        }
        groups = [{**group.to_dict(), "best": self.best.get(group.label)} for group in self.groups]
        return {**document, "groups": groups}


def record(
    text_service: TextService, requests: Sequence[TextRequest], texts: Sequence[GeneratedText], wish: GenerateOptions
) -> None:
    """Keep texts on record; see :meth:`kgrec.generate.service.TextService.record`."""
    asked, seed = text_service.named(wish), text_service.seed(wish)
    rows = [text_row(text, request, asked=asked, seed=seed) for text, request in zip(texts, requests, strict=True)]
    text_service.project.feedback_store.add_texts(rows)


def one_event(project: Project, text_id: str, event: str, row: Mapping[str, Any]) -> FeedbackReport:
    """Record one event; see :meth:`kgrec.project.Project.feedback`."""
    now = time.time()
    at = row["time"] if row["time"] is not None else now
    cells = {**row, "time": int(at), "text_id": text_id, "event": event, LINE: 1}
    # What a shell hands over need not be text.
    clean = {name: _printable(value) for name, value in cells.items()}
    raw = pl.DataFrame([clean], schema_overrides=dict.fromkeys(("text", "user_id", "event_id"), pl.String))
    found = _stored(project, raw, "feedback", {name: name for name in row} | {"text_id": "text_id", "event": "event"})
    if found.unknown:
        raise _unknown(project, text_id)
    if found.rejected:
        reason = next(iter(found.rejected))
        raise DataError(f"event {event!r} of text {text_id!r}: {reason}", hint=_HINTS.get(reason))
    return found


_HINTS = {
    "unknown event": "shown, clicked, dwelt, converted, rated or edited",
    "no seconds": "give the seconds as value",
    "no rating": "give 1 to 5 as value",
    "no new text": "give the new text",
}


def events_of_file(project: Project, file: Path, columns: Mapping[str, str]) -> FeedbackReport:
    """Record the events of a file; see :meth:`kgrec.project.Project.feedback_from`."""
    found = _stored(project, read_source(file, None, project.manager), file.name, columns)
    if found.rows and not (found.stored or found.duplicates):
        if found.unknown and set(found.rejected) == {UNKNOWN}:
            raise _unknown(project, found.unknown[0])
        reason, count = next(iter(found.rejected.items()))
        first = found.rejects.row(0, named=True)
        raise DataError(
            f"no event of {file} can be used; {count} rows were left for: {reason}",
            hint=f"for example line {first['line']}: {first['row'][:200]}",
        )
    return found


def _stored(project: Project, raw: pl.DataFrame, where: str, columns: Mapping[str, str]) -> FeedbackReport:
    events, rejects = parse_events(raw, where, time.time(), columns)
    events = _with_violations(project, events)
    stored, unknown = project.feedback_store.add_events(events.select(list(EVENT_SCHEMA)))
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


def _unknown(project: Project, text_id: str) -> NotFoundError:
    known = project.feedback_store.texts.read(["text_id"])["text_id"].to_list()
    if not known:
        return NotFoundError(
            f"unknown text {text_id!r}: no text is on record", hint="set generate.record = true, then write texts"
        )
    return NotFoundError.of("text", text_id, known, where="the record")


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _with_violations(project: Project, events: pl.DataFrame) -> pl.DataFrame:
    """Let the guards look at edited texts. What an editor wrote is kept in any case; that is said beside it."""
    edits = events.filter(pl.col("event") == "edited")
    if not edits.height:
        return events
    texts = project.feedback_store.texts.read(where=pl.col("text_id").is_in(edits["text_id"].implode()))
    rows = {row["text_id"]: row for row in texts.iter_rows(named=True)}
    writer = Writer(project.texts.guards())
    found = {
        line: _objections(project, writer, rows[text_id], text)
        for line, text_id, text in edits.select(LINE, "text_id", "text").rows()
        if text_id in rows
    }
    told = pl.DataFrame(
        {LINE: list(found), "violations": list(found.values())},
        schema={LINE: events.schema[LINE], "violations": pl.List(pl.String)},
    )
    return events.drop("violations").join(told, on=LINE, how="left", maintain_order="left")


def _objections(project: Project, writer: Writer, row: Mapping[str, Any], text: str) -> list[str]:
    kind = kinds_of(project.domain).get(row["kind"])
    if kind is None:
        return []
    request = replace(
        request_of(row, kind),
        known=project.texts.names,
        cues=cues_of(project.domain, row["lang"]),
        private=(row["user_id"],) if row["user_id"] else (),
    )
    return [f"{found.guard}: {found.message}" for found in writer.check(request, text)]


def accepted(project: Project, faulty_edits: bool) -> list[AcceptedText]:
    """Return accepted texts with their prompts; see :meth:`kgrec.project.Project.accepted_texts`."""
    kinds = kinds_of(project.domain)

    def prompt_of(row: Mapping[str, Any]) -> str | None:
        kind = kinds.get(row["kind"])
        if kind is None:
            return None
        # Of a text by the template, the prompt that a model would be asked by.
        variants = project.texts.variants.of(kind, row["lang"], "model")
        chosen = variants.get(row["variant"]) if row["asked"] != TEMPLATE else None
        prompt = (chosen or variants[MAIN]).prompt or default_prompt(f"{kind.name}.{row['lang']}")
        return render(prompt, request_of(row, kind)) if prompt else None

    return accepted_texts(project.feedback_store, prompt_of, faulty_edits=faulty_edits)


def evaluate_feedback(project: Project) -> FeedbackEvaluation:
    """Measure what readers did; see :meth:`kgrec.project.Project.evaluate_feedback`."""
    from kgrec.evaluate.responses import measure
    from kgrec.generate.feedback.exposures import exposures

    settings = project.config.generate
    found = exposures(project.feedback_store, window_hours=settings.window_hours, now=time.time())
    groups = measure(found.table, seed=project.config.seed)
    return FeedbackEvaluation(
        settings.window_hours,
        settings.reward,
        project.feedback_store.texts.read(["text_id"]).height,
        found.pending,
        found.unshown,
        found.late,
        tuple(groups),
        _best(groups, settings.reward, project.config.seed),
    )


def _best(groups: Sequence[ResponseGroup], reward: str, seed: int) -> dict[str, float]:
    from kgrec.generate.feedback.bandit import Arm, best_probabilities, draw_key

    rivals: dict[tuple[str, ...], list[ResponseGroup]] = {}
    for group in groups:
        if group.by == "variant":
            rivals.setdefault(tuple(group.values[name] for name in ("kind", "lang", "asked")), []).append(group)
    best = {}
    for key, several in rivals.items():
        if len(several) < 2:
            continue
        won = [group.clicked if reward == "clicked" else group.converted for group in several]
        arms = [
            Arm(g.values["variant"], g.values["version"], w, g.shown - w) for g, w in zip(several, won, strict=True)
        ]
        shares = best_probabilities(arms, draw_key(seed, *key))
        best.update({group.label: float(share) for group, share in zip(several, shares, strict=True)})
    return best
