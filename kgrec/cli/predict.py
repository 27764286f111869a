"""``kgrec predict``: what a user would rate items."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kgrec.cli import options
from kgrec.cli.console import clean, console, table
from kgrec.cli.run import CommandLineRun
from kgrec.plugin import workspace_command


@workspace_command
def predict(
    run: CommandLineRun,
    user: options.User,
    items: Annotated[list[str], typer.Argument(metavar="ITEM", help="Ids of items.", autocompletion=options.items)],
    level: Annotated[
        float, typer.Option("--level", min=0.01, max=0.99, help="Share of the ratings that the intervals hold.")
    ] = 0.8,
) -> None:
    """Say what a user would rate items, and between which values that lies.

    The data needs ratings. The model is fitted at the first call and kept until the data is built again.
    """
    with run.progress() as progress:
        found = run.project.predict(user, items, level=level, progress=progress)
    titles = run.project.titles([each.item_id for each in found])
    records = [{**asdict(each), "title": title} for each, title in zip(found, titles, strict=True)]

    def show() -> None:
        right = {"justify": "right", "no_wrap": True}
        bold = {"min_width": 12, "style": "bold", "overflow": "fold"}
        shown = table({"title": bold, "rating": right, f"{level:.0%} interval": right, "given": right, "item": {}})
        for each, title in zip(found, titles, strict=True):
            given = "" if each.given is None else f"{each.given:g}"
            between = f"{each.low:.2f} to {each.high:.2f}"
            shown.add_row(clean(title), f"{each.rating:.2f}", between, given, clean(each.item_id), style=None)
        console().print(shown)

    run.data(records, show)
