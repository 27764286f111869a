"""The table of ``kgrec evaluate`` on what showing an item changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgrec.cli.console import cell, console, table

if TYPE_CHECKING:
    from kgrec.evaluate.uplift import Effect, Uplift

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


def show_uplift(found: Uplift | None) -> None:
    """Print the effect of showing, on average and on what is in the lists."""
    if found is None:
        return
    out = console()
    columns = ("shown", "not shown", "uplift", "95 % interval")
    shown = table({"liked when": {"no_wrap": True}, **dict.fromkeys(columns, RIGHT)})
    rows: list[tuple[str, Effect]] = [("anything", found.everywhere)]
    rows += [(f"top {k} of {system}", effect) for system, by_k in found.at.items() for k, effect in by_k.items()]
    for name, effect in rows:
        gap = effect.uplift
        ends = f"{gap.low:+.2%} to {gap.high:+.2%}"
        shown.add_row(name, f"{effect.shown.mean:.2%}", f"{effect.unshown.mean:.2%}", f"{gap.mean:+.2%}", ends)
    out.print()
    out.print(shown)
    out.print(
        f"{cell(found.shown)} items shown to {cell(found.users)} users; weighed by inverse propensity "
        f"(uncorrected uplift {found.naive:+.2%})",
        style="dim",
    )
