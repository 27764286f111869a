"""For whom and for what: slices of users and items, gaps between groups of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from kgrec.report import Bar, Section, bar_plot, details, grid, number, paragraph, table
from kgrec.report.record import interval, main_metric, mapping, real, rows, span

MOST_SYSTEMS = 3
"""Systems in a chart; the tables hold all."""


def groups(document: Mapping[str, Any]) -> Section | None:
    """Show the main figure by how much is known of users and items, and how far groups of users are apart."""
    slices, gaps = rows(document.get("slices")), rows(document.get("gaps"))
    if not slices and not gaps:
        return None
    metric = main_metric(document)
    plots, tables = [], []
    for by in dict.fromkeys(str(s.get("by")) for s in slices):
        part = [s for s in slices if str(s.get("by")) == by]
        systems = list(dict.fromkeys(str(s.get("system")) for s in part))
        kept = systems[:MOST_SYSTEMS]
        bars = [
            Bar(
                str(s.get("slice")), *interval(s.get("interval")), kind=str(s.get("system")) if len(systems) > 1 else ""
            )
            for s in part
            if str(s.get("system")) in kept
        ]
        plots.append(bar_plot(bars, title=f"{metric} by {by}", x_label=f"{metric}, 95 % interval"))
        lines: list[list[object]] = []
        before = ""
        for s in part:
            mean, low, high = interval(s.get("interval"))
            name = str(s.get("slice"))
            shown = "" if name == before else name
            before = name
            lines.append([shown, s.get("system"), mapping(s.get("interval")).get("n"), mean, span(low, high)])
        header = [by, "system", "users", metric, "95 % interval"]
        made = table(header, lines, caption=f"By {by}", right=["95 % interval"])
        tables.append(made if len(systems) <= MOST_SYSTEMS else details(f"By {by}: every system", made))
    plots += [_gap_plot(gap) for gap in gaps]
    blocks: list[object] = [grid(*plots), *tables]
    if gaps:
        found = [
            [
                g.get("attribute"),
                _told(g),
                real(g.get("gap")),
                span(real(g.get("low")), real(g.get("high"))),
                real(g.get("p_holm")),
                real(g.get("effect")),
            ]
            for g in gaps
        ]
        header = ["users by", "groups", "gap", "95 % interval", "p", "effect"]
        caption = "Best minus worst served group of users; Holm-corrected permutation test; effect is Cohen's d"
        blocks.append(table(header, found, caption=caption, right=["95 % interval"]))
    note = "Slices of items: the lists stay the same, only items of the slice count as right."
    return Section("For whom, for what", [*blocks, paragraph(note, quiet=True)])


def _gap_plot(gap: Mapping[str, Any]) -> Markup:
    ranges = mapping(gap.get("intervals"))
    bars = [
        Bar(name, *(interval(ranges[name]) if name in ranges else (_mean(value),)))
        for name, value in mapping(gap.get("groups")).items()
    ]
    return bar_plot(bars, title=f"{gap.get('metric')} by {gap.get('attribute')}", x_label=str(gap.get("metric")))


def _told(gap: Mapping[str, Any]) -> str:
    sizes = mapping(gap.get("sizes"))
    groups = mapping(gap.get("groups"))
    return " · ".join(
        f"{name} {number(_mean(value))} ({number(sizes.get(name))} users)" for name, value in groups.items()
    )


def _mean(value: Any) -> float:
    """Return a group's mean, whether it was kept with an interval or without."""
    return interval(value)[0] if isinstance(value, Mapping) else real(value)
