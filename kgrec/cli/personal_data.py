"""``kgrec forget`` and ``kgrec export-user``: where a person's data is, handing it over, taking it out."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, table, warn
from kgrec.cli.output import atomic, plain
from kgrec.cli.run import CommandLineRun
from kgrec.errors import KgrecError, UserError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.privacy.forgetting import Certificate
    from kgrec.privacy.inventory import Survey
    from kgrec.privacy.person import PersonPlace
    from kgrec.project import Project

INTERESTS = 50
"""How many of a person's interests are handed over."""


@workspace_command
def forget(
    run: CommandLineRun,
    user: options.User,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list every place that holds the person.")] = False,
    rewrite_inputs: Annotated[
        bool, typer.Option("--rewrite-inputs", help="Take the person's rows out of the input files, too.")
    ] = False,
    postpone: Annotated[
        bool,
        typer.Option(
            "--postpone", help="Leave models that train by epochs out of the lists instead of fitting them now."
        ),
    ] = False,
) -> None:
    """Forget a person: out of the lists at once, then out of every artifact, with a certificate.

    Without --rewrite-inputs the input files stay as they are, and a salted hash in forgotten.json keeps later builds
    from reading the person's old rows again. Interrupted, it is resumed by the same command.
    """
    if dry_run:
        found = run.project.privacy().where(user)
        run.data([asdict(place) for place in found.places], lambda: _show_places(found.places, found))
        return
    with run.progress() as progress:
        made = run.project.privacy(progress).forget(user, rewrite_inputs=rewrite_inputs, epochs=not postpone)
    run.data([made.to_dict()], lambda: _show_certificate(made))
    if not made.complete:
        raise UserError("not everything could be removed", hint="see what is left above, then run this again")


@workspace_command
def export_user(
    run: CommandLineRun,
    user: options.User,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for data.json and summary.md; made if missing.")
    ],
) -> None:
    """Hand a person everything that is known: data.json, and summary.md to read.

    That is attributes, events, rows that were not used, texts, interests, the list of today, and where all of it is.
    """
    from kgrec.artifacts import storage_errors

    found = run.project.privacy().person(user)
    places = run.project.privacy().where(user).places
    whole = replace(found, places=places, **_concluded(run.project, found.user_id))
    whole = replace(whole, **{name: run.names.told(value) for name, value in vars(whole).items() if name != "places"})
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("data.json", json.dumps(plain(whole.to_dict()), ensure_ascii=False, indent=2) + "\n"),
        ("summary.md", whole.summary()),
    ):
        with atomic(out / name) as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
    run.say(f"everything known of {clean(found.user_id)} is in {out / 'data.json'}; to read: {out / 'summary.md'}")


def _concluded(project: Project, user: str) -> dict[str, Any]:
    """Return interests and the list of today, as far as there are any."""
    found: dict[str, Any] = {}
    try:
        profile = project.profiler.profile(user, limit=INTERESTS)
        found["interests"] = [
            {"name": i.name, "kind": i.kind, "weight": round(i.weight, 4), "from": i.count} for i in profile.interests
        ]
        items = project.recommend(user, explain=True)
        titles = project.titles(items.item_ids)
        found["recommended"] = [
            {"item": item, "title": title, "because": reason.sentence}
            for item, title, reason in zip(items.item_ids, titles, items.reasons, strict=False)
        ]
    except KgrecError as error:  # nothing was trained, or only texts know the person
        warn(f"no interests or list: {error.message}")
    return found


def _show_places(places: tuple[PersonPlace, ...], survey: Survey | None = None) -> None:
    shown = table(
        {
            "kind": {"no_wrap": True},
            "where": {"overflow": "fold"},
            "what": {"overflow": "fold"},
            "count": {"justify": "right"},
            "when forgotten": {"overflow": "fold"},
        }
    )
    for place in places:
        shown.add_row(place.kind, clean(place.path), place.holds, cell(place.count), place.then)
    out = console()
    out.print(shown)
    if survey is None:
        return
    out.print(f"{cell(survey.files)} files looked through, {cell(round(survey.bytes / 1e6))} MB", style="dim")
    if survey.by_name_only:
        out.print("a short id is found by chance in running text: only fields of users were compared", style="yellow")
    for path, problem in survey.unread:
        out.print(f"not read: {clean(path)}: {clean(problem)}", style="yellow")


def _show_certificate(made: Certificate) -> None:
    out = console()
    what = ", ".join(f"{cell(count)} {name}" for name, count in made.removed.items() if count)
    out.print("nothing is left in what kgrec made" if made.complete else "something is left", style="bold")
    if what:
        out.print(f"removed: {what}")
    if made.scorers:
        out.print(f"as trained without the person, with the same options: {', '.join(made.scorers['exact'])}")
        for name, why in made.scorers["left_out"].items():
            out.print(f"in no list until the next `kgrec train`: {name} ({clean(why)})", style="yellow")
        if made.scorers["stayed"]:
            stayed = ", ".join(made.scorers["stayed"])
            out.print(f"chosen with the person among others: {stayed}; train again by {made.scorers['by']}")
    out.print(f"{cell(made.scanned['files'])} files looked through, found: {cell(len(made.found))}", style="dim")
    for heading, places in (("found", made.found), ("not kgrec's to change", made.left)):
        if places:
            out.print(f"{heading}:")
            _show_places(places)
    for path, problem in made.unread:
        out.print(f"not read: {clean(path)}: {clean(problem)}", style="yellow")
