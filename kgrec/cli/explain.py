"""``kgrec explain``: why an item is, or is not, recommended to a user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import NAME, cell, clean, console, table
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.languages.language import get_language
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from rich.table import Table

    from kgrec.explain.why import Cause, Explanation

SHOWN = 3
"""Causes of a scorer's share that are named in the table."""

KINDS = ("item", "entity", "text", "popularity", "bias", "baseline", "whole")
"""Kinds of causes, in the order of the table."""


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
    lang: options.Language = None,
    technical: Annotated[
        bool, typer.Option("--technical", help="Names and figures for engineers: by scorer, by kind of cause.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also draw the paths into FILE: .html or .svg.")
    ] = None,
) -> None:
    """Say why an item is, or is not, in the list of a user.

    First why, in three lines. Then the score is split into what speaks for the item and each part into what caused it;
    they sum to the score. Then come the paths of the graph and, for an item outside the list, what stands above it.
    docs/explanations.md explains each figure.
    """
    if out is not None and out.suffix.lower() not in (".svg", ".html", ".htm"):
        raise UsageError(f"{out.name} names no drawing", hint="end it with .svg or .html")
    found = run.project.explain(user, item, n=number, counterfactual=counterfactual, language=lang)
    if out is not None:
        found.draw(out)
        run.say(f"paths drawn into {out}")
    run.data([found.to_dict()], lambda: _show(found, technical))


def _show(found: Explanation, technical: bool = False) -> None:
    """Print why in three lines, then what speaks for the item; figures by scorer only for engineers."""
    out, words = console(), get_language(found.language).explain
    for k, line in enumerate(found.lines):
        out.print(clean(line.replace("{user}", found.user_id), 3 * NAME), style="bold" if not k else "", markup=False)
    if technical:
        place = f"place {cell(found.rank)} of {cell(found.out_of)}, " if found.rank is not None else ""
        score = f"score {found.score:.3f}" if found.score is not None else "no score"
        out.print(f"{clean(found.item_id)}: {place}{score}", style="dim", markup=False)
    if found.contributions:
        out.print()
        _show_causes(found, words, technical)
    for note in found.notes if technical else ():
        out.print(clean(note, 3 * NAME), style="dim", markup=False)
    if found.paths:
        out.print()
        out.print(words["paths"], style="bold", markup=False)
        for path in found.paths:
            out.print(f"  {clean(path.told(), 3 * NAME)}", markup=False, highlight=False)
    if found.without:
        out.print()
        out.print(clean(found.without, 3 * NAME), markup=False)
    if found.why_not is not None:
        _show_why_not(found, words)


def _show_causes(found: Explanation, words: Mapping[str, str], technical: bool) -> None:
    """Print what the score is made of: by what scorers go by, or by scorer; for engineers by kind of cause, too."""
    causes = found.contributions
    named = {cause.scorer: cause.scorer for cause in causes}
    if not technical:
        named = {name: words[found.families.get(name, "other")] for name in named}
    made = _table(words)
    for name in dict.fromkeys(named.values()):  # a few
        _add_row(made, name, [cause for cause in causes if named[cause.scorer] == name], words)
    made.add_section()
    made.add_row(clean(words["together"]), f"{sum(cause.value for cause in causes):+.3f}", "")
    console().print(made)
    if not technical:
        return
    console().print()
    made = _table(words)
    for kind in KINDS:
        own = [cause for cause in causes if cause.kind == kind]
        if own:
            _add_row(made, words[kind], own, words)
    console().print(made)


def _table(words: Mapping[str, str]) -> Table:
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    return table({words["part"]: {"no_wrap": True}, words["adds"]: right, words["most"]: {"overflow": "fold"}})


def _add_row(made: Table, name: str, own: list[Cause], words: Mapping[str, str]) -> None:
    """Add the sum of causes and the largest of them, each label once."""
    values: dict[str, float] = {}
    for cause in own:
        values[cause.label] = values.get(cause.label, 0.0) + cause.value
    top = sorted(values, key=lambda label: -abs(values[label]))[:SHOWN]
    told = [f"{clean(label)} {values[label]:+.3f}" for label in top]
    if len(values) > len(top):
        told.append(words["more"].format(count=len(values) - len(top)))
    alone = len(values) == 1 and next(iter(values)) == name
    made.add_row(clean(name), f"{sum(values.values()):+.3f}", "" if alone else ", ".join(told))


def _show_why_not(found: Explanation, words: Mapping[str, str]) -> None:
    why, out = found.why_not, console()
    assert why is not None
    if why.above:
        out.print()
        out.print(words["above"], style="bold", markup=False)
        for row in why.above:
            out.print(f"  {cell(row.rank)}. {clean(row.label)}", markup=False)
    for line in why.missing:
        if line not in found.lines:
            out.print(clean(line, 3 * NAME), markup=False)
