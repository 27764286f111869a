"""The feedback on texts as a page that stands alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgrec.evaluate.responses import FEW
from kgrec.report import Bar, Section, bar_plot, facts, page, paragraph, table

if TYPE_CHECKING:
    from kgrec.evaluate.responses import FeedbackEvaluation, ResponseGroup
    from kgrec.evaluate.significance import Interval

TITLES = {
    "all": "All texts",
    "kind": "By kind",
    "language": "By language",
    "model": "By the model that wrote them",
    "variant": "By variant of the prompt",
}


def feedback_page(found: FeedbackEvaluation) -> str:
    """Return what readers did as one HTML page."""
    lead = f"{found.texts} texts on record; a reader has {found.window_hours:g} hours to react"
    return page("What readers made of the texts", feedback_sections(found), lead=lead)


def feedback_sections(found: FeedbackEvaluation) -> list[Section]:
    """Return the sections, to be put on a page with others."""
    left_out = facts(
        {
            "exposures too young to be judged": found.pending,
            "clicks and conversions after the window": found.late,
            "events of texts that were never shown": found.unshown,
        }
    )
    if not found.groups or not found.groups[0].shown:
        return [Section("Too little data", [paragraph("No exposure is old enough to be judged."), left_out])]
    sections = []
    for by, title in TITLES.items():
        groups = [group for group in found.groups if group.by == by]
        if len(groups) == 1 and by not in ("all", "variant"):
            continue  # it is all there is
        blocks: list[object] = [_table(by, groups, found)]
        if len(groups) > 1:
            bars = [Bar(_short(g), g.ctr.mean, g.ctr.low, g.ctr.high) for g in groups if g.ctr.n]
            blocks.append(bar_plot(bars, title="Clicks an exposure", x_label="CTR"))
        sections.append(Section(title, blocks))
    sections.append(Section("What does not count", [left_out, paragraph(_NOTE, quiet=True)]))
    return sections


def _short(group: ResponseGroup) -> str:
    """Return a label whose first letters tell groups apart."""
    v = group.values
    return f"{v['variant']} · {v['kind']}.{v['lang']} · {v['asked']}" if group.by == "variant" else group.label


_NOTE = (
    "An exposure is a text before a reader; shown again while they may still react, it is the same one. Intervals are "
    "95 %: Wilson's where each reader has one exposure, otherwise from resampled readers. Best: how likely it is that "
    "the variant has the highest rate of its kind, language and model."
)


def _table(by: str, groups: list[ResponseGroup], found: FeedbackEvaluation) -> object:
    header = [by, "shown", "readers", "CTR", "conversion", "dwell, seconds", "rating", "edited"]
    best = by == "variant" and bool(found.best)
    rows = [
        [
            group.label + ("" if group.enough else " *"),
            group.shown,
            group.readers,
            _rate(group.ctr),
            _rate(group.conversion),
            _mean(group.dwell),
            _mean(group.rating),
            group.edited,
            *([_percent(found.best.get(group.label))] if best else []),
        ]
        for group in groups
    ]
    right = ("CTR", "conversion", "dwell, seconds", "rating", "best")
    note = f"* too little data: fewer than {FEW} readers" if any(not group.enough for group in groups) else ""
    return table([*header, *(["best"] if best else [])], rows, caption=note, right=right)


def _rate(interval: Interval) -> str:
    return f"{interval.mean:.1%} ({interval.low:.1%} to {interval.high:.1%})" if interval.n else "–"


def _mean(interval: Interval) -> str:
    return f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})" if interval.n else "–"


def _percent(probability: float | None) -> str:
    return "–" if probability is None else f"{probability:.0%}"
