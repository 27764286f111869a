"""The page of foretold ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kgrec.report import Bar, Section, bar_plot, facts, grid, number, paragraph, table
from kgrec.report.record import interval, mapping, real, rows, span, text_of


def summary(document: Mapping[str, Any]) -> Section:
    """Say what was foretold and how near it came."""
    plan, data = mapping(document.get("plan")), mapping(document.get("data"))
    best = min(rows(document.get("predictors")), key=lambda p: _key(interval(p.get("rmse"))[0]), default={})
    mean, low, high = interval(best.get("rmse"))
    said = f"Best is {best.get('name')}: RMSE {number(mean)} (95 % interval {span(low, high)})." if best else ""
    named = {
        "held out": plan.get("split"),
        "folds": plan.get("folds") if plan.get("split") != "given" else None,
        "seeds": text_of(plan.get("seeds")),
        **{name: text_of(value) for name, value in data.items() if not isinstance(value, Mapping)},
    }
    shown = facts({name: value for name, value in named.items() if value is not None})
    return Section("In short", [paragraph(said), shown] if said else [shown])


def results(document: Mapping[str, Any]) -> Section | None:
    """Show the errors of each predictor."""
    found = rows(document.get("predictors"))
    if not found:
        return None
    worse = {str(c.get("predictor")): c for c in rows(document.get("comparisons"))}
    lines, bars, others = [], [], []
    for one in found:
        name = str(one.get("name"))
        rmse, mae, against = interval(one.get("rmse")), interval(one.get("mae")), worse.get(name, {})
        p = real(against.get("p_holm"))
        gap = real(against.get("rmse_difference")) if against else None
        told = f"{p:.3f}" if math.isfinite(p) else ""
        lines.append([name, rmse[0], span(*rmse[1:]), mae[0], span(*mae[1:]), gap, told])
        bars.append(Bar(name, *rmse))
        others.append(Bar(name, *mae))
    header = ["predictor", "RMSE", "95 % interval", "MAE", "95 % interval", "RMSE worse by", "p"]
    return Section(
        "Results",
        [
            table(header, lines, caption="Errors in stars; worse than the last row by", right=["95 % interval", "p"]),
            grid(
                bar_plot(bars, title="RMSE", x_label="stars, less is better", zero=False),
                bar_plot(others, title="MAE", x_label="stars, less is better", zero=False),
            ),
        ],
    )


def _key(value: float) -> float:
    return value if math.isfinite(value) else math.inf
