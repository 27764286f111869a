"""What the data looks like: how active people are, how popular items are, how much is not known."""

from __future__ import annotations

from kgrec.evaluate.lists_record import Counts, ListsRecord
from kgrec.report import Section, Series, facts, grid, histogram, line_plot, paragraph


def data(record: ListsRecord) -> Section:
    """Draw the likes that the systems may learn from."""
    held = record.data
    drawn = held.distribution
    plots = [
        _counted(drawn.users, "Activity", "likes of a user", "users"),
        _counted(drawn.items, "Popularity", "likes of an item", "items"),
    ]
    shown = [(place, likes) for place, likes in drawn.popularity if likes > 0]
    if shown:
        series = Series("likes", [place for place, _ in shown], [likes for _, likes in shown])
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
    named = {
        "users": held.users,
        "items": held.items,
        "likes learned from": held.fit_likes,
        "share of all pairs that is known": f"{drawn.density:.3%}",
        "likes of the median user": drawn.users.median,
        "likes of the median item": drawn.items.median,
        "users without likes": drawn.users.none,
        "items without likes": drawn.items.none,
        "held by the most liked tenth": f"{drawn.top_share:.0%} of all likes",
    }
    text = "Likes of the part that the systems learned from, of the first seed; hidden likes are not in it."
    return Section("The data", [paragraph(text), facts(named), grid(*(plot for plot in plots if plot))])


def _counted(counts: Counts, title: str, x_label: str, y_label: str) -> object:
    if not counts.counts:
        return ""
    note = f"{counts.none:,} {y_label} without likes are not drawn"
    return histogram(counts.edges, counts.counts, title=title, x_label=x_label, y_label=y_label, log_x=True, note=note)
