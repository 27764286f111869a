"""``kgrec runs``: the evaluations that were kept, each again as a table or a page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.console import console, duration, show_facts, table
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.evaluate.records import RunRecord

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
    names = run.project.runs()
    records = [_line(run.project.run(name)) for name in reversed(names[-limit:])]
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


def _line(record: RunRecord) -> dict[str, Any]:
    """Return what the list shows of a run."""
    document = record.document
    plan = document.get("plan") or {}
    name, mean = headline(record)
    return {
        "run": record.name,
        "kind": record.kind,
        "split": plan.get("split"),
        "seeds": ",".join(str(seed) for seed in plan.get("seeds") or ()),
        "only": ",".join(plan.get("only") or ()) or None,
        "figure": name,
        "value": None if mean is None else round(mean, 4),
        "seconds": document.get("seconds"),
    }


def headline(record: RunRecord) -> tuple[str, float | None]:
    """Return name and mean of the figure that a run is known by."""
    from kgrec.report.record import interval, judged, main_metric, rows

    systems, metric = judged(record.document), main_metric(record.document)
    if systems and metric:
        mean = interval(systems[0]["metrics"].get(metric))[0]
        return metric, mean if mean == mean else None
    found = [interval(p.get("rmse"))[0] for p in rows(record.document.get("predictors"))]
    found = [value for value in found if value == value]
    return ("RMSE", min(found)) if found else ("", None)


@workspace_command
def show(
    run: CommandLineRun,
    name: RunName = "latest",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page of the run to FILE.")
    ] = None,
) -> None:
    """Show a kept run again, or write its page."""
    record = run.project.run(name)
    if html is not None:
        check_page(html)
        run.project.write_report(html, name)
        run.say(f"the page of {record.name} is in {html}")
        return
    run.data([record.document], lambda: _show(record))


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
    where = run.project.export_run(to.value, out, name)
    look = f"tensorboard --logdir {where}" if to is Tool.tensorboard else f"mlflow ui --backend-store-uri {where}"
    run.say(f"written to {where}; look at it with: {look}")


def check_page(file: Path) -> None:
    """Complain of a name that is no page's.

    Raises:
        UsageError: the name ends otherwise, or there is no such folder.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{file.name} is not an .html file", hint="name it FILE.html")
    if not file.parent.is_dir():
        raise UsageError(f"the folder {file.parent} does not exist", hint=f"mkdir -p {file.parent}")


def _show(record: RunRecord) -> None:
    from kgrec.evaluate.records import REPLAY
    from kgrec.report.record import interval, judged, main_metric, rows, span
    from kgrec.report.reproduce import command_of

    document, out = record.document, console()
    created = document.get("created")
    facts: dict[str, Any] = {"run": record.name, "kind": record.kind}
    if isinstance(created, int | float):
        facts["made"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(created))
    facts["took"] = duration(float(document.get("seconds") or 0))
    facts["command"] = command_of(document)
    facts |= _fingerprints(document)
    show_facts(facts)
    metric = main_metric(document)
    systems = judged(document)
    if systems:
        names = [name for name in systems[0]["metrics"] if "@" not in name or name.endswith(metric.partition("@")[2])]
        shown = table({"figure": {"no_wrap": True}, **{str(s.get("name")): RIGHT for s in systems[:4]}})
        for name in names:
            shown.add_row(name, *(_number(interval(s["metrics"].get(name))[0]) for s in systems[:4]))
        out.print()
        out.print(shown)
        mean, low, high = interval(systems[0]["metrics"].get(metric))
        out.print(f"{metric} of {systems[0].get('name')}: {_number(mean)} ({span(low, high)})")
    if record.kind == REPLAY:
        from kgrec.cli.simulate import show_drift

        out.print()
        show_drift(document["replay"])
    predictors = rows(document.get("predictors"))
    if predictors:
        shown = table({"predictor": {}, "RMSE": RIGHT, "95 % interval": RIGHT})
        for one in predictors:
            mean, low, high = interval(one.get("rmse"))
            shown.add_row(str(one.get("name")), _number(mean), span(low, high))
        out.print()
        out.print(shown)


def _fingerprints(document: Mapping[str, Any]) -> dict[str, Any]:
    data = (document.get("reproduce") or {}).get("data") or {}
    return {f"{name} fingerprint": value for name, value in data.items()}


def _number(value: float) -> str:
    return "" if value != value else f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
