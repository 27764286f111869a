"""What the lists are like: how popular their items are, who gets the places, whether their categories fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kgrec.report import Bar, Section, Series, bar_plot, grid, line_plot, paragraph, table
from kgrec.report.record import interval, judged, longest, mapping, real, reals, rows, span

MOST_SYSTEMS = 2
"""Systems in a chart, the whole hybrid first; the tables hold all."""


def popularity(document: Mapping[str, Any]) -> Section | None:
    """Show how popular what is recommended is, beside what people like."""
    drawn = mapping(document.get("pictures"))
    bands, handed = rows(drawn.get("bands")), mapping(drawn.get("handed_out"))
    if not bands:
        return None
    every = list(mapping(bands[0].get("systems")))
    names = every[:MOST_SYSTEMS]
    bars = []
    for band in bands:
        label = str(band.get("name"))
        bars.append(Bar(label, real(band.get("items")), kind="all items"))
        bars.append(Bar(label, real(band.get("hidden_likes")), kind="hidden likes"))
        shares = mapping(band.get("systems"))
        bars += [Bar(label, real(shares.get(name)), kind=f"lists: {name}") for name in names]
    lines: list[list[object]] = [
        ["all items", *(real(band.get("items")) for band in bands)],
        ["hidden likes", *(real(band.get("hidden_likes")) for band in bands)],
        *([f"lists: {n}", *(real(mapping(band.get("systems")).get(n)) for band in bands)] for n in every),
    ]
    plots = [bar_plot(bars, title="Who gets the places", x_label="share")]
    series = [Series(name, *_columns(points)) for name, points in list(handed.items())[:MOST_SYSTEMS]]
    if series:
        even = Series("all equally often", [0.0, 1.0], [0.0, 1.0])
        plots.append(
            line_plot(
                [*series, even],
                title="How the places are handed out",
                x_label="share of the items, least shown first",
                y_label="share of all places",
                note="The further below the diagonal, the fewer items take the places (Lorenz curve).",
            )
        )
    header = ["share of", *(str(band.get("name")) for band in bands)]
    shown = table(
        header, lines, caption="Shares of the items, of the hidden likes, and of the places in the lists of each system"
    )
    text = (
        "Lists that show popular items far more often than people turn out to like them feed on themselves; "
        "lists that never show rare ones leave the catalogue unused."
    )
    return Section(
        "Popularity",
        [
            paragraph(text),
            grid(*plots),
            shown,
            _figures(document, ("popularity", "lift", "novelty", "coverage", "gini")),
        ],
    )


def debiased(document: Mapping[str, Any]) -> Section | None:
    """Show the figures as observed beside those in which likes count by inverse propensity."""
    found = rows(document.get("debiased"))
    if not found:
        return None
    lines = []
    for one in found:
        naive, weighed, gap = (interval(one.get(key)) for key in ("naive", "debiased", "difference"))
        row = [one.get("system"), one.get("metric"), naive[0], span(*naive[1:]), weighed[0], span(*weighed[1:])]
        lines.append([*row, gap[0], span(*gap[1:]), real(one.get("effective"))])
    header = ["system", "figure", "naive", "95 % interval", "SNIPS", "95 % interval", "difference", "95 % interval"]
    text = (
        "Popular items are seen, and so liked, more often: the naive figure counts every hidden like the same, SNIPS "
        "counts each the more, the less popular its item is. Both are over all hidden likes together."
    )
    shown = table([*header, "rests on"], lines, caption="As observed and debiased", right=["95 % interval"])
    return Section("Debiased", [paragraph(text), shown])


def calibration(document: Mapping[str, Any]) -> Section | None:
    """Show whether the mix of categories in the lists is the one that people like."""
    drawn = mapping(mapping(document.get("pictures")).get("categories"))
    labels = drawn.get("labels")
    if not isinstance(labels, list) or not labels:
        return None
    liked, hidden = (_filled(drawn.get(name), len(labels)) for name in ("liked", "hidden_likes"))
    listed = {str(name): _filled(values, len(labels)) for name, values in mapping(drawn.get("systems")).items()}
    first = next(iter(listed), "")
    bars = []
    for k, label in enumerate(labels):
        bars.append(Bar(str(label), liked[k], kind="in histories"))
        if first:
            bars.append(Bar(str(label), listed[first][k], kind=f"in lists: {first}"))
    names = list(listed)
    lines = [[label, liked[k], hidden[k], *(listed[name][k] for name in names)] for k, label in enumerate(labels)]
    attribute = str(drawn.get("attribute"))
    left = int(real(drawn.get("left_out") or 0))
    note = f"The {len(labels)} most liked; {left} more are not shown." if left else ""
    return Section(
        "Calibration",
        [
            paragraph(
                f"Share of each {attribute} in what people are known to like and in their lists, averaged over people. "
                "Lists are calibrated when the two are alike (Steck 2018)."
            ),
            grid(bar_plot(bars, title=f"Mix of {attribute}", x_label="mean share", note=note)),
            table(
                [attribute, "in histories", "in hidden likes", *names],
                lines,
                caption=f"Mean share of each {attribute} in histories, in hidden likes and in the lists of each system",
            ),
            _figures(document, ("miscalibration", "diversity", "serendipity")),
        ],
    )


def _figures(document: Mapping[str, Any], wanted: tuple[str, ...]) -> object:
    """Return the named figures of each system."""
    k = longest(document)
    systems = judged(document)
    # Figures of all lists together have no interval over users.
    ranges = {f"{name}@{k}": any(f"{name}@{k}" in mapping(s.get("metrics")) for s in systems) for name in wanted}
    lines = []
    for system in systems:
        metrics, overall = mapping(system.get("metrics")), mapping(system.get("overall"))
        cells: list[object] = []
        for name, ranged in ranges.items():
            mean, low, high = interval(metrics.get(name))
            cells += [mean, span(low, high)] if ranged else [real(overall.get(name))]
        lines.append([system.get("name"), *cells])
    header = ["system"]
    for name, ranged in ranges.items():
        header += [name, "95 % interval"] if ranged else [name]
    return table(header, lines, caption="The same in figures", right=["95 % interval"])


def _filled(values: Any, n: int) -> list[float]:
    """Return ``n`` numbers, NaN for those that are not there."""
    return (reals(values) + [math.nan] * n)[:n]


def _columns(points: Any) -> tuple[list[float], list[float]]:
    pairs = [reals(point) for point in points] if isinstance(points, list) else []
    kept = [pair for pair in pairs if len(pair) == 2]
    return [pair[0] for pair in kept], [pair[1] for pair in kept]
