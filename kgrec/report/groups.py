"""For whom and for what: slices of users and items, gaps between groups of users."""

from __future__ import annotations

from markupsafe import Markup

from kgrec.evaluate.lists_record import Gap, ListsRecord
from kgrec.report import Bar, Section, bar_plot, details, grid, number, paragraph, table
from kgrec.report.record import span

MOST_SYSTEMS = 3
"""Systems in a chart; the tables hold all."""


def groups(record: ListsRecord) -> Section | None:
    """Show the main figure by how much is known of users and items, and how far groups of users are apart."""
    slices, gaps, metric = record.slices, record.gaps, record.metric
    if not slices and not gaps:
        return None
    plots, tables = [], []
    for by in dict.fromkeys(s.by for s in slices):
        part = [s for s in slices if s.by == by]
        systems = list(dict.fromkeys(s.system for s in part))
        kept = systems[:MOST_SYSTEMS]
        bars = [
            Bar(s.slice, *s.interval.span, kind=s.system if len(systems) > 1 else "") for s in part if s.system in kept
        ]
        plots.append(bar_plot(bars, title=f"{metric} by {by}", x_label=f"{metric}, 95 % interval"))
        lines: list[list[object]] = []
        before = ""
        for s in part:
            shown = "" if s.slice == before else s.slice
            before = s.slice
            lines.append([shown, s.system, s.interval.n, s.interval.mean, span(s.interval.low, s.interval.high)])
        header = [by, "system", "users", metric, "95 % interval"]
        made = table(header, lines, caption=f"By {by}", right=["95 % interval"])
        tables.append(made if len(systems) <= MOST_SYSTEMS else details(f"By {by}: every system", made))
    plots += [_gap_plot(gap) for gap in gaps]
    blocks: list[object] = [grid(*plots), *tables]
    if gaps:
        found = [[g.attribute, _told(g), g.gap, span(g.low, g.high), g.p_holm, g.effect] for g in gaps]
        header = ["users by", "groups", "gap", "95 % interval", "p", "effect"]
        caption = "Best minus worst served group of users; Holm-corrected permutation test; effect is Cohen's d"
        blocks.append(table(header, found, caption=caption, right=["95 % interval"]))
    note = "Slices of items: the lists stay the same, only items of the slice count as right."
    return Section("For whom, for what", [*blocks, paragraph(note, quiet=True)])


def _gap_plot(gap: Gap) -> Markup:
    bars = [Bar(name, *interval.span) for name, interval in gap.intervals.items()]
    return bar_plot(bars, title=f"{gap.metric} by {gap.attribute}", x_label=gap.metric)


def _told(gap: Gap) -> str:
    return " · ".join(f"{name} {number(mean)} ({number(gap.sizes[name])} users)" for name, mean in gap.groups.items())
