"""``kgrec generate evaluate``: how good generated texts are, and what readers made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import clean, console, table
from kgrec.cli.generate_feedback import evaluate_feedback
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.records import TextsRecord


@workspace_command
def evaluate(
    run: CommandLineRun,
    kind: options.Kind = None,
    lang: options.Language = None,
    tone: options.Tone = None,
    users: Annotated[
        int, typer.Option("--users", metavar="N", min=2, help="Readers; one text each and variant.")
    ] = 300,
    variants: Annotated[
        str | None,
        typer.Option(
            "--variants",
            metavar="NAME,...",
            help="template, zero-shot, few-shot, guarded; by default the template, and all with a language model.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME[:MODEL]", help="Who writes: smollm2, openai:NAME, ...")
    ] = None,
    fluency: Annotated[
        str | None,
        typer.Option("--fluency", metavar="NAME[:MODEL]", help="A language model that tells how likely texts are."),
    ] = None,
    candidates: Annotated[
        int, typer.Option("--candidates", min=1, help="Drafts of a guarded text; the best that passes counts.")
    ] = 3,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the sample and of the drafts.")] = None,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback",
            help="Write nothing: what readers did with texts on record; clicks, conversions, dwell by kind, language, "
            "model and prompt.",
        ),
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with figures, and texts good and bad.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write figures and texts to FILE, as JSON.")
    ] = None,
) -> None:
    """Write texts for some users, and measure how good they are.

    Measured is how true, personal, varied and fluent the texts are, and how fast they are written.

    Texts of a language model are kept as they are written: an interrupted run resumes where it stopped. What the
    figures mean is in docs/generate.md. With --feedback texts are judged by what readers did with them.
    """
    if feedback:
        if model or variants or kind or out:
            raise UsageError("--feedback judges what is on record", hint="of the other options it takes --html only")
        evaluate_feedback(run, html)
        return
    from kgrec.evaluate.plan import VARIANTS, TextPlan

    options.check_files(out, html)
    named = model or run.project.config.generate.model
    chosen = [name.strip() for name in variants.split(",") if name.strip()] if variants is not None else None
    if chosen is None:
        chosen = ["template"] if named == "template" else list(VARIANTS)
    start = run.project.config.seed if seed is None else seed
    plan = TextPlan(kind, lang, tone, users, tuple(dict.fromkeys(chosen)), model, candidates, start)
    with run.progress() as progress:
        found = run.project.evaluate_texts(plan, fluency=fluency, progress=progress)
    document = found.record.to_dict()
    if out is not None:
        write_records(run.shown([document]), Format.json, out)
    if html is not None:
        from kgrec.report import write_page
        from kgrec.report.texts import quality_page

        write_page(html, quality_page(found.record))
        run.say(f"the page is {html}")
    run.data([document], lambda: show_quality(found.record))
    run.say(f"figures and texts are in {found.file}")


def show_quality(found: TextsRecord) -> None:
    """Print the figures, a variant a column."""
    from kgrec.report.texts import OTHERS, SHARES, shown

    right: dict[str, Any] = {"justify": "right"}
    made = table({"": {"overflow": "fold"}, **{v.name: right for v in found.variants}})
    for name, called in {**SHARES, **OTHERS}.items():
        values = [getattr(v, name) for v in found.variants]
        if any(value.n for value in values):
            made.add_row(called, *(shown(value, share=name in SHARES) for value in values))
    for name, called in (
        ("distinct_1", "distinct-1"),
        ("distinct_2", "distinct-2"),
        ("tokens_a_second", "tokens a second"),
        ("texts_a_second", "texts a second"),
    ):
        made.add_row(called, *("–" if x != x else f"{x:,.3g}" for x in (getattr(v, name) for v in found.variants)))
    out = console()
    out.print(
        f"{found.readers} texts a variant · {found.text_kind} · {found.language} · seed {found.plan.seed}", style="dim"
    )
    out.print(made)
    out.print(f"most memory held {found.peak_memory:.0f} MiB", style="dim")
    for note in found.notes:
        out.print(clean(note), style="dim")
