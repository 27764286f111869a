"""Curves: what a re-ranker's strength costs and gives, and how trained scorers learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrec.evaluate.lists_record import ListsRecord, SweepPoint
from kgrec.report import Point, Section, Series, details, grid, line_plot, number, paragraph, scatter_plot, table
from kgrec.report.record import change, span, text_of

AGAINST = ("diversity", "coverage", "popularity", "novelty", "miscalibration", "gini")
"""What accuracy is traded for, as far as there are figures."""


def tradeoffs(record: ListsRecord) -> Section | None:
    """Draw accuracy against each of the others, for each option that was swept."""
    blocks: list[object] = []
    for sweep in record.sweeps:
        blocks += _sweep(f"{sweep.step}.{sweep.option}", sweep.points, record.metric)
    if not blocks:
        return None
    text = (
        "The same lists at each value of an option. A point further to the right is more accurate; "
        "what stands upwards is what the accuracy is traded for."
    )
    return Section("Trade-offs", [paragraph(text), *blocks])


def _sweep(name: str, points: Sequence[SweepPoint], metric: str) -> list[object]:
    first = points[0]
    k = metric.partition("@")[2]
    others = [f"{other}@{k}" for other in AGAINST if f"{other}@{k}" in first.metrics]
    plots = []
    for other in others:
        placed = [Point(_value(p), p.metrics[metric][0], *p.metrics[other]) for p in points]
        plots.append(scatter_plot(placed, title=f"{other} against {metric}", x_label=metric, y_label=other, note=name))
    lines = []
    for point in points:
        mean, low, high = point.metrics[metric]
        row: list[object] = [_value(point), mean, span(low, high), change(mean, first.metrics[metric][0])]
        for other in others:
            value = point.metrics[other][0]
            gap = change(value, first.metrics[other][0])
            row.append(f"{number(value)} ({gap})" if gap and point is not first else number(value))
        lines.append(row)
    header = [name, metric, "95 % interval", "change", *others]
    right = ["95 % interval", "change", name, *others]
    shown = table(header, lines, caption=f"{name}: changes are against the first value", right=right)
    return [grid(*plots), details("The figures", shown)]


def _value(point: SweepPoint) -> str:
    """Return the value of the option as people write it."""
    return f"{point.value:g}" if isinstance(point.value, float) else text_of(point.value)


def learning(record: ListsRecord) -> Section | None:
    """Draw how scorers that train by epochs got better on the likes held out for validation."""
    found = record.charts.learning
    if not found:
        return None
    plots = []
    for scorer in dict.fromkeys(curve.scorer for curve in found):
        series = [
            Series(f"seed {curve.seed}", [x for x, _ in curve.points], [y for _, y in curve.points])
            for curve in found
            if curve.scorer == scorer
        ]
        best = max((y for one in series for y in one.y if y is not None), default=math.nan)
        note = f"best {best:.4f}" if math.isfinite(best) else ""
        plots.append(line_plot(series, title=scorer, x_label="epoch", y_label="on validation likes", note=note))
    text = (
        "How good each scorer that learns by epochs is after each of them, on likes that were set aside from "
        "the training part for this; the best epoch is what is used. Nothing here looks at the hidden likes."
    )
    return Section("Learning curves", [paragraph(text), grid(*plots)])
