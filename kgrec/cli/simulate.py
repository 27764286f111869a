"""``kgrec simulate``: what becomes of the lists when the recommender learns from what it made people click."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.arguments import check_json, numbers, scorer_names
from kgrec.cli.console import cell, console, table
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.cli.runs import check_page
from kgrec.plugin import workspace_command


@workspace_command
def simulate(
    run: CommandLineRun,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="How often everybody gets a list.")] = 20,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Length of the lists.")] = 20,
    seeds: Annotated[
        str | None, typer.Option(metavar="SEED,...", help="Do everything once for each; by default kgrec.toml's seed.")
    ] = None,
    fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the likes that the recommender does not start with.")
    ] = 0.2,
    only: Annotated[
        str | None,
        typer.Option(metavar="SCORER,...", help="Use only these scorers.", autocompletion=complete.scorers),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[:VALUE]",
            help="Run the loop with these re-rankers, too: reach:0.2, popularity:0.3, ...",
            autocompletion=complete.rerankers,
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with tables and charts to FILE.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write all figures to FILE, as JSON.")
    ] = None,
) -> None:
    """Run the feedback loop offline: recommend, click, learn, repeat.

    Simulated people click by a taste learned from all of their likes, of which the recommender starts without a share,
    and look at the top of a list more than at its end. docs/evaluation.md says what the figures mean.
    """
    chosen = numbers("--seeds", seeds, low=0) if seeds is not None else [run.project.config.seed]
    names = scorer_names(only)
    check_json(out)
    if html is not None:
        check_page(html)
    with run.progress() as progress:
        found = run.project.simulate(
            rounds, n=n, seeds=chosen, fraction=fraction, only=names, rerank=rerank or None, progress=progress
        )
    document = found.to_dict()
    if out is not None:
        write_records([document], Format.json, out)
    run.data([document], lambda: show_drift(document["replay"]))
    if html is not None:
        run.project.write_report(html, str(found.record))
        run.say(f"the page is {html}")
    run.say(f"all rounds are in {found.record}" + (f" and in {out}" if out else ""))
    run.timings({"simulation": found.seconds})


def show_drift(found: Mapping[str, Any]) -> None:
    """Print the first and the last round of each system.

    Args:
        found: ``replay`` of a kept run.
    """
    right: Mapping[str, Any] = {"justify": "right", "no_wrap": True}
    out, seeds = console(), found["seeds"]
    facts = ", ".join(f"{name} {cell(value)}" for name, value in found["facts"].items())
    out.print(f"{facts} · seeds {cell(seeds)}", style="dim")
    for system, figures in found["systems"].items():
        last = f"round {found['rounds'][-1]}"
        shown = table({"figure": {"no_wrap": True}, "round 1": right, last: right, "95 % interval": right, "": right})
        for name, values in figures.items():
            span = found["intervals"][system][name][-1]
            interval = "" if span is None else f"{_number(span[0])} to {_number(span[1])}"
            change = f"{values[-1] / values[0] - 1:+.1%}" if values[0] and values[-1] is not None else ""
            shown.add_row(name, _number(values[0]), _number(values[-1]), interval, change)
        out.print(f"\n{system}", style="bold")
        out.print(shown)
    if len(seeds) < 2:
        out.print("one seed tells nothing of chance: --seeds 1,2,3", style="dim")


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
