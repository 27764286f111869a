"""``kgrec generate``, ``generate enrich`` and ``kgrec profile``: texts for users and about items; what they rest on."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import NAME, PROSE, cell, clean, console, prose, table, warn, words
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.plugin.generation import GeneratedText, TextCandidate
    from kgrec.text.profile import UserProfile


@workspace_command
def generate(
    run: CommandLineRun,
    user: options.AnyUser = None,
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item",
            metavar="ITEM",
            help="About this item (may be repeated); by default what is recommended.",
            autocompletion=options.items,
        ),
    ] = None,
    kind: options.Kind = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="About so many recommended items.")] = 1,
    lang: options.Language = None,
    tone: options.Tone = None,
    length: Annotated[str, typer.Option("--length", metavar="LENGTH", help="short, medium or long.")] = "medium",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME[:MODEL]",
            help="template, openai:NAME, transformers:FOLDER, a plugin's generator, ...",
        ),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option("--candidates", min=1, help="Drafts a text; the best that passes is shown.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Another seed gives another wording.")] = None,
    variant: Annotated[
        str | None,
        typer.Option("--variant", metavar="NAME", help="Which of several prompts or files of phrases: main, ..."),
    ] = None,
    steer: Annotated[
        str | None,
        typer.Option("--steer", metavar="profile|latent", help="What chooses the topics; latent: what may come next."),
    ] = None,
    show_facts: Annotated[
        bool, typer.Option("--show-facts", help="Show what the text may say, and its source.")
    ] = False,
    show_checks: Annotated[
        bool, typer.Option("--show-checks", help="Show what guards cut, repaired or replaced, and why.")
    ] = False,
    show_candidates: Annotated[
        int | None,
        typer.Option(
            "--show-candidates",
            metavar="N",
            min=1,
            help="Write N drafts, show each with its checks and score, and the best as the text.",
        ),
    ] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Show what a language model is asked, or would be.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="No fallback: a text that guards refuse is an error (exit code 6).")
    ] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="For all users, or about all items; give --out FILE.jsonl.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Write to FILE; with --all a .jsonl that a later run resumes."
        ),
    ] = None,
    cluster: options.Cluster = None,
) -> None:
    """Write texts about items for a user, from facts alone.

    Give a USER, or --item ITEM for a kind that is written for nobody in particular, or --all --out FILE.jsonl.
    """
    wanted = {
        "kind": kind,
        "language": lang,
        "tone": tone,
        "length": length,
        "model": model,
        "candidates": show_candidates or candidates,
        "show_candidates": show_candidates is not None,
        "show_prompt": show_prompt,
        "seed": seed,
        "allow_fallback": not strict,
        "variant": variant,
        "steer": steer,
    }
    if everybody:
        _for_all(run, user, item, number, out, wanted, cluster)
        return
    if user is None and not item:
        raise UsageError("missing USER or --item ITEM", hint="or give --all --out FILE.jsonl")
    live = run.for_people and out is None and sys.stderr.isatty() and not run.quiet
    watch = _draft if live else None
    texts = run.project.generate(user, item=tuple(item or ()), n=number, watch=watch, **wanted)
    if live:
        _draft(None)
    _notes(run, texts)
    run.data([text.to_dict() for text in texts], lambda: show_texts(texts, show_facts, show_checks), out)


def _for_all(
    run: CommandLineRun,
    user: str | None,
    item: list[str] | None,
    number: int,
    out: Path | None,
    wanted: dict[str, Any],
    cluster: str | None,
) -> None:
    if user is not None or item:
        raise UsageError("--all excludes USER and --item", hint="leave them out")
    if out is None:
        raise UsageError("--all needs a file", hint="give --out FILE.jsonl")
    from kgrec.generate.service import GenerateOptions
    from kgrec.jobs import generate_all

    with run.progress() as progress, run.workers(cluster) as workers:
        ordered = GenerateOptions(**wanted)
        written = generate_all(run.project, out, ordered, n=number, workers=workers, progress=progress)
    run.say(f"{cell(written)} texts written to {out}")


_pieces: list[str] = []


def _draft(piece: str | None) -> None:
    """Show a draft on stderr, dimmed, as it is made; None ends it."""
    if piece is None:
        if _pieces:
            print("\x1b[0m", file=sys.stderr)
        _pieces.clear()
        return
    if not _pieces:
        print("\x1b[2mdraft: ", end="", file=sys.stderr)
    _pieces.append(piece)
    print(clean(piece, PROSE), end="", file=sys.stderr, flush=True)


def _notes(run: CommandLineRun, texts: list[GeneratedText]) -> None:
    for note in dict.fromkeys(text.note for text in texts if text.note):
        if not run.quiet:
            warn(f"the template stepped in: {note}")
    changed = Counter(change.action for text in texts for change in text.changes)
    if changed and not run.quiet:
        told = ", ".join(f"{cell(count)} {action}" for action, count in sorted(changed.items()))
        run.say(f"what the model wrote was changed: {told} (--show-checks shows why)")


def show_texts(texts: list[GeneratedText], show_facts: bool = False, show_checks: bool = False) -> None:
    """Print texts, with their facts and what guards made of the drafts if asked for."""
    out = console()
    if not texts:
        out.print("nothing to write about")
    for k, text in enumerate(texts):
        if k:
            out.print()
        if text.prompt_text:
            out.print(f"{prose(text.prompt_text)}\n", style="dim")
        said = text.text or f"no text: nothing is known about {', '.join(text.item_ids)} that this kind may say"
        out.print(prose(said), style="bold" if text.text and show_facts else "" if text.text else "dim")
        for number, draft in enumerate(text.candidates, start=1):
            _show_candidate(number, draft, text.text)
        if show_checks:
            for change in text.changes:
                why = f" ({clean(change.why)})" if change.why else ""
                out.print(f"{change.action}: {clean(change.text, PROSE)}{why}", style="yellow")
            if not text.changes:
                out.print("as it was written", style="dim")
        if not show_facts:
            continue
        how = "fallback" if text.fallback else "repaired" if text.repaired else ""
        out.print(" · ".join(filter(None, [text.kind, text.language, text.model, how, text.text_id])), style="dim")
        shown = table(
            {"id": {"style": "dim"}, "type": {}, "name": {}, "value": {"overflow": "fold"}, "source": {"style": "dim"}}
        )
        for fact in text.facts:
            shown.add_row(
                fact.id, fact.type, words(fact.name), clean(f"{fact.value} {fact.unit}".strip()), clean(fact.source)
            )
        out.print(shown)
        for violation in text.violations:
            out.print(f"refused by {violation.guard}: {clean(violation.message, 3 * NAME)}", style="yellow")


def _show_candidate(number: int, draft: TextCandidate, shown: str) -> None:
    out = console()
    total = f" · {draft.scores['total']:.2f}" if "total" in draft.scores else ""
    parts = ", ".join(f"{name} {value:.2f}" for name, value in draft.scores.items() if name != "total")
    chosen = " · shown" if draft.text == shown else ""
    out.print(f"{number}{total}{f' ({parts})' if parts else ''}{chosen}", style="dim")
    out.print(prose(draft.text), style="" if not draft.violations else "dim")
    for violation in draft.violations:
        out.print(f"refused by {violation.guard}: {clean(violation.message, 3 * NAME)}", style="yellow")
    for change in draft.changes:
        out.print(f"{change.action}: {clean(change.text, PROSE)} ({clean(change.why)})", style="yellow")


@workspace_command
def profile(
    run: CommandLineRun,
    user: options.User,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many interests.")] = 12,
) -> None:
    """Show what a user is interested in, and which events say so."""
    found = run.project.profiler.profile(user, limit=number)
    run.data(profile_records(found), lambda: _show_profile(found))


def profile_records(found: UserProfile) -> list[dict[str, Any]]:
    """Return a profile as records, one an interest."""
    return [
        {
            "user_id": found.user_id,
            "kind": interest.kind,
            "name": interest.name,
            "relation": interest.relation or None,
            "weight": round(interest.weight, 4),
            "count": interest.count,
            "evidence": [
                {"what": e.what, "action": e.action, "weight": e.weight, "time": e.time} for e in interest.evidence
            ],
        }
        for interest in found.interests
    ]


def _show_profile(found: UserProfile) -> None:
    from datetime import UTC, datetime

    out = console()
    out.print(f"{clean(found.user_id)} · {cell(len(found.history))} items touched", style="bold")
    if not found.interests:
        out.print("nothing is known")
        return
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    shown = table(
        {
            "interest": {"overflow": "fold"},
            "kind": {"style": "dim"},
            "weight": right,
            "items": right,
            "because": {"overflow": "fold"},
        }
    )
    for interest in found.interests:
        told = []
        for event in interest.evidence:
            when = f", {datetime.fromtimestamp(event.time, UTC):%Y-%m-%d}" if event.time is not None else ""
            told.append(f"{clean(event.what)} ({event.action}{when})")
        name = f"{clean(interest.name)}" + (f" ({words(interest.relation)})" if interest.relation else "")
        shown.add_row(name, interest.kind, f"{interest.weight:.3f}", str(interest.count), "; ".join(told))
    out.print(shown)


@workspace_command
def enrich(
    run: CommandLineRun,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A .csv: item_id, keywords.")],
    thin: Annotated[int, typer.Option("--thin", min=1, help="Texts of fewer words get keywords.")] = 20,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Keywords an item.")] = 8,
) -> None:
    """Write keywords for items with short texts.

    A keyword is a word that items near them in graph and likes agree on.

    Training reads the file where kgrec.toml says text.keywords = "FILE". Keywords are no facts; no text states them.
    """
    written = run.project.texts.write_keywords(out, thin=thin, limit=limit)
    run.say(f"keywords of {cell(written)} items written to {out}")
    run.say(f'next: [text] keywords = "{out.name}" in kgrec.toml, then kgrec train{run.workspace_option}')
