"""The page of a run: ``report_page(record)`` makes one HTML file from what was kept, of today or of an older kgrec.

Parts that a record does not hold are left out, so records of before this page existed make a page too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from kgrec.errors import UsageError
from kgrec.evaluate.html import again, data, examples, groups, lists, ratings, results, shown, tradeoffs
from kgrec.evaluate.html.reading import mapping, text_of
from kgrec.evaluate.records import LISTS, RATINGS, RunRecord
from kgrec.pages import Section, page

_OF_LISTS = (
    results.summary,
    results.results,
    results.ingredients,
    groups.groups,
    lists.popularity,
    lists.calibration,
    lists.debiased,
    shown.uplift,
    tradeoffs.tradeoffs,
    tradeoffs.learning,
    examples.examples,
    data.data,
    again.again,
)
_OF_RATINGS = (ratings.summary, ratings.results, again.again)


def report_page(record: RunRecord) -> str:
    """Return the page of a run.

    Args:
        record: lists that were judged or ratings that were foretold.

    Raises:
        UsageError: there is no page for runs of this kind.
    """
    parts = {LISTS: _OF_LISTS, RATINGS: _OF_RATINGS}.get(record.kind)
    if parts is None:
        raise UsageError(f"{record.name} is a run of the kind {record.kind!r}, which has no page")
    document: Mapping[str, Any] = {"name": record.name, **record.document}
    found = [part(document) for part in parts]
    sections: list[Section] = [section for section in found if section is not None]
    title = "How good are the lists?" if record.kind == LISTS else "How near do we come to the ratings?"
    return page(title, sections, lead=_lead(record), footer=_footer(document))


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
