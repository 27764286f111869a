"""``kgrec generate review``: the queue of texts that somebody has to accept before they are sent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, prose, warn, words
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.generate.feedback.feedback import TextFeedback
    from kgrec.generate.feedback.store import TextRecord

ANSWERS = {"a": "accepted", "e": "edited", "r": "rejected", "s": "skipped", "f": "facts", "b": "back", "q": "quit"}
ASKED = "accept (a), edit (e), reject (r), facts (f), skip (s), back (b), quit (q): "
LINE_BREAK = r"\n"
"""How an editor writes the end of a line."""


@workspace_command
def review(
    run: CommandLineRun,
    kind: options.Kind = None,
    lang: options.Language = None,
    number: Annotated[int, typer.Option("--number", "-n", min=0, help="Texts at most; 0: only --out.")] = 100,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write all approved texts, as they were edited, to FILE."),
    ] = None,
) -> None:
    r"""Accept, edit or reject texts one by one.

    Shows the texts on record (generate.record = true) on which nobody has decided. Answers may come from a pipe, one
    a line: a, r or r WHY, e NEW TEXT (\n ends a line of it), s to skip, q to stop. `generate tune --source accepted`
    learns from what is accepted or edited, never from what is rejected.
    """
    feedback = run.project.feedback
    queue = feedback.waiting(number, kind=kind, language=lang) if number else []
    decided = _Reviewing(run, feedback, queue).all()
    if out is not None:
        run.data([_approved(record, text) for record, text in feedback.approved()], lambda: None, out)
    elif number:
        run.data(decided, lambda: _summary(decided, queue))


def _approved(record: TextRecord, text: str) -> dict[str, Any]:

    return {
        "text": text,
        "text_id": record.text.text_id,
        "kind": record.text.kind,
        "lang": record.text.language,
        "user_id": record.text.user_id or None,
        "item_ids": list(record.text.item_ids),
        "edited": text != record.text.text,
    }


def _summary(decided: Sequence[dict[str, Any]], queue: Sequence[TextRecord]) -> None:
    counts = [f"{cell(n)} {what}" for what in ("accepted", "edited", "rejected") if (n := _count(decided, what))]
    told = ", ".join(counts) or "nothing decided"
    console().print(f"{told} · {cell(len(queue) - len(decided))} waiting" if queue else "no text is waiting")


def _count(decided: Sequence[dict[str, Any]], what: str) -> int:
    return sum(row["verdict"] == what for row in decided)


class _Reviewing:
    """One sitting: what is shown, asked and decided."""

    def __init__(self, run: CommandLineRun, feedback: TextFeedback, queue: Sequence[TextRecord]) -> None:
        self._run, self._feedback, self._queue = run, feedback, queue
        self._asks = sys.stdin.isatty()
        self._lines = 0
        self._decided: dict[str, dict[str, Any]] = {}

    def all(self) -> list[dict[str, Any]]:
        """Go through the queue until its end, or until somebody stops; return what was decided."""
        place = 0
        while place < len(self._queue):
            step = self._one(place)
            if step is None:
                break
            place = max(place + step, 0)
        return list(self._decided.values())

    def _one(self, place: int) -> int | None:
        """Show a text until it is decided on; return how far to go on from there, None to stop."""
        record = self._queue[place]
        self._show(record, place)
        while True:
            line = self._line(ASKED)
            if line is None:
                return None
            word, _, rest = line.strip().partition(" ")
            what = ANSWERS.get(word.lower(), next((a for a in ANSWERS.values() if a == word.lower()), ""))
            if what == "quit":
                return None
            if what in ("skipped", "back"):
                return 1 if what == "skipped" else -1
            if what == "facts":
                self._facts(record)
            elif what:
                if self._decides(record, what, rest.strip()):
                    return 1
            elif not self._asks:
                raise UsageError(
                    f"line {self._lines} of the answers: {clean(word)!r} is none", hint="a, e TEXT, r WHY, s, f, b or q"
                )

    def _decides(self, record: TextRecord, what: str, said: str) -> bool:
        """Record a decision; say whether it is one: an edit may be taken back when guards object to it."""
        text: str | None = said or None
        faults: list[str] = []
        if what == "edited":
            text = said or self._edited(record.text.text)
            if not text:
                return False
            text = text.replace(LINE_BREAK, "\n")
            faults = self._feedback.objections(record, text)
            for fault in faults:
                warn(f"guards object: {clean(fault)}")
            if faults and self._asks and (self._line("keep it all the same? (y/n): ") or "")[:1].lower() != "y":
                return False
            if text == record.text.text:
                what, text = "accepted", None
        self._feedback.record(record.text.text_id, what, text=text)
        row = {"text_id": record.text.text_id, "verdict": what, "text": text or record.text.text}
        self._decided[record.text.text_id] = {**row, "objections": faults}
        return True

    def _edited(self, text: str) -> str:
        """Ask for another text; on a terminal the old one stands there to be changed."""
        try:
            import readline
        except ImportError:  # Windows: the text is typed anew
            return (self._line("new text: ") or "").strip()
        if self._asks:
            readline.set_startup_hook(lambda: readline.insert_text(text.replace("\n", LINE_BREAK)))
        try:
            return (self._line("new text: ") or "").strip()
        finally:
            readline.set_startup_hook(None)

    def _line(self, prompt: str) -> str | None:
        """Return the next answer, None where there is none."""
        self._lines += 1
        if not self._asks:
            return sys.stdin.readline() or None
        try:
            return input(prompt)
        except EOFError:
            return None

    def _show(self, record: TextRecord, place: int) -> None:
        if not self._run.for_people:
            return
        text, out = record.text, console()
        whom = f"for {clean(text.user_id)}" if text.user_id else ""
        titles = [clean(fact.value) for fact in text.facts if fact.type == "title"]
        head = [f"{place + 1} of {len(self._queue)}", text.kind, text.language, text.model, whom, ", ".join(titles)]
        out.print()
        out.print(" · ".join(filter(None, head)), style="dim")
        out.print(prose(text.text), style="bold")
        for change in text.changes:
            out.print(f"{change.action}: {clean(change.text)} {clean(change.why)}".rstrip(), style="yellow")

    def _facts(self, record: TextRecord) -> None:
        for fact in record.text.facts if self._run.for_people else ():
            told = f"{words(fact.name)}: {clean(f'{fact.value} {fact.unit}'.strip(), 400)}"
            console().print(f"{fact.id}  {told}  {clean(fact.source)}", style="dim")
