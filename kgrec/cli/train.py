"""``kgrec train``: fit the scorers and learn how to fuse them."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.run import Run
from kgrec.cli.screen import cell, console, duration, table
from kgrec.errors import UsageError

if TYPE_CHECKING:
    from kgrec.ranking.training import TrainReport


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
    """Fit the scorers and learn how much each counts.

    The weights are learned on interactions that are held out of the fit; then all scorers are fitted on everything.
    """
    chosen = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if chosen == []:
        raise UsageError("--only names no scorer", hint="for example --only ease,als")
    with run.progress() as progress:
        report = run.project.train(device=device.value if device else None, only=chosen, progress=progress)
    run.data([_record(report)], lambda: _show(report))
    run.timings(report.seconds)
    run.say(f"next: kgrec recommend USER --explain{run.workspace_option}")


def _record(report: TrainReport) -> dict[str, Any]:
    scorers = [{**asdict(scorer), "options": dict(scorer.options)} for scorer in report.scorers]
    return {
        "scorers": scorers,
        "fused_ndcg": report.fused_ndcg,
        "k": report.k,
        "facts": dict(report.facts),
        "seconds": dict(report.seconds),
    }


def _show(report: TrainReport) -> None:
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    names = {"weight": right, f"recall@{report.k}": right, f"ndcg@{report.k}": right, "time": right}
    shown = table({"scorer": {"no_wrap": True}, **names, "": {}})
    for scorer in report.scorers:
        if scorer.skipped:
            shown.add_row(scorer.name, "", "", "", "", f"left out: {scorer.skipped}", style="dim")
        else:
            figures = [f"{scorer.weight:.2f}", _figure(scorer.recall), _figure(scorer.ndcg), duration(scorer.seconds)]
            shown.add_row(scorer.name, *figures, "", style=None if scorer.weight else "dim")
    shown.add_row("together", "", "", _figure(report.fused_ndcg), "", "", style="bold")
    out = console()
    out.print(shown)
    out.print(f"figures on held-out interactions · {cell(report.facts)}", style="dim")


def _figure(value: float) -> str:
    return "" if value != value else f"{value:.4f}"  # NaN: not measured
