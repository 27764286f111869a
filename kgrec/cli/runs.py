"""``kgrec runs`` and ``kgrec compare``: the evaluations that were kept, each again or two beside each other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, console, duration, show_facts, table
from kgrec.cli.output import Format, write_records
from kgrec.cli.run import CommandLineRun
from kgrec.errors import CorruptArtifactError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.records import KeptRun, RunRecord
    from kgrec.evaluate.runs import RunComparison, Runs

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
    name: options.RunName = "latest",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page of the run to FILE.")
    ] = None,
) -> None:
    """Show a kept run again, or write its page."""
    found = run.project.runs.load(name)
    if html is not None:
        options.check_files(None, html)
        run.project.write_report(html, found)
        run.say(f"the page of {found.name} is in {html}")
        return
    run.data([found.record.to_dict()], lambda: _show(found))


@workspace_command
def export(
    run: CommandLineRun,
    name: options.RunName = "latest",
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
    from kgrec.cli.generate_evaluate import show_quality
    from kgrec.cli.views import interval, number, show_loop
    from kgrec.evaluate.lists_record import ListsRecord
    from kgrec.evaluate.records import RatingsRecord, SimulationRecord, TextsRecord
    from kgrec.report.run_page import command_of

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


@workspace_command
def compare(
    run: CommandLineRun,
    run_a: options.RunName,
    run_b: options.RunName = "latest",
    html: options.PageFile = None,
    out: options.JsonFile = None,
) -> None:
    """Compare two kept runs: figures, what differs in settings and data.

    Where both asked the same users for the same likes, differences are taken user by user.
    """
    options.check_files(out, html)
    found = run.project.runs.compare(run_a, run_b)
    if html is not None:
        run.project.write_report(html, found)
    if out is not None:
        write_records([found.to_dict()], Format.json, out)
    run.data([found.to_dict()], lambda: _show_comparison(found))
    if html is not None:
        run.say(f"the page is {html}")


def _show_comparison(found: RunComparison) -> None:
    from kgrec.cli.views import number
    from kgrec.evaluate.runs import PAIRED
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
