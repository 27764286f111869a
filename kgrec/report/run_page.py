"""The page of a run: ``report_page(run)`` makes one HTML file from what was kept."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from kgrec.errors import UsageError
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.records import KeptRun, RatingsRecord, RunRecord, SimulationRecord, TextsRecord
from kgrec.report import (
    Bar,
    Section,
    bar_plot,
    details,
    escaped,
    facts,
    feedback_loop,
    grid,
    lists,
    number,
    page,
    paragraph,
    results,
    table,
)
from kgrec.report.blocks import span, text_of
from kgrec.report.texts import quality_page


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
        sections = [_ratings_summary(record), _ratings_errors(record)]
    elif isinstance(record, SimulationRecord):
        title, lead = "What if it learns from itself?", ""
        sections = [feedback_loop.summary(record), *feedback_loop.drifts(record)]
    else:
        raise UsageError(f"{run.name} is a run of the kind {record.kind!r}, which has no page")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record.created)) if record.created else ""
    shown = [section for section in (*sections, _again(run)) if section is not None]
    lead = " · ".join(filter(None, (f"run {run.name}", lead, when)))
    return page(title, shown, lead=lead, footer=_footer(record))


def _of_lists(record: ListsRecord) -> Sequence[Section | None]:
    return (
        results.summary(record),
        results.results(record),
        results.ingredients(record),
        results.groups(record),
        lists.popularity(record),
        lists.calibration(record),
        lists.debiased(record),
        lists.clicks(record),
        lists.uplift(record),
        results.tradeoffs(record),
        results.learning(record),
        lists.examples(record),
        lists.data(record),
    )


def _footer(record: RunRecord) -> str:
    version = record.reproduce.versions.get("kgrec") if record.reproduce else None
    made = f"Made by kgrec {version}." if version else "Made by kgrec."
    return f"{made} This page stands alone: it loads nothing and asks nobody."


def _again(run: KeptRun[RunRecord]) -> Section:
    """Show what somebody needs to get the same figures."""
    record, how = run.record, run.record.reproduce
    named = {
        "run": run.name,
        "seconds": record.seconds,
        "device": how.device if how else None,
        "threads": how.threads if how else None,
        **({f"fingerprint of the {name}": value for name, value in how.data.items()} if how else {}),
        "questions": record.data.test_set if isinstance(record, ListsRecord) else None,
    }
    blocks: list[object] = [
        paragraph("The same command on a workspace with the same fingerprints and versions gives the same figures."),
        Markup("<pre>{}</pre>").format(escaped(command_of(record))),
        facts({name: text_of(value) for name, value in named.items() if value is not None}),
    ]
    if isinstance(record, ListsRecord):
        blocks += _weights(record)
    if how and how.versions:
        shown = table(["package", "version"], list(how.versions.items()))
        blocks.append(details("Versions", shown))
    if how and how.config:
        written = json.dumps(how.config, ensure_ascii=False, indent=1)
        blocks.append(details("All settings", Markup("<pre>{}</pre>").format(escaped(written))))
    return Section("How to do it again", blocks)


def command_of(record: RunRecord) -> str:
    """Return the command line that asks for the same; what is at its default is left out."""
    if isinstance(record, ListsRecord):
        return shlex.join(_lists(record.plan))
    if isinstance(record, RatingsRecord):
        return shlex.join(_ratings(record.plan))
    return shlex.join(_loop(record.plan)) if isinstance(record, SimulationRecord) else "kgrec generate evaluate"


def _lists(plan: EvaluationPlan) -> list[str]:
    words = ["kgrec", "evaluate", "--split", plan.split]
    words += ["--fraction", str(plan.fraction)] if plan.fraction != EvaluationPlan().fraction else []
    words += ["--folds", str(plan.folds)] if plan.split in ("k-fold", "rolling") else []
    words += ["-k", _joined(plan.ks), *_common(plan)]
    words += ["--ablate"] if plan.ablate else []
    words += _rerank(plan.steps)
    for sweep in plan.sweeps:
        words += ["--sweep", f"{sweep.step}.{sweep.option}={_joined(sweep.values)}"]
    return words


def _ratings(plan: RatingsPlan) -> list[str]:
    words = ["kgrec", "evaluate", "--ratings"]
    if plan.split == "given":
        words += ["--split", "given"]
    elif plan.folds != RatingsPlan().folds:
        words += ["--folds", str(plan.folds)]
    return words + _common(plan)


def _loop(plan: SimulationPlan) -> list[str]:
    words = ["kgrec", "simulate", "--rounds", str(plan.rounds), "-n", str(plan.k), "--seeds", _joined(plan.seeds)]
    words += ["--fraction", str(plan.fraction)] if plan.fraction != SimulationPlan().fraction else []
    words += ["--only", _joined(plan.only)] if plan.only else []
    return words + _rerank(plan.rerank or ())


def _common(plan: EvaluationPlan | RatingsPlan) -> list[str]:
    return ["--seeds", _joined(plan.seeds), *(["--only", _joined(plan.only)] if plan.only else [])]


def _rerank(steps: Iterable[str]) -> list[str]:
    return [word for step in steps for word in ("--rerank", step)]


def _joined(values: Iterable[object]) -> str:
    return ",".join(str(value) for value in values)


def _weights(record: ListsRecord) -> list[Markup]:
    lines = [
        [system.name, place + 1, name, weight]
        for system in record.systems
        for place, weights in enumerate(system.weights)
        for name, weight in weights.items()
    ]
    if not lines:
        return []
    shown = table(["system", "round", "scorer", "weight"], lines, caption="Learned on validation likes")
    return [details("Weights of the scorers", shown)]


def _ratings_summary(record: RatingsRecord) -> Section:
    """Say what was predicted and how near it came."""
    plan, data = record.plan, record.data
    best = min(record.predictors, key=lambda p: p.rmse.mean if math.isfinite(p.rmse.mean) else math.inf)
    mean, low, high = best.rmse.span
    said = f"Best is {best.name}: RMSE {number(mean)} (95 % interval {span(low, high)})."
    named = {
        "held out": plan.split,
        "folds": plan.folds if plan.split != "given" else None,
        "seeds": text_of(plan.seeds),
        "ratings": text_of(data.ratings),
        "users": text_of(data.users),
        "items": text_of(data.items),
        "scale": text_of(data.scale),
        "mean": text_of(data.mean),
        "predicted": None if data.predicted is None else text_of(data.predicted),
    }
    shown = facts({name: value for name, value in named.items() if value is not None})
    return Section("In short", [paragraph(said), shown])


def _ratings_errors(record: RatingsRecord) -> Section:
    """Show the errors of each predictor."""
    worse = {c.predictor: c for c in record.comparisons}
    lines, bars, others = [], [], []
    for one in record.predictors:
        rmse, mae, against = one.rmse.span, one.mae.span, worse.get(one.name)
        gap = against.rmse_difference if against else None
        told = f"{against.p_holm:.3f}" if against and math.isfinite(against.p_holm) else ""
        lines.append([one.name, rmse[0], span(*rmse[1:]), mae[0], span(*mae[1:]), gap, told])
        bars.append(Bar(one.name, *rmse))
        others.append(Bar(one.name, *mae))
    header = ["predictor", "RMSE", "95 % interval", "MAE", "95 % interval", "RMSE worse by", "p"]
    return Section(
        "Results",
        [
            table(header, lines, caption="Errors in stars; worse than the last row by", right=["95 % interval", "p"]),
            grid(
                bar_plot(bars, title="RMSE", x_label="stars, less is better", zero=False),
                bar_plot(others, title="MAE", x_label="stars, less is better", zero=False),
            ),
        ],
    )
