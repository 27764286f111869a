"""What ``kgrec evaluate --ratings`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kgrec.cli.console import cell, console, table

if TYPE_CHECKING:
    from kgrec.evaluate.ratings import RatingsComparison, RatingsEvaluation
    from kgrec.evaluate.significance import Interval

SIGNIFICANT = 0.05
"""Corrected p-values up to this are called a difference."""

RIGHT: dict[str, Any] = {"justify": "right", "no_wrap": True}


def show_ratings(evaluation: RatingsEvaluation) -> None:
    """Print the table of predictors."""
    data, plan, out = evaluation.data, evaluation.plan, console()
    counts = ", ".join(f"{name} {cell(data[name])}" for name in ("ratings", "users", "items"))
    low, high = data["scale"]
    how = f"{plan.folds} folds" if plan.split == "folds" else f"{cell(data['foretold'])} ratings of the test files"
    out.print(f"{how} · {counts}, {low:g} to {high:g}, mean {data['mean']:.2f} · seeds {cell(plan.seeds)}", style="dim")
    columns: dict[str, Mapping[str, Any]] = {
        "predictor": {"no_wrap": True},
        "RMSE": RIGHT,
        "95 % interval": RIGHT,
        "MAE": RIGHT,
    }
    last = evaluation.predictors[-1].name
    lead = {"worse by": RIGHT, "p": RIGHT} if evaluation.comparisons else {}
    shown = table({**columns, **lead, "CPU s": RIGHT})
    compared = {c.predictor: c for c in evaluation.comparisons}
    for found in evaluation.predictors:
        cells = [f"{found.rmse.mean:.4f}", _range(found.rmse), f"{found.mae.mean:.4f}"]
        seconds = f"{found.fit_seconds + found.predict_seconds:.1f}"
        shown.add_row(found.name, *cells, *(_lead(compared.get(found.name)) if lead else ()), seconds)
    out.print(shown)
    weights = evaluation.predictors[-1].weights
    if weights:
        means = {name: sum(fold[name] for fold in weights) / len(weights) for name in weights[0]}
        parts = ", ".join(f"{name} {weight:.2f}" for name, weight in means.items())
        out.print(f"{last}: baseline + {parts}, of what each adds to the baseline", style="dim")
    if evaluation.comparisons:
        out.print(f"worse by: RMSE minus that of {last}", style="dim")
        out.print("? more than 1 in 20 that it is chance (paired permutation test, Holm-corrected)", style="dim")


def _lead(comparison: RatingsComparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    unsure = "" if comparison.p_holm <= SIGNIFICANT else " ?"
    return f"{comparison.rmse_difference:+.4f}{unsure}", f"{comparison.p_holm:.3f}"


def _range(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"
