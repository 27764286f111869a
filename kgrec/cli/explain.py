"""``kgrec explain``: why an item is, or is not, recommended to a user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.cli import options
from kgrec.cli.console import NAME, cell, clean, console, table
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from rich.table import Table

    from kgrec.explain.why import Cause, Explanation

SHOWN = 3
"""Causes of a scorer's share that are named in the table."""

FROM = {
    "item": "past interactions",
    "entity": "entities of the graph",
    "text": "words",
    "popularity": "popularity",
    "bias": "learned of the user",
    "baseline": "the average item",
    "whole": "cannot be split",
}
"""Kinds of causes, as the table names them."""


@workspace_command
def explain(
    run: CommandLineRun,
    user: options.User,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of an item.", autocompletion=options.items)],
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=1, help="Length of the list; by default 10.")
    ] = None,
    counterfactual: Annotated[
        bool,
        typer.Option("--counterfactual", help="Also look for what of the history the place in the list hangs on."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also draw the paths into FILE: .html or .svg.")
    ] = None,
) -> None:
    """Say why an item is, or is not, in the list of a user.

    The score is split into scorers and each scorer into what caused it; the parts sum to the score. Then come the paths
    of the graph and, for an item outside the list, what stands above it. docs/explanations.md explains each figure.
    """
    if out is not None and out.suffix.lower() not in (".svg", ".html", ".htm"):
        raise UsageError(f"{out.name} names no drawing", hint="end it with .svg or .html")
    found = run.project.explain(user, item, n=number, counterfactual=counterfactual)
    if out is not None:
        found.draw(out)
        run.say(f"paths drawn into {out}")
    run.data([found.to_dict()], lambda: _show(found, run.names.shown(found.user_id)))


def _show(found: Explanation, whom: str) -> None:
    out = console()
    out.print(
        f"{clean(found.label)} ({clean(found.item_id)}) for {clean(whom)}",
        style="bold",
        markup=False,
    )
    if found.rank is not None:
        out.print(f"place {cell(found.rank)} of {cell(found.out_of)}, score {found.score:.3f}")
    out.print(clean(found.sentence, 3 * NAME), markup=False)
    if found.contributions:
        out.print()
        _show_causes(found.contributions)
    for note in found.notes:
        out.print(clean(note, 3 * NAME), style="dim", markup=False)
    if found.paths:
        out.print()
        out.print("paths", style="bold")
        for path in found.paths:
            out.print(f"  {clean(path.told(), 3 * NAME)}", markup=False, highlight=False)
    if found.counterfactual is not None:
        names = " and ".join(map(clean, found.counterfactual.labels))
        out.print()
        out.print(
            f"without {names} it would not be in the top {found.n} (place {cell(found.counterfactual.rank_after)})",
            markup=False,
        )
    if found.why_not is not None:
        _show_why_not(found)


def _show_causes(causes: tuple[Cause, ...]) -> None:
    """Print the score twice: by scorer, and by what caused it."""
    made = table(
        {"scorer": {"no_wrap": True}, "adds": {"justify": "right", "no_wrap": True}, "most of it": {"overflow": "fold"}}
    )
    for name in dict.fromkeys(cause.scorer for cause in causes):  # a few scorers
        _add_row(made, name, [cause for cause in causes if cause.scorer == name])
    made.add_section()
    made.add_row("together", f"{sum(cause.value for cause in causes):+.3f}", "")
    console().print(made)
    console().print()
    made = table(
        {"from": {"no_wrap": True}, "adds": {"justify": "right", "no_wrap": True}, "most of it": {"overflow": "fold"}}
    )
    for kind, words in FROM.items():
        own = [cause for cause in causes if cause.kind == kind]
        if own:
            _add_row(made, words, own)
    console().print(made)


def _add_row(made: Table, name: str, own: list[Cause]) -> None:
    """Add the sum of causes and the largest of them, each label once."""
    values: dict[str, float] = {}
    for cause in own:
        values[cause.label] = values.get(cause.label, 0.0) + cause.value
    top = sorted(values, key=lambda label: -abs(values[label]))[:SHOWN]
    told = ", ".join(f"{clean(label)} {values[label]:+.3f}" for label in top)
    more = f", {len(values) - len(top)} more" if len(values) > len(top) else ""
    alone = len(values) == 1 and name in (FROM["baseline"], FROM["bias"])
    made.add_row(clean(name), f"{sum(values.values()):+.3f}", "" if alone else told + more)


def _show_why_not(found: Explanation) -> None:
    why, out = found.why_not, console()
    assert why is not None
    if why.above:
        out.print()
        out.print("above it", style="bold")
        for row in why.above:
            out.print(f"  {cell(row.rank)}. {clean(row.label)}  {row.score:.3f}", markup=False)
    if why.against:
        told = ", ".join(f"{clean(name)} {-value:.3f}" for name, value in why.against.items())
        out.print(f"behind place {found.n} by: {told}", markup=False)
    for line in why.missing:
        out.print(f"missing: {clean(line)}", markup=False)
