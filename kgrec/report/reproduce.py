"""How to do it again: the command, the settings, the data's fingerprints, the versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

from markupsafe import Markup

from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.records import KeptRun, RatingsRecord, RunRecord, SimulationRecord
from kgrec.report import Section, details, escaped, facts, paragraph, table
from kgrec.report.record import text_of


def again(run: KeptRun[RunRecord]) -> Section:
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
    words += ["--folds", str(plan.folds)] if plan.split == "k-fold" else []
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
