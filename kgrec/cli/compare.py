"""``kgrec compare``: two kept runs beside each other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli.arguments import check_json, check_page
from kgrec.cli.console import cell, console, table
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.cli.runs import RunName
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.comparison import RunComparison

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


@workspace_command
def compare(
    run: CommandLineRun,
    run_a: RunName,
    run_b: RunName = "latest",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with tables and charts to FILE.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write the comparison to FILE, as JSON.")
    ] = None,
) -> None:
    """Compare two kept runs: figures, what differs in settings and data.

    Where both asked the same users for the same likes, differences are taken user by user.
    """
    check_json(out)
    if html is not None:
        check_page(html)
    found = run.project.runs.compare(run_a, run_b)
    if html is not None:
        run.project.write_comparison(html, found)
    if out is not None:
        write_records([found.to_dict()], Format.json, out)
    run.data([found.to_dict()], lambda: _show(found))
    if html is not None:
        run.say(f"the page is {html}")


def _show(found: RunComparison) -> None:
    from kgrec.cli.evaluate_views import number
    from kgrec.evaluate.comparison import PAIRED
    from kgrec.report.comparison import UNSURE, verdict

    out = console()
    out.print(f"A {found.a}\nB {found.b}", style="dim")
    first = found.figures[0].system
    columns: dict[str, dict[str, Any]] = {f"of {first}": {"no_wrap": True}, "A": RIGHT, "B": RIGHT, "B - A": RIGHT}
    more: dict[str, dict[str, Any]] = {"95 % interval": RIGHT, "p": RIGHT} if found.paired else {"": {"no_wrap": True}}
    shown = table({**columns, **more})
    for figure in (f for f in found.figures if f.system == first):
        unsure = " ?" if figure.how == PAIRED and verdict(figure) == UNSURE else ""
        gap = number(figure.difference, sign="+") + unsure
        span = f"{number(figure.low)} to {number(figure.high)}" if math.isfinite(figure.low) else ""
        p = f"{figure.p_holm:.3f}" if math.isfinite(figure.p_holm) else ""
        rest = (span, p) if found.paired else (verdict(figure),)
        shown.add_row(figure.metric, number(figure.a[0]), number(figure.b[0]), gap, *rest)
    out.print(shown)
    others = list(dict.fromkeys(figure.system for figure in found.figures))[1:]
    if others:
        out.print(f"also compared, see --html or --out: {', '.join(others)}", style="dim")
    if found.paired:
        out.print("user by user: paired permutation test, Holm-corrected p; ? may be chance", style="dim")
    else:
        out.print(f"not user by user: {found.why_not}", style="dim")
    out.print()
    if not found.changed:
        out.print("settings, data, seeds and versions are the same")
        return
    made = table({"differs": {"overflow": "fold"}, "A": {"overflow": "fold"}, "B": {"overflow": "fold"}})
    for change in found.changed:
        made.add_row(change.what, cell(change.a), cell(change.b))
    out.print(made)
