"""``kgrec runs``: the evaluations that were kept, each again as a table or a page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.arguments import check_page
from kgrec.cli.console import console, duration, show_facts, table
from kgrec.cli.run import CommandLineRun
from kgrec.errors import CorruptArtifactError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.records import KeptRun, RunRecord
    from kgrec.evaluate.runs import Runs

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Its name or enough of it, latest, latest~1, ..., or the file of a record.",
        autocompletion=complete.runs,
    ),
]
RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


class Tool(StrEnum):
    """Other tools that show runs."""

    tensorboard = "tensorboard"
    mlflow = "mlflow"


@workspace_command
def runs(
    run: CommandLineRun,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the latest.")] = 20,
) -> None:
    """List the evaluations that were kept, the latest first.

    Every `kgrec evaluate` keeps its figures, settings and fingerprints in artifacts/runs; `kgrec runs show` shows one.
    """
    kept = run.project.runs
    names = kept.names()
    records = [_line(kept, name) for name in reversed(names[-limit:])]
    run.data(records, lambda: _list(records))
    if run.for_people and len(names) > limit:
        run.say(f"{len(names) - limit} older ones: --limit {len(names)}")


def _list(records: Sequence[Mapping[str, Any]]) -> None:
    if not records:
        console().print("no run was kept yet: run `kgrec evaluate`")
        return
    shown = table(
        {"run": {"no_wrap": True}, "kind": {}, "split": {}, "seeds": {}, "figure": {"no_wrap": True}, "": RIGHT}
    )
    for record in records:
        value = "" if record["value"] is None else f"{record['value']:.4f}"
        shown.add_row(*(str(record[name] or "") for name in ("run", "kind", "split", "seeds", "figure")), value)
    console().print(shown)


def _line(runs: Runs, name: str) -> dict[str, Any]:
    """Return what the list shows of a run."""
    from kgrec.evaluate.lists_record import ListsRecord
    from kgrec.evaluate.records import RatingsRecord, SimulationRecord

    line: dict[str, Any] = dict.fromkeys(("kind", "split", "seeds", "only", "figure", "value", "seconds"))
    try:
        record = runs.load(name).record
    except CorruptArtifactError:
        return {"run": name, **line, "kind": "cannot be read"}
    line |= {"kind": record.kind, "seconds": record.seconds}
    if isinstance(record, ListsRecord | RatingsRecord):
        line["split"] = record.plan.split
    if isinstance(record, ListsRecord | RatingsRecord | SimulationRecord):
        line["seeds"] = ",".join(str(seed) for seed in record.plan.seeds)
        line["only"] = ",".join(record.plan.only or ()) or None
    line["figure"], mean = headline(record)
    line["value"] = None if mean is None else round(mean, 4)
    return {"run": name, **line}


def headline(record: RunRecord) -> tuple[str, float | None]:
    """Return name and mean of the figure that a run is known by."""
    from kgrec.evaluate.lists_record import ListsRecord
    from kgrec.evaluate.records import RatingsRecord

    if isinstance(record, ListsRecord) and record.judged:
        mean = record.judged[0].figure(record.metric)[0]
        return record.metric, mean if mean == mean else None
    if isinstance(record, RatingsRecord):
        return "RMSE", min(predictor.rmse.mean for predictor in record.predictors)
    return "", None


@workspace_command
def show(
    run: CommandLineRun,
    name: RunName = "latest",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page of the run to FILE.")
    ] = None,
) -> None:
    """Show a kept run again, or write its page."""
    found = run.project.runs.load(name)
    if html is not None:
        check_page(html)
        run.project.write_report(html, str(found.file))
        run.say(f"the page of {found.name} is in {html}")
        return
    run.data([found.record.to_dict()], lambda: _show(found))


@workspace_command
def export(
    run: CommandLineRun,
    name: RunName = "latest",
    to: Annotated[
        Tool, typer.Option("--to", help="The tool that is to show it; each is an extra of kgrec.")
    ] = Tool.tensorboard,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write to; several runs may share one.")
    ] = Path("exported-runs"),
) -> None:
    """Write a kept run for TensorBoard or MLflow."""
    where = run.project.runs.export(to.value, out, name)
    look = f"tensorboard --logdir {where}" if to is Tool.tensorboard else f"mlflow ui --backend-store-uri {where}"
    run.say(f"written to {where}; look at it with: {look}")


def _show(run: KeptRun[RunRecord]) -> None:
    from kgrec.cli.evaluate_views import interval, number, show_loop
    from kgrec.cli.generate_evaluate import show_quality
    from kgrec.evaluate.lists_record import ListsRecord
    from kgrec.evaluate.records import RatingsRecord, SimulationRecord, TextsRecord
    from kgrec.report.reproduce import command_of

    record, out = run.record, console()
    facts: dict[str, Any] = {"run": run.name, "kind": record.kind}
    if record.created:
        facts["made"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created))
    facts["took"] = duration(record.seconds)
    facts["command"] = command_of(record)
    if record.reproduce:
        facts |= {f"{name} fingerprint": value for name, value in record.reproduce.data.items()}
    show_facts(facts)
    out.print()
    if isinstance(record, ListsRecord) and record.judged:
        systems, metric, k = record.judged[:4], record.metric, max(record.plan.ks)
        shown = table({"figure": {"no_wrap": True}, **{s.name: RIGHT for s in systems}})
        for name in (n for n in systems[0].metrics if "@" not in n or n.endswith(f"@{k}")):
            shown.add_row(name, *(number(s.figure(name)[0]) for s in systems))
        out.print(shown)
        main = systems[0].figure(metric)
        out.print(f"{metric} of {systems[0].name}: {number(main[0])} ({interval(main)})")
    if isinstance(record, RatingsRecord):
        shown = table({"predictor": {}, "RMSE": RIGHT, "95 % interval": RIGHT})
        for one in record.predictors:
            shown.add_row(one.name, number(one.rmse.mean), interval(one.rmse.span))
        out.print(shown)
    if isinstance(record, SimulationRecord):
        show_loop(record)
    if isinstance(record, TextsRecord):
        show_quality(record)
