"""Evaluate a workspace's settings on its own data, and keep a record of the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import Split
from kgrec.evaluate.examples import illustrate
from kgrec.evaluate.ratings import RatingsEvaluation, RatingsPlan, run_ratings, summarise_ratings
from kgrec.evaluate.records import LISTS, RATINGS, keep, runs_folder
from kgrec.evaluate.report import Evaluation, per_user, summarise
from kgrec.evaluate.run import Inputs, Plan, run
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.progress import Progress
from kgrec.ranking.train_stage import resolve_device
from kgrec.ranking.tune_stage import tuned_config
from kgrec.types import Vectors
from kgrec.workspace import package_versions

if TYPE_CHECKING:
    from kgrec.project import Project


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """A finished evaluation.

    Attributes:
        evaluation: the figures.
        record: file under the workspace that keeps them.
        seconds: how long it took.
    """

    evaluation: Evaluation
    record: Path
    seconds: float


def evaluate(project: Project, plan: Plan, device: str, progress: Progress) -> EvaluationRun:
    """Train and judge; see :meth:`kgrec.project.Project.evaluate`. The workspace's own models stay as they are."""
    started = time.perf_counter()
    registry = project.manager.registry("scorer")
    # Options that were tuned on all of the data know what another split hides; what files mark as test they never saw.
    config = project.config
    if plan.split == "given":
        config = tuned_config(config, project.workspace, registry, progress)
    chosen = resolve_device(device)
    threads = choose_threads(config.train.threads)
    inputs = replace(inputs_of(project, config, progress), device=chosen, illustrate=illustrate(project, plan.examples))
    with limited_threads(threads.count):
        rounds = run(inputs, plan, progress)
        evaluation = summarise(rounds, plan, inputs.dataset, reproduce(project, config, chosen, threads.count))
        people = per_user(rounds)
    seconds = round(time.perf_counter() - started, 2)
    record = keep(runs_folder(project.workspace), LISTS, evaluation.to_dict(), seconds, people)
    return EvaluationRun(evaluation, record, seconds)


def inputs_of(project: Project, config: Config, progress: Progress) -> Inputs:
    """Return what is evaluated on: the workspace's data and plugins."""
    triples = project.graph.triples(min_entity_degree=config.graph.min_entity_degree)
    return Inputs(
        dataset=Dataset.load(project.workspace.folder("dataset")),
        config=config,
        domain=project.domain,
        registry=project.manager.registry("scorer"),
        triples=triples if len(triples) else None,
        encode=lambda dataset, split, names: _encode(project, dataset, split, progress, names=names),
        rerankers=project.manager.registry("re-ranker"),
    )


@dataclass(frozen=True, slots=True)
class RatingsRun:
    """A finished evaluation of foretold ratings; the fields are those of :class:`EvaluationRun`."""

    evaluation: RatingsEvaluation
    record: Path
    seconds: float


def evaluate_ratings(project: Project, plan: RatingsPlan, progress: Progress) -> RatingsRun:
    """Fit and judge; see :meth:`kgrec.project.Project.evaluate_ratings`."""
    started = time.perf_counter()
    threads = choose_threads(project.config.train.threads)
    dataset = Dataset.load(project.workspace.folder("dataset"))
    with limited_threads(threads.count):
        judged, facts = run_ratings(dataset, plan, progress)
        how = reproduce(project, project.config, "cpu", threads.count)
        evaluation = summarise_ratings(judged, plan, facts, how)
    seconds = round(time.perf_counter() - started, 2)
    record = keep(runs_folder(project.workspace), RATINGS, evaluation.to_dict(), seconds)
    return RatingsRun(evaluation, record, seconds)


def _encode(
    project: Project, dataset: Dataset, split: Split, progress: Progress, *, names: bool
) -> tuple[Vectors | None, Vectors | None]:
    vectors = project.text_inputs.encode(dataset, split, progress, entity_names=names)
    return (vectors.items if vectors.items.any() else None, vectors.users if vectors.users.any() else None)


def reproduce(project: Project, config: Config, device: str, threads: int) -> dict[str, Any]:
    """Return what somebody needs to get the same figures, JSON values."""
    manifest = project.workspace.manifest()
    return {
        "config": config.model_dump(mode="json", exclude={"language_models", "generators"}),  # may hold a key
        "data": {name: manifest[name].fingerprint for name in ("dataset", "graph")},
        "versions": package_versions(),
        "device": device,
        "threads": threads,
    }
