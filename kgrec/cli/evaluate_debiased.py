"""The table of ``kgrec evaluate`` that sets figures as observed beside debiased ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kgrec.cli.console import console, table

if TYPE_CHECKING:
    from kgrec.evaluate.debiased import DebiasedFigures

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


def show_debiased(figures: Sequence[DebiasedFigures]) -> None:
    """Print the naive figures, the debiased ones and what lies between them."""
    if not figures:
        return
    out = console()
    columns = {"debiased": {}, "of all likes": {"no_wrap": True}, "naive": RIGHT, "SNIPS": RIGHT, "difference": RIGHT}
    shown = table({**columns, "95 % interval": RIGHT})
    for row in figures:
        gap = row.difference
        cells = [f"{row.naive.mean:.4f}", f"{row.debiased.mean:.4f}", f"{gap.mean:+.4f}"]
        shown.add_row(row.system, row.metric, *cells, f"{gap.low:+.4f} to {gap.high:+.4f}")
    out.print()
    out.print(shown)
    out.print(
        "SNIPS: as if every item had been seen equally often; in effect it rests on "
        f"{figures[0].effective:.0%} of the held-out likes",
        style="dim",
    )
