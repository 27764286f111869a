"""What ``kgrec evaluate --sweep`` shows: a table of each option, accuracy first and what it is traded for beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgrec.cli.console import cell, console, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kgrec.evaluate.curves import Span
    from kgrec.evaluate.report import Evaluation

SHOWN = ("diversity", "coverage", "popularity")
"""Figures beside accuracy, as far as there are any; more do not fit into 80 columns."""


def show_sweeps(evaluation: Evaluation) -> None:
    """Print a table for each sweep; changes are against the lists as ranked."""
    if not evaluation.sweeps:
        return
    from kgrec.evaluate.ablation import AS_RANKED

    named = {system.name: system for system in evaluation.systems}
    ranked = named.get(AS_RANKED, evaluation.systems[0])
    before = {**{name: interval.mean for name, interval in ranked.metrics.items()}, **ranked.overall}
    k = max(evaluation.plan.ks)
    others = [f"{name}@{k}" for name in SHOWN if f"{name}@{k}" in before]
    out, right = console(), {"justify": "right", "no_wrap": True}
    for curve in evaluation.sweeps:
        heads = (evaluation.metric, "95 % interval", "change", *(name.partition("@")[0] for name in others))
        columns: dict[str, Mapping[str, Any]] = {curve.option: right}
        shown = table({**columns, **dict.fromkeys(heads, right)})
        shown.add_row("as ranked", f"{before[evaluation.metric]:.4f}", "", "", *(_number(before[n]) for n in others))
        for point in curve.points:
            mean, low, high = point.metrics[evaluation.metric]
            accuracy = f"{mean:.4f}", f"{low:.4f} to {high:.4f}", _change((mean, low, high), before[evaluation.metric])
            shown.add_row(cell(point.value), *accuracy, *(_change(point.metrics[n], before[n]) for n in others))
        out.print(f"\n{curve.step}.{curve.option}", style="bold")
        out.print(shown)
    out.print("changes are against the lists as ranked; all figures and intervals: --out FILE.json", style="dim")


def _change(span: Span, before: float) -> str:
    return f"{span[0] / before - 1:+.1%}" if before == before and before else ""


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
