"""``kgrec train``: fit the scorers and learn how to fuse them."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, console, duration, table
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from rich.table import Table

    from kgrec.ranking.second_stage_training import StageResult
    from kgrec.ranking.together import Together
    from kgrec.ranking.train_report import ScorerResult, TrainReport


class Device(StrEnum):
    """Where training runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@workspace_command
def train(
    run: CommandLineRun,
    device: Annotated[Device | None, typer.Option(help="Where to train; by default what kgrec.toml says.")] = None,
    only: options.Only = None,
    tune: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            min=0.0,
            help="Search so long for better options first. They are kept for later trainings; another search goes on.",
        ),
    ] = None,
    reset_tuning: Annotated[bool, typer.Option("--reset-tuning", help="Forget what --tune found before.")] = False,
    refit: Annotated[
        bool | None,
        typer.Option(
            "--refit/--no-refit", help="Fit in the end on files marked validation, too; by default as in kgrec.toml."
        ),
    ] = None,
    cluster: options.Cluster = None,
) -> None:
    """Fit the scorers and learn how much each counts.

    The weights are learned on interactions that are held out of the fit; then all scorers are fitted on everything.
    Ctrl-C ends a search without losing what it found.
    """
    chosen = options.scorer_names(only)
    with run.progress() as progress, run.workers(cluster):
        report = run.project.train(
            device=device.value if device else None,
            only=chosen,
            tune=tune,
            reset_tuning=reset_tuning,
            refit=refit,
            progress=progress,
        )
    run.data([_record(report)], lambda: _show(report))
    run.timings(report.seconds)
    run.say(f"next: kgrec recommend USER --explain{run.workspace_option}")


def _record(report: TrainReport) -> dict[str, Any]:
    scorers = [
        {**asdict(scorer), "options": dict(scorer.options), "chosen": dict(scorer.chosen)} for scorer in report.scorers
    ]
    return {
        "scorers": scorers,
        "tuned": [asdict(one) for one in report.tuned],
        "together": None if report.together is None else asdict(report.together) | {"alone": report.together.alone},
        "k": report.k,
        "second_stage": None if report.second_stage is None else report.second_stage.state(),
        "facts": dict(report.facts),
        "seconds": dict(report.seconds),
    }


def _show(report: TrainReport) -> None:
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    names = {"weight": right, f"recall@{report.k}": right, f"ndcg@{report.k}": right, "time": right}
    shown = table({"scorer": {"no_wrap": True}, **names, "": {}})
    vague = report.together is not None and report.together.vague
    for scorer in report.scorers:
        if scorer.skipped:
            shown.add_row(scorer.name, "", "", "", "", f"left out: {scorer.skipped}", style="dim")
        else:
            figures = [_figure(value, vague=vague) for value in (scorer.recall, scorer.ndcg)]
            figures = [f"{scorer.weight:.2f}", *figures, duration(scorer.seconds)]
            shown.add_row(scorer.name, *figures, _found(scorer), style=None if scorer.weight else "dim")
    if report.together is not None:
        found = report.together
        shown.add_row(
            "together", "", "", _figure(found.ndcg, vague=found.vague), "", together_words(found), style="bold"
        )
    if report.second_stage is not None:
        stage = report.second_stage
        shown.add_row("second stage", "", "", _figure(stage.ndcg_with), duration(stage.seconds), stage_words(stage))
    out = console()
    if report.tuned:
        out.print(_tuned(report))
    out.print(shown)
    out.print(f"figures on held-out interactions · {cell(report.facts)}", style="dim")


def _found(scorer: ScorerResult) -> str:
    """Say which settings were found, and among how many."""
    if scorer.tried == 1:
        return ""
    options = " ".join(f"{name}={_option(value)}" for name, value in scorer.chosen.items())
    return f"{options or 'defaults'} (of {scorer.tried})"


def together_words(found: Together) -> str:
    """Say what the figure is to be compared with, and what is served."""
    if found.vague:
        figures = f"too little data to tell: {found.users} users with held-out likes"
    else:
        figures = f"{found.gain:+.4f} ± {1.96 * found.gain_error:.4f} over the scorer that the same users pick"
    return f"{figures}; {found.best} is served alone" if found.alone else figures


def stage_words(stage: StageResult) -> str:
    """Say whether the second stage is used, and what it was worth."""
    if stage.skipped:
        return f"left out: {stage.skipped}"
    figures = f"{stage.gain:+.4f} ± {stage.error:.4f} over {stage.ndcg_without:.4f}"
    return f"{'kept' if stage.kept else 'left out'}: {figures}"


def _tuned(report: TrainReport) -> Table:
    right: dict[str, Any] = {"justify": "right", "no_wrap": True}
    shown = table({"tuned": {"no_wrap": True}, "tried": right, f"ndcg@{report.k}": right, "own": right, "options": {}})
    for one in report.tuned:
        options = " ".join(f"{name}={_option(value)}" for name, value in one.options.items())
        shown.add_row(one.name, f"{one.trials}+{one.cut}", _figure(one.ndcg), _figure(one.own_ndcg), options)
    return shown


def _option(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _figure(value: float, *, vague: bool = False) -> str:
    if value != value:  # NaN: not measured
        return ""
    return f"{value:.1f}?" if vague else f"{value:.4f}"
