"""``kgrec build-graph``: from files to tables and a knowledge graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, show_facts, table, warn
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.graph.build_stage import BuildReport


@workspace_command
def build_graph(
    run: CommandLineRun,
    append: Annotated[
        list[Path] | None,
        typer.Option("--append", metavar="FILES...", help="Add these files to what is built already."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Any row that is lost is an error.")] = False,
    cluster: options.Cluster = None,
) -> None:
    """Read and clean the files, build the knowledge graph."""
    with run.progress() as progress, run.workers(cluster):
        report = run.project.build_graph(append=tuple(append or ()), strict=strict, progress=progress)
    facts = {"dataset": report.dataset, "cleaning": report.cleaning, "graph": report.graph}
    run.data([{**facts, "seconds": report.seconds}], lambda: show_facts(_summary(report)))
    _losses(run, report)
    for audit in report.graph.get("link_audits", ()):
        if audit["warning"]:
            warn(audit["warning"])
    run.timings(report.seconds)
    run.say(f"next: kgrec train{run.workspace_option}")


def _losses(run: CommandLineRun, report: BuildReport) -> None:
    """Show what was lost, by file and reason, and the columns that nothing is made of."""
    from kgrec.data.losses import percent

    bound = run.project.config.data.cleaning.warn_loss
    found = report.cleaning.get("losses", ())
    loud = [loss for loss in found if loss["lost"] and loss["share"] > bound]
    if found and run.form is None:
        shown = table(
            {"file": {}, "rows left out": {"justify": "right"}, "of the file": {"justify": "right"}, "why": {}}
        )
        for loss in found:
            style = "bold yellow" if loss in loud else None if loss["lost"] else "dim"
            cells = (loss["source"], f"{loss['rows']:,}", percent(loss["share"]), loss["reason"])
            shown.add_row(*map(clean, cells), style=style)
        console().print(shown)
        run.say(f"each of them: kgrec info --rejects{run.workspace_option}")
    for loss in loud:
        warn(f"{loss['source']}: {percent(loss['share'])} of the rows are lost: {loss['reason']}; {loss['example']}")
    for file in report.cleaning.get("files", ()):
        if (dates := file.get("dates", {})).get("ambiguous"):
            other = "day-first" if dates["order"] == "month-first" else "month-first"
            warn(
                f"{file['source']}: nothing tells whether dates like 05/07/2024 begin with the day; they are read "
                f'{dates["order"]}; if that is wrong: notation = {{ dates = "{other}" }} in kgrec.toml'
            )
        if unused := file.get("unused"):
            run.say(f"{file['source']}: not used: " + ", ".join(f"{name} ({what})" for name, what in unused.items()))


def _summary(report: BuildReport) -> dict[str, str]:
    """Write each part of the report as one line; ``--format json`` has all of it."""
    graph = {key: value for key, value in report.graph.items() if not isinstance(value, Mapping | list)}
    audits = report.graph.get("link_audits", ())
    parts = {key: value for key, value in report.graph.items() if isinstance(value, Mapping)}
    missing: Counter[str] = Counter()
    for file in report.cleaning.get("files", ()):
        missing.update(file.get("missing", {}))
    return {
        "tables": cell(report.dataset),
        **({"without": f"{cell(missing)}; these rows were kept"} if missing else {}),
        **({"conflicts": f"{_conflicts(report.cleaning['conflicts'])}"} if report.cleaning.get("conflicts") else {}),
        "graph": cell(graph),
        **{key: cell(value) for key, value in parts.items() if value},
        **({"links": "\n".join(audit["summary"] for audit in audits)} if audits else {}),
    }


def _conflicts(found: Sequence[Mapping[str, Any]]) -> str:
    """Name columns in which rows of one id differ; the first value of each is kept."""
    told = [
        f"{c['column']} of {c['ids']:,} {c['role']} ({c['example']['id']}: {cell(c['example']['values'])})"
        for c in found
    ]
    return f"rows of one id differ in {'; '.join(told)}; the first is kept"
