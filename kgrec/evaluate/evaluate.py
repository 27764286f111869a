"""Evaluate settings on data, from the plan to the record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.evaluate.ablation import EvaluationInputs
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.ratings import run_ratings, summarise_ratings
from kgrec.evaluate.records import RatingsRecord, Reproduction, RunRecord, SimulationRecord
from kgrec.evaluate.run import run
from kgrec.evaluate.simulate import simulate
from kgrec.evaluate.summary import per_user, summarise
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.progress import Progress
from kgrec.workspace import package_versions

R = TypeVar("R", bound=RunRecord)


def evaluate_lists(
    inputs: EvaluationInputs, plan: EvaluationPlan, progress: Progress
) -> tuple[ListsRecord, pl.DataFrame]:
    """Train and judge all systems of a plan.

    Returns:
        the record, and the figures of every user.
    """
    started = time.perf_counter()
    config = inputs.config
    steps = plan.rerank if plan.rerank is not None else tuple(config.recommend.rerank)
    lengths, seeds = tuple(sorted(set(plan.ks))), tuple(dict.fromkeys(plan.seeds))
    plan = replace(plan, ks=lengths, seeds=seeds, rerank=steps)
    threads = choose_threads(config.train.threads).count
    with limited_threads(threads):
        rounds = run(inputs, plan, progress)
        record, people = summarise(rounds, plan, inputs.dataset), per_user(rounds)
    return _finished(record, started, _reproduction(config, inputs.fingerprints, inputs.device, threads)), people


def evaluate_ratings(
    dataset: Dataset, config: Config, fingerprints: Mapping[str, str], plan: RatingsPlan, progress: Progress
) -> RatingsRecord:
    """Predict held-out ratings and measure the errors.

    Args:
        dataset: the tables, with rows marked ``test`` where there are any.
        config: settings.
        fingerprints: of the dataset and the graph.
        plan: what to evaluate.
        progress: told where it is.
    """
    started = time.perf_counter()
    threads = choose_threads(config.train.threads).count
    with limited_threads(threads):
        record = summarise_ratings(*run_ratings(dataset, plan, progress), plan)
    return _finished(record, started, _reproduction(config, fingerprints, "cpu", threads))


def evaluate_loop(inputs: EvaluationInputs, plan: SimulationPlan, progress: Progress) -> SimulationRecord:
    """Run the feedback loop offline."""
    started = time.perf_counter()
    config = inputs.config
    steps = plan.rerank if plan.rerank is not None else tuple(config.recommend.rerank)
    plan = replace(plan, seeds=tuple(dict.fromkeys(plan.seeds)), rerank=steps)
    threads = choose_threads(config.train.threads).count
    with limited_threads(threads):
        record = simulate(inputs, plan, progress)
    return _finished(record, started, _reproduction(config, inputs.fingerprints, "cpu", threads))


def _reproduction(config: Config, fingerprints: Mapping[str, str], device: str, threads: int) -> Reproduction:
    settings = config.model_dump(mode="json", exclude={"language_models", "generators"})  # may hold a key
    return Reproduction(
        config=settings, data=dict(fingerprints), versions=package_versions(), device=device, threads=threads
    )


def _finished(record: R, started: float, how: Reproduction) -> R:
    return record.model_copy(update={"seconds": round(time.perf_counter() - started, 2), "reproduce": how})
