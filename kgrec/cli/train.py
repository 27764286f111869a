"""``kgrec train``: fit the scorers and learn how to fuse them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.run import Run
from kgrec.cli.screen import cell, console, duration, table
from kgrec.errors import UsageError

if TYPE_CHECKING:
    from kgrec.api import TrainReport


class Device(StrEnum):
    """Where training runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def train(
    run: Run,
    device: Annotated[Device | None, typer.Option(help="Where to train; by default what kgrec.toml says.")] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="SCORER,...", help="Train only these scorers.", autocompletion=complete.scorers),
    ] = None,
) -> None:
    """Fit the scorers on the graph and the interactions, and learn the weight of each on held-out ones."""
    chosen = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if chosen == []:
        raise UsageError("--only names no scorer", hint="for example --only ease,als")
    with run.progress() as progress:
        report = run.project.train(device=device.value if device else None, only=chosen, progress=progress)
    run.data([_record(report)], lambda: _show(report))
    run.timings(report.seconds)
    run.say(f"next: kgrec recommend USER --explain{run.workspace_option}")


def _record(report: TrainReport) -> dict[str, Any]:
    scorers = [
        {
            "name": s.name,
            "weight": s.weight,
            "validation": s.validation,
            "seconds": s.seconds,
            "options": s.options,
            "skipped": s.skipped or None,
        }
        for s in report.scorers
    ]
    return {
        "scorers": scorers,
        "fused": report.fused,
        "users": report.users,
        "items": report.items,
        "interactions": report.interactions,
        "device": report.device,
        "threads": report.threads,
        "seconds": report.seconds,
    }


def _show(report: TrainReport) -> None:
    metrics = list(dict.fromkeys(name for s in report.scorers for name in s.validation) | dict.fromkeys(report.fused))
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    shown = table(
        {"scorer": {"no_wrap": True}, "weight": right, **dict.fromkeys(metrics, right), "time": right, "": {}},
        title=f"{cell(report.users)} users, {cell(report.items)} items, {cell(report.interactions)} interactions",
        caption=f"judged on held-out interactions · {report.device}, {report.threads} threads",
    )
    for scorer in report.scorers:
        figures = [f"{scorer.validation[m]:.4f}" if m in scorer.validation else "" for m in metrics]
        if scorer.skipped:
            shown.add_row(scorer.name, "", *figures, "", f"skipped: {scorer.skipped}", style="dim")
        else:
            shown.add_row(scorer.name, f"{scorer.weight:.2f}", *figures, duration(scorer.seconds), "")
    fused = [f"{report.fused[m]:.4f}" if m in report.fused else "" for m in metrics]
    shown.add_row("together", "", *fused, "", "", style="bold")
    console().print(shown)
