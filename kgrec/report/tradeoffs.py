"""Curves: what a re-ranker's strength costs and gives, and how trained scorers learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kgrec.report import Point, Section, Series, details, grid, line_plot, number, paragraph, scatter_plot, table
from kgrec.report.record import change, main_metric, mapping, real, reals, rows, span, text_of

AGAINST = ("diversity", "coverage", "popularity", "novelty", "miscalibration", "gini")
"""What accuracy is traded for, as far as there are figures."""


def tradeoffs(document: Mapping[str, Any]) -> Section | None:
    """Draw accuracy against each of the others, for each option that was swept."""
    blocks: list[object] = []
    for sweep in rows(document.get("sweeps")):
        points = rows(sweep.get("points"))
        if points:
            blocks += _sweep(f"{sweep.get('step')}.{sweep.get('option')}", points, main_metric(document))
    if not blocks:
        return None
    text = (
        "The same lists at each value of an option. A point further to the right is more accurate; "
        "what stands upwards is what the accuracy is traded for."
    )
    return Section("Trade-offs", [paragraph(text), *blocks])


def _sweep(name: str, points: list[Mapping[str, Any]], metric: str) -> list[object]:
    known = list(mapping(points[0].get("metrics")))
    metric = metric if metric in known else next((n for n in known if n.startswith("ndcg@")), known[0] if known else "")
    k = metric.partition("@")[2]
    others = [f"{other}@{k}" for other in AGAINST if f"{other}@{k}" in known]
    plots = []
    for other in others:
        placed = []
        for point in points:
            (x, *_), (y, low, high) = _figure(point, metric), _figure(point, other)
            placed.append(Point(_value(point), x, y, low, high))
        plots.append(scatter_plot(placed, title=f"{other} against {metric}", x_label=metric, y_label=other, note=name))
    first = points[0]
    lines = []
    for point in points:
        mean, low, high = _figure(point, metric)
        row: list[object] = [
            _value(point),
            mean,
            span(low, high),
            change(mean, _figure(first, metric)[0]),
        ]
        for other in others:
            value, gap = _figure(point, other)[0], change(_figure(point, other)[0], _figure(first, other)[0])
            row.append(f"{number(value)} ({gap})" if gap and point is not first else number(value))
        lines.append(row)
    header = [name, metric, "95 % interval", "change", *others]
    right = ["95 % interval", "change", name, *others]
    shown = table(header, lines, caption=f"{name}: changes are against the first value", right=right)
    return [grid(*plots), details("The figures", shown)]


def _value(point: Mapping[str, Any]) -> str:
    """Return the value of the option as people write it."""
    value = point.get("value")
    return f"{value:g}" if isinstance(value, float) else text_of(value)


def _figure(point: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    values = reals(mapping(point.get("metrics")).get(name))
    return (values[0], values[1], values[2]) if len(values) == 3 else (math.nan, math.nan, math.nan)


def learning(document: Mapping[str, Any]) -> Section | None:
    """Draw how scorers that train by epochs got better on the likes held out for validation."""
    found = rows(mapping(document.get("pictures")).get("learning"))
    if not found:
        return None
    plots = []
    for scorer in dict.fromkeys(str(curve.get("scorer")) for curve in found):
        series = []
        for curve in (c for c in found if str(c.get("scorer")) == scorer):
            pairs = [reals(point) for point in curve.get("points") or ()]
            kept = [pair for pair in pairs if len(pair) == 2]
            series.append(Series(f"seed {curve.get('seed')}", [p[0] for p in kept], [p[1] for p in kept]))
        best = max((real(y) for one in series for y in one.y), default=math.nan)
        note = f"best {best:.4f}" if math.isfinite(best) else ""
        plots.append(line_plot(series, title=scorer, x_label="epoch", y_label="on validation likes", note=note))
    text = (
        "How good each scorer that learns by epochs is after each of them, on likes that were set aside from "
        "the training part for this; the best epoch is what is used. Nothing here looks at the hidden likes."
    )
    return Section("Learning curves", [paragraph(text), grid(*plots)])
