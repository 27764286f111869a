"""``kgrec simulate``: what becomes of the lists when the recommender learns from what it made people click."""

from __future__ import annotations

from typing import Annotated

import typer

from kgrec.cli import options
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command


@workspace_command
def simulate(
    run: CommandLineRun,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="How often everybody gets a list.")] = 20,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Length of the lists.")] = 20,
    seeds: options.Seeds = None,
    fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the likes that the recommender does not start with.")
    ] = 0.2,
    only: options.Only = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[:VALUE]",
            help="Run the loop with these re-rankers, too: reach:0.2, popularity:0.3, ...",
            autocompletion=options.rerankers,
        ),
    ] = None,
    html: options.PageFile = None,
    out: options.JsonFile = None,
) -> None:
    """Run the feedback loop offline: recommend, click, learn, repeat.

    Simulated people click by a taste learned from all of their likes, of which the recommender starts without a share,
    and look at the top of a list more than at its end. docs/evaluation.md says what the figures mean.
    """
    chosen = options.numbers("--seeds", seeds, low=0) if seeds is not None else [run.project.config.seed]
    names = options.scorer_names(only)
    options.check_files(out, html)
    from kgrec.cli.views import show_loop
    from kgrec.evaluate.plan import SimulationPlan

    plan = SimulationPlan(rounds, n, tuple(chosen), fraction, names, tuple(rerank) if rerank else None)
    with run.progress() as progress:
        found = run.project.simulate(plan, progress=progress)
    document = found.record.to_dict()
    if out is not None:
        write_records(run.shown([document]), Format.json, out)
    run.data([document], lambda: show_loop(found.record))
    if html is not None:
        run.project.write_report(html, found)
        run.say(f"the page is {html}")
    run.say(f"all rounds are in {found.file}" + (f" and in {out}" if out else ""))
    run.timings({"simulation": found.record.seconds})
