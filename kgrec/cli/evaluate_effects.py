"""The lines of ``kgrec evaluate`` on how large differences are: between systems, and between groups of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kgrec.cli.console import console

if TYPE_CHECKING:
    from kgrec.evaluate.gaps import Gap
    from kgrec.evaluate.report import Comparison

SIGNIFICANT = 0.05
"""Corrected p-values up to this are called a difference."""


def show_effects(comparisons: Sequence[Comparison]) -> None:
    """Print what the corrected p-values do not say: how large the whole hybrid's leads are."""
    if not comparisons:
        return
    out = console()
    out.print("? more than 1 in 20 that it is chance (paired permutation test, Holm-corrected)", style="dim")
    whole = [c for c in comparisons if not c.by]
    sizes = " · ".join(f"{c.system} {c.paired.effect:+.2f}, {c.paired.wins:.0%}" for c in whole)
    out.print(
        f"effect size of the leads (Cohen's d, share of the users served better, ties half): {sizes}", style="dim"
    )


def show_gaps(gaps: Sequence[Gap]) -> None:
    """Print a line an attribute: the groups' means, how far the best and the worst are apart, and how sure that is."""
    out = console()
    for gap in gaps:
        groups = ", ".join(f"{name} {value:.4f}" for name, value in gap.groups.items())
        sure = f"p {gap.p_holm:.3f}" + ("" if gap.p_holm <= SIGNIFICANT else " ?")
        line = f"gap {gap.gap:.4f} ({gap.low:.4f} to {gap.high:.4f}), d {gap.effect:.2f}, {sure}"
        out.print(f"{gap.metric} by {gap.attribute}: {groups} · {line}")
