"""``kgrec generate enrich``: keywords for items of thin texts, in a file that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli.console import cell
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command


@workspace_command
def enrich(
    run: CommandLineRun,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A .csv: item_id, keywords.")],
    thin: Annotated[int, typer.Option("--thin", min=1, help="Texts of fewer words get keywords.")] = 20,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Keywords an item.")] = 8,
) -> None:
    """Write keywords for items with short texts.

    A keyword is a word that items near them in graph and likes agree on.

    Training reads the file where kgrec.toml says text.keywords = "FILE". Keywords are no facts; no text states them.
    """
    written = run.project.enrich(out, thin=thin, limit=limit)
    run.say(f"keywords of {cell(written)} items written to {out}")
    run.say(f'next: [text] keywords = "{out.name}" in kgrec.toml, then kgrec train{run.workspace_option}')
