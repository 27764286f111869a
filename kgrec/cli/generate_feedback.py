"""``kgrec generate feedback`` records what readers did with texts; ``generate evaluate --feedback`` measures it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli.console import cell, clean, console, table, words
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.responses import FeedbackEvaluation, ResponseGroup
    from kgrec.generate.feedback.events import FeedbackReport
    from kgrec.significance import Interval

EXAMPLES = 5
"""Rejected rows that are shown."""

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}
FOLDED: dict[str, Any] = {"justify": "right", "overflow": "fold"}


@workspace_command
def feedback(
    run: CommandLineRun,
    text_id: Annotated[str | None, typer.Argument(metavar="TEXT_ID", help="A text on record.")] = None,
    event: Annotated[
        str | None,
        typer.Argument(metavar="EVENT", help="shown, clicked, dwelt, converted, rated, edited, accepted or rejected."),
    ] = None,
    value: Annotated[
        float | None, typer.Option("--value", help="Seconds dwelt, a rating from 1 to 5, or the worth of a conversion.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="The new text of an edit.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Who it was; by default the user of the text.")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILES...",
            help="Events in .csv, .tsv, .jsonl or .parquet: text_id, event, value, text, user_id, time, event_id.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="FIELD=COLUMN", help="What a file calls a field; may be repeated."),
    ] = None,
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="USER", help="Remove a user's texts and events from the record.")
    ] = None,
) -> None:
    """Record what readers did with texts.

    Texts are on record where kgrec.toml says generate.record = true. An event that is on record already is left, so a
    file may be read twice. Rows that cannot be used are counted and named.
    """
    given = [name for name, value in {"TEXT_ID": text_id, "--from": files, "--forget": forget}.items() if value]
    if len(given) != 1 or (text_id and event is None):
        problem = f"{' and '.join(given)} exclude each other" if len(given) > 1 else "what happened?"
        raise UsageError(problem, hint="give TEXT_ID EVENT, or --from FILES, or --forget USER")
    if forget:
        texts, events = run.project.feedback.forget(forget)
        run.data(
            [{"texts": texts, "events": events}],
            lambda: console().print(f"removed {cell(texts)} texts and {cell(events)} events"),
        )
        return
    if files:
        stated = _columns(columns or [])
        reports = {str(file): run.project.feedback.from_file(file, columns=stated) for file in files}
    else:
        told = run.project.feedback.record(str(text_id), str(event), value=value, text=text, user=user)
        reports = {"command line": told}
    records = [{"source": source, **report.to_dict()} for source, report in reports.items()]
    run.data(records, lambda: _show_reports(reports))


def _columns(pairs: list[str]) -> dict[str, str]:
    parts = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, column) in zip(pairs, parts, strict=True):
        if not (name.strip() and equals and column.strip()):
            raise UsageError(
                f"--column {pair!r} is not of the form field=column", hint="for example --column event=what"
            )
    return {name.strip(): column.strip() for name, _, column in parts}


def _show_reports(reports: dict[str, FeedbackReport]) -> None:
    out = console()
    for source, report in reports.items():
        counts = [f"{cell(report.stored)} events recorded"]
        counts += [f"{cell(report.duplicates)} already there"] if report.duplicates else []
        left = sum(report.rejected.values())
        counts += [f"{cell(left)} of {cell(report.rows)} rows left out"] if left else []
        out.print(f"{clean(source)}: {', '.join(counts)}")
        for reason, count in report.rejected.items():
            out.print(f"  {reason}: {cell(count)}", style="yellow")
        for row in report.rejects.head(EXAMPLES).iter_rows(named=True):
            out.print(f"  line {row['line']}: {clean(row['row'])}", style="dim")
        if report.faulty_edits:
            out.print(f"  guards object to {cell(report.faulty_edits)} edits; they are kept", style="yellow")


def evaluate_feedback(run: CommandLineRun, html: Path | None = None) -> None:
    """Measure the feedback on record: the part of ``kgrec generate evaluate`` that --feedback asks for."""
    found = run.project.evaluate_feedback()
    run.data([found.to_dict()], lambda: show_evaluation(found))
    if html is not None:
        from kgrec.report import write_page
        from kgrec.report.texts import feedback_page

        write_page(html, feedback_page(found))
        run.say(f"the page is in {html}")


def show_evaluation(found: FeedbackEvaluation) -> None:
    """Print what readers did, as tables."""
    out = console()
    out.print(summary(found), style="dim")
    if not found.groups or not found.groups[0].shown:
        out.print("no exposure is old enough to be judged" if found.pending else "no text was shown to anybody yet")
        return
    measured = [name for name, of in MEASURES.items() if name == "CTR" or of(found.groups[0])]
    for by in dict.fromkeys(group.by for group in found.groups):
        groups = [group for group in found.groups if group.by == by]
        if len(groups) == 1 and by not in ("all", "variant"):
            continue  # it is all there is
        names = [*measured, *(["best"] if by == "variant" and found.best else [])]
        shown = table(
            {by: {"overflow": "fold", "min_width": 12}, "shown": RIGHT, "readers": RIGHT} | dict.fromkeys(names, FOLDED)
        )
        for group in groups:
            cells = {"best": _share(found.best.get(group.label))} | {n: of(group) for n, of in MEASURES.items()}
            shown.add_row(_label(group), cell(group.shown), cell(group.readers), *(cells[n] for n in names))
        out.print()
        out.print(shown)
    few = [group for group in found.groups if not group.enough]
    if few:
        out.print(f"* too little data: fewer than {_few()} readers", style="dim")


def summary(found: FeedbackEvaluation) -> str:
    """Say in a line what the figures rest on, and what does not count."""
    parts = [f"{cell(found.texts)} texts on record", f"readers have {found.window_hours:g} hours"]
    parts += [f"{cell(found.pending)} exposures too young to judge"] if found.pending else []
    parts += [f"{cell(found.late)} clicks or conversions too late"] if found.late else []
    parts += [f"{cell(found.unshown)} events of texts never shown"] if found.unshown else []
    return " · ".join(parts)


def _label(group: ResponseGroup) -> str:
    label = clean(group.label) if group.by == "variant" else words(group.label)
    return label if group.enough else f"{label} *"


def _rate(count: int, interval: Interval) -> str:
    return f"{interval.mean:.1%} ({100 * interval.low:.1f}–{100 * interval.high:.1f})" if interval.n and count else ""


def _mean(interval: Interval) -> str:
    return f"{interval.mean:.1f} ({interval.low:.1f}–{interval.high:.1f})" if interval.n else ""


MEASURES: dict[str, Callable[[ResponseGroup], str]] = {
    "CTR": lambda group: _rate(1, group.ctr),
    "conversion": lambda group: _rate(group.converted, group.conversion),
    "dwell, s": lambda group: _mean(group.dwell),
    "rating": lambda group: _mean(group.rating),
}
"""What is shown of a group; a column that is empty for all of them is left out."""


def _share(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.0%}"


def _few() -> int:
    from kgrec.evaluate.responses import FEW

    return FEW
