"""What the data looks like: how active people are, how popular items are, how much is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgrec.report import Section, Series, facts, grid, histogram, line_plot, paragraph
from kgrec.report.record import mapping, real, reals


def data(document: Mapping[str, Any]) -> Section | None:
    """Draw the likes that the systems may learn from."""
    held = mapping(document.get("data"))
    drawn = mapping(held.get("distribution"))
    if not drawn:
        return None
    users, items = mapping(drawn.get("users")), mapping(drawn.get("items"))
    plots = [
        _counted(users, "Activity", "likes of a user", "users"),
        _counted(items, "Popularity", "likes of an item", "items"),
    ]
    curve = [pair for pair in (reals(point) for point in drawn.get("popularity") or ()) if len(pair) == 2]
    shown = [pair for pair in curve if pair[1] > 0]
    if shown:
        series = Series("likes", [pair[0] for pair in shown], [pair[1] for pair in shown])
        plots.append(
            line_plot(
                [series],
                title="The long tail",
                x_label="items, most liked first",
                y_label="likes",
                log_x=True,
                log_y=True,
            )
        )
    density = real(drawn.get("density"))
    named = {
        "users": held.get("users"),
        "items": held.get("items"),
        "likes learned from": held.get("fit_likes"),
        "share of all pairs that is known": f"{density:.3%}",
        "likes of the median user": users.get("median"),
        "likes of the median item": items.get("median"),
        "users without likes": users.get("none"),
        "items without likes": items.get("none"),
        "held by the most liked tenth": f"{real(drawn.get('top_share')):.0%} of all likes",
    }
    text = "Likes of the part that the systems learned from, of the first seed; hidden likes are not in it."
    return Section("The data", [paragraph(text), facts(named), grid(*(plot for plot in plots if plot))])


def _counted(counts: Mapping[str, Any], title: str, x_label: str, y_label: str) -> object:
    edges, heights = reals(counts.get("edges")), reals(counts.get("counts"))
    if len(edges) != len(heights) + 1 or not heights:
        return ""
    note = f"{int(real(counts.get('none') or 0)):,} {y_label} without likes are not drawn"
    return histogram(edges, heights, title=title, x_label=x_label, y_label=y_label, log_x=True, note=note)
