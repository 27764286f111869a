"""The table of ``kgrec evaluate`` on whether what was clicked is scored above what was only shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgrec.cli.console import cell, console, table

if TYPE_CHECKING:
    from kgrec.evaluate.clicks import Clicks

BESIDE = ("group auc", "mrr", "ndcg@10")
"""Figures for which a line has room; all are in the record."""

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


def show_clicks(found: Clicks | None) -> None:
    """Print how well clicks are told from what was only shown."""
    if found is None or not found.systems:
        return
    columns = ("auc", "95 % interval", *BESIDE)
    shown = table({"shown, clicked": {"no_wrap": True}, **dict.fromkeys(columns, RIGHT)})
    for system, figures in found.systems.items():
        whole = figures["auc"]
        rest = [f"{figures[name].mean:.4f}" for name in BESIDE]
        shown.add_row(system, f"{whole.mean:.4f}", f"{whole.low:.4f} to {whole.high:.4f}", *rest)
    out = console()
    out.print()
    out.print(shown)
    out.print(
        f"{cell(found.shown)} showings to {cell(found.users)} users, {cell(found.clicked)} clicked; auc over all "
        f"together, the rest means over {cell(found.groups)} groups: {found.by}",
        style="dim",
    )
