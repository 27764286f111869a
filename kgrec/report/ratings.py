"""The page of predicted ratings."""

from __future__ import annotations

import math

from kgrec.evaluate.records import RatingsRecord
from kgrec.report import Bar, Section, bar_plot, facts, grid, number, paragraph, table
from kgrec.report.record import span, text_of


def summary(record: RatingsRecord) -> Section:
    """Say what was predicted and how near it came."""
    plan, data = record.plan, record.data
    best = min(record.predictors, key=lambda p: p.rmse.mean if math.isfinite(p.rmse.mean) else math.inf)
    mean, low, high = best.rmse.span
    said = f"Best is {best.name}: RMSE {number(mean)} (95 % interval {span(low, high)})."
    named = {
        "held out": plan.split,
        "folds": plan.folds if plan.split != "given" else None,
        "seeds": text_of(plan.seeds),
        "ratings": text_of(data.ratings),
        "users": text_of(data.users),
        "items": text_of(data.items),
        "scale": text_of(data.scale),
        "mean": text_of(data.mean),
        "predicted": None if data.predicted is None else text_of(data.predicted),
    }
    shown = facts({name: value for name, value in named.items() if value is not None})
    return Section("In short", [paragraph(said), shown])


def results(record: RatingsRecord) -> Section:
    """Show the errors of each predictor."""
    worse = {c.predictor: c for c in record.comparisons}
    lines, bars, others = [], [], []
    for one in record.predictors:
        rmse, mae, against = one.rmse.span, one.mae.span, worse.get(one.name)
        gap = against.rmse_difference if against else None
        told = f"{against.p_holm:.3f}" if against and math.isfinite(against.p_holm) else ""
        lines.append([one.name, rmse[0], span(*rmse[1:]), mae[0], span(*mae[1:]), gap, told])
        bars.append(Bar(one.name, *rmse))
        others.append(Bar(one.name, *mae))
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
