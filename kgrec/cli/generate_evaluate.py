"""``kgrec generate evaluate``: how good generated texts are, and what readers made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli.generate_feedback import evaluate_feedback
from kgrec.cli.run import Run
from kgrec.errors import UsageError


def evaluate(
    run: Run,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback", help="What readers did: clicks, conversions, dwell by kind, language, model and prompt."
        ),
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page to FILE.")] = None,
) -> None:
    """Judge texts: with --feedback by what readers did with those on record."""
    if not feedback:
        raise UsageError("what is to be judged?", hint="give --feedback")
    evaluate_feedback(run, html)
