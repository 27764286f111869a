"""The page of a run: ``report_page(record)`` makes one HTML file from what was kept, of today or of an older kgrec.

Parts that a record does not hold are left out, so records of before this page existed make a page too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kgrec.errors import UsageError
from kgrec.evaluate.records import LISTS, RATINGS, REPLAY, RunRecord
from kgrec.report import Section, data, examples, groups, lists, page, ratings, results, tradeoffs
from kgrec.report import feedback_loop as drifting
from kgrec.report import impressions as shown
from kgrec.report import reproduce as again
from kgrec.report.record import mapping, text_of

_OF_LISTS = (
    results.summary,
    results.results,
    results.ingredients,
    groups.groups,
    lists.popularity,
    lists.calibration,
    lists.debiased,
    shown.clicks,
    shown.uplift,
    tradeoffs.tradeoffs,
    tradeoffs.learning,
    examples.examples,
    data.data,
    again.again,
)
_OF_RATINGS = (ratings.summary, ratings.results, again.again)
_OF_REPLAYS = (drifting.summary, drifting.drifts, again.again)

_TITLES = {
    LISTS: "How good are the lists?",
    RATINGS: "How near do we come to the ratings?",
    REPLAY: "What if it learns from itself?",
}


def report_page(record: RunRecord) -> str:
    """Return the page of a run.

    Args:
        record: lists that were judged, ratings that were foretold, or a feedback loop that was run.

    Raises:
        UsageError: there is no page for runs of this kind.
    """
    parts: Sequence[Callable[[Mapping[str, Any]], Section | list[Section] | None]] | None
    parts = {LISTS: _OF_LISTS, RATINGS: _OF_RATINGS, REPLAY: _OF_REPLAYS}.get(record.kind)
    if parts is None:
        raise UsageError(f"{record.name} is a run of the kind {record.kind!r}, which has no page")
    document: Mapping[str, Any] = {"name": record.name, **record.document}
    sections: list[Section] = []
    for part in parts:
        made = part(document)
        sections += made if isinstance(made, list) else [] if made is None else [made]
    return page(_TITLES[record.kind], sections, lead=_lead(record), footer=_footer(document))


def _lead(record: RunRecord) -> str:
    created = record.document.get("created")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(created)) if isinstance(created, int | float) else ""
    plan = mapping(record.document.get("plan"))
    split = f"split {text_of(plan.get('split'))}" if plan.get("split") else ""
    return " · ".join(filter(None, (f"run {record.name}", split, when)))


def _footer(document: Mapping[str, Any]) -> str:
    version = mapping(mapping(document.get("reproduce")).get("versions")).get("kgrec")
    made = f"Made by kgrec {version}." if version else "Made by kgrec."
    return f"{made} This page stands alone: it loads nothing and asks nobody."
