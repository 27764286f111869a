"""``kgrec check``: one page on the data, as kgrec understands it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli import options
from kgrec.cli.console import console
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command
from kgrec.shown import visible

PAGE = "check.html"


@workspace_command
def check(
    run: CommandLineRun,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help=f"Where the page goes; by default {PAGE} there.")
    ] = None,
) -> None:
    """Write a page on the data: what was read, lost, and looks suspicious.

    It shows ten rows of each table as kgrec understands them, what is
    missing, how things are distributed, and in which languages texts are.
    """
    from kgrec.data.checks import suspicions
    from kgrec.report import write_page
    from kgrec.report.data_page import data_page

    file = html or run.project.workspace.root / PAGE
    options.check_files(None, file)
    dataset = run.project.dataset
    found = suspicions(dataset)
    audits = run.project.graph.report.get("link_audits", ())
    write_page(file, data_page(dataset, audits))
    run.data([{"suspicious": found, "page": str(file)}], lambda: _show(found))
    run.say(f"the page is {file}")


def _show(found: list[str]) -> None:
    out = console()
    for line in found or ["nothing looks suspicious"]:
        out.print(visible(f"• {line}"), markup=False, soft_wrap=True)
