"""``kgrec audit privacy``: what lists, reasons and texts give away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, table
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.privacy.audit import PrivacyAudit
    from kgrec.significance import Interval


@workspace_command
def privacy(
    run: CommandLineRun,
    users: Annotated[int, typer.Option("--users", min=1, help="So many users' reasons are read.")] = 200,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Draws users; by default kgrec.toml's.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Leave out scorers that train by epochs.")] = False,
    out: options.JsonFile = None,
) -> None:
    """Attack the lists, and read reasons and texts for names.

    Models are trained twice on a quarter of the users each, with the options and weights that stand; they are not kept.
    An area under the curve of 0.5 is guessing. Reasons and texts are searched for ids of other users and for values of
    attributes that kgrec.toml marks private.
    """
    from kgrec.privacy.attacks import AuditData
    from kgrec.privacy.audit import audit_privacy

    options.check_files(out, None)
    project = run.project
    vectors = project.text_vectors
    triples = project.graph.triples(min_entity_degree=project.config.graph.min_entity_degree)
    data = AuditData(
        project.dataset,
        project.config,
        project.domain,
        run.manager.registry("scorer"),
        triples,
        (vectors.items, vectors.users) if vectors.items.any() else None,
    )
    with run.progress() as progress:
        found = audit_privacy(
            project.ranker,
            data,
            project.feedback.store,
            lambda user: project.recommend(user, explain=True),
            users=users,
            seed=project.config.seed if seed is None else seed,
            epochs=not fast,
            progress=progress,
        )
    if out is not None:
        write_records([found.to_dict()], Format.json, out)
    run.data([found.to_dict()], lambda: _show(found))


def _show(found: PrivacyAudit) -> None:
    right = {"justify": "right", "no_wrap": True}
    shown = table({"attack": {"no_wrap": True}, "others are shown": {"no_wrap": True}, "users": {}, "AUC": right})
    for one in found.attacks:
        shown.add_row(one.attack, one.others, f"all {cell(one.auc.n)}", _auc(one.auc), style="bold")
        for label, interval in one.by_activity:
            shown.add_row("", "", label, _auc(interval))
    out = console()
    out.print(shown)
    out.print("whose data was trained on, told from lists; 0.5 is guessing, in brackets the 95 % interval", style="dim")
    private = f"values of {', '.join(found.private)}" if found.private else "no attribute is marked private"
    out.print(
        f"{cell(found.reasons)} reasons and {cell(found.texts)} texts read for ids of others and private values"
        f" ({clean(private)}): {cell(found.leaks)} name something"
    )
    for leak in found.examples:
        out.print(f"  {leak.where} for {clean(leak.reader)} names {clean(leak.names)}: {clean(leak.sentence)}")


def _auc(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f}–{interval.high:.3f})"
