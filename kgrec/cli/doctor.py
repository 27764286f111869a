"""``kgrec doctor``: does everything kgrec needs work here, and what to do where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kgrec.cli.console import console, table
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.cli.checks import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@workspace_command
def doctor(run: CommandLineRun) -> None:
    """Check the environment and the workspace."""
    from kgrec.cli.checks import examine

    with run.progress() as progress, progress.task("looking"):
        found = examine(run.manager, run.workspace, run.overrides)
    records = [{"check": c.name, "state": c.state, "found": c.found, "do": c.advice} for c in found]
    run.data(records, lambda: _show(found))
    failed = sum(c.state == "fail" for c in found)
    warned = sum(c.state == "warn" for c in found)
    run.say(f"{len(found)} checks: {failed} failed, {warned} to look at")
    if failed:
        raise typer.Exit(1)


def _show(found: list[Check]) -> None:
    from rich.text import Text

    shown = table({"": {"no_wrap": True}, "check": {"no_wrap": True}, "found": {"ratio": 1, "overflow": "fold"}})
    shown.show_header = False
    for check in found:
        text = Text(check.found)
        if check.advice:
            text.append(f"\n→ {check.advice}", style="bold")
        shown.add_row(Text(check.state, style=_STYLES[check.state]), check.name, text)
    console().print(shown)
