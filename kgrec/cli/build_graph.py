"""``kgrec build-graph``: from files to tables and a knowledge graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli.run import Run
from kgrec.cli.screen import show_facts


def build_graph(
    run: Run,
    append: Annotated[
        list[Path] | None,
        typer.Option("--append", metavar="FILES...", help="Add these files to what is built, rather than start anew."),
    ] = None,
) -> None:
    """Read the files that kgrec.toml names, clean them, and build the knowledge graph."""
    with run.progress() as progress:
        report = run.project.build_graph(append=tuple(append or ()), progress=progress)
    facts = {"dataset": report.dataset, "cleaning": report.cleaning, "graph": report.graph}
    run.data([{**facts, "seconds": report.seconds}], lambda: show_facts(facts))
    run.timings(report.seconds)
    run.say(f"next: kgrec train{run.workspace_option}")
