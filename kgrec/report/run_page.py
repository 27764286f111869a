"""The page of a run: ``report_page(run)`` makes one HTML file from what was kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kgrec.errors import UsageError
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.records import KeptRun, RatingsRecord, RunRecord, SimulationRecord, TextsRecord
from kgrec.report import (
    Section,
    data,
    examples,
    feedback_loop,
    groups,
    impressions,
    lists,
    page,
    ratings,
    results,
    tradeoffs,
)
from kgrec.report import reproduce as again
from kgrec.report.text_quality_page import quality_page


def report_page(run: KeptRun[RunRecord]) -> str:
    """Return the page of a run.

    Args:
        run: lists that were judged, ratings that were predicted, a feedback loop that was run, or texts.

    Raises:
        UsageError: there is no page for runs of this kind.
    """
    record = run.record
    if isinstance(record, TextsRecord):
        return quality_page(record)
    if isinstance(record, ListsRecord):
        title, lead, sections = "How good are the lists?", f"split {record.plan.split}", _of_lists(record)
    elif isinstance(record, RatingsRecord):
        title, lead = "How near do we come to the ratings?", f"split {record.plan.split}"
        sections = [ratings.summary(record), ratings.results(record)]
    elif isinstance(record, SimulationRecord):
        title, lead = "What if it learns from itself?", ""
        sections = [feedback_loop.summary(record), *feedback_loop.drifts(record)]
    else:
        raise UsageError(f"{run.name} is a run of the kind {record.kind!r}, which has no page")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record.created)) if record.created else ""
    shown = [section for section in (*sections, again.again(run)) if section is not None]
    lead = " · ".join(filter(None, (f"run {run.name}", lead, when)))
    return page(title, shown, lead=lead, footer=_footer(record))


def _of_lists(record: ListsRecord) -> Sequence[Section | None]:
    return (
        results.summary(record),
        results.results(record),
        results.ingredients(record),
        groups.groups(record),
        lists.popularity(record),
        lists.calibration(record),
        lists.debiased(record),
        impressions.clicks(record),
        impressions.uplift(record),
        tradeoffs.tradeoffs(record),
        tradeoffs.learning(record),
        examples.examples(record),
        data.data(record),
    )


def _footer(record: RunRecord) -> str:
    version = record.reproduce.versions.get("kgrec") if record.reproduce else None
    made = f"Made by kgrec {version}." if version else "Made by kgrec."
    return f"{made} This page stands alone: it loads nothing and asks nobody."
