"""Evaluate settings on the data of a workspace, from the plan to the record."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from kgrec.artifacts import scratch_folder
from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import inverse_propensities, times_shown
from kgrec.data.item_features import item_categories, list_features
from kgrec.data.split import Split, like_weights
from kgrec.evaluate.ablation import AblationInputs, EvaluationInputs, System, systems
from kgrec.evaluate.chart_data import example_maker
from kgrec.evaluate.impressions import held_log, held_showings
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.plan import AS_RANKED, FULL, EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.ratings import run_ratings, summarise_ratings
from kgrec.evaluate.records import RatingsRecord, Reproduction, RunRecord, SimulationRecord
from kgrec.evaluate.simulate import simulate
from kgrec.evaluate.splits import fit_part, hold_out
from kgrec.evaluate.summary import per_user, summarise
from kgrec.evaluate.sweep import run_sweep, variants
from kgrec.evaluate.test_set import JudgedSystem, Round, TestSet, judge, make_test_set
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import SILENT, Progress
from kgrec.ranking.fitting import FitStore, Fitter
from kgrec.ranking.rerank.pipeline import build
from kgrec.ranking.training import resolve_device, train, wanted
from kgrec.ranking.training_inputs import TextInputs
from kgrec.ranking.tuned import tuned_config
from kgrec.types import Vectors
from kgrec.workers import HERE, Workers
from kgrec.workspace import Workspace, package_versions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

R = TypeVar("R", bound=RunRecord)


@dataclass(frozen=True)
class Evaluator:
    """Evaluates settings on the data of a workspace, rows marked ``test`` included; models are not kept.

    Attributes:
        workspace: where tables and cached texts lie.
        config: settings in force.
        domain: the domain in force.
        manager: the plugins.
        graph: the knowledge graph.
        workers: who fits.
    """

    workspace: Workspace
    config: Config
    domain: Domain
    manager: PluginManager
    graph: KnowledgeGraph
    workers: Workers = HERE

    def lists(self, plan: EvaluationPlan, device: str | None, progress: Progress) -> tuple[ListsRecord, pl.DataFrame]:
        """Train and judge all systems of a plan.

        Args:
            plan: what is held out and judged.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``; None: as in kgrec.toml.
            progress: told where it is.

        Returns:
            the record, and the figures of every user.
        """
        config = self.config
        # Options tuned on all of the data know what another split hides; what files mark as test they never saw.
        if plan.split == "given":
            config = tuned_config(config, self.workspace, self.manager.registry("scorer"), progress)
        inputs = replace(
            self._inputs(config, progress),
            device=resolve_device(device or self.config.train.device),
            examples=example_maker(self.graph, self.domain, self.config, plan.examples),
        )
        started = time.perf_counter()
        steps = plan.rerank if plan.rerank is not None else tuple(config.recommend.rerank)
        lengths, seeds = tuple(sorted(set(plan.ks))), tuple(dict.fromkeys(plan.seeds))
        plan = replace(plan, ks=lengths, seeds=seeds, rerank=steps)
        with self._threads() as threads:
            rounds = run(inputs, plan, progress)
            record, people = summarise(rounds, plan, inputs.dataset), per_user(rounds)
        return self._finished(record, started, config, inputs.device, threads), people

    def ratings(self, plan: RatingsPlan, progress: Progress) -> RatingsRecord:
        """Predict held-out ratings by each predictor of :mod:`kgrec.models.ratings`, and measure the errors."""
        started = time.perf_counter()
        with self._threads() as threads:
            record = summarise_ratings(*run_ratings(self._dataset(), plan, progress), plan)
        return self._finished(record, started, self.config, "cpu", threads)

    def loop(self, plan: SimulationPlan, progress: Progress) -> SimulationRecord:
        """Run the feedback loop offline."""
        inputs = self._inputs(self.config, progress)
        started = time.perf_counter()
        steps = plan.rerank if plan.rerank is not None else tuple(self.config.recommend.rerank)
        plan = replace(plan, seeds=tuple(dict.fromkeys(plan.seeds)), rerank=steps)
        with self._threads() as threads:
            record = simulate(inputs, plan, progress)
        return self._finished(record, started, self.config, "cpu", threads)

    def _dataset(self) -> Dataset:
        return Dataset.load(self.workspace.folder("dataset"))

    def _inputs(self, config: Config, progress: Progress) -> EvaluationInputs:
        texts = TextInputs(self.workspace, self.config, self.manager, self.domain, lambda: self.graph, self.workers)

        def encoded(dataset: Dataset, split: Split, names: bool) -> tuple[Vectors | None, Vectors | None]:
            vectors = texts.encode(dataset, split, progress, entity_names=names)
            return (vectors.items if vectors.items.any() else None, vectors.users if vectors.users.any() else None)

        triples = self.graph.triples(min_entity_degree=config.graph.min_entity_degree)
        return EvaluationInputs(
            dataset=self._dataset(),
            config=config,
            domain=self.domain,
            manager=self.manager,
            triples=triples if len(triples) else None,
            encode=encoded,
            workers=self.workers,
        )

    @contextmanager
    def _threads(self) -> Iterator[int]:
        threads = choose_threads(self.config.train.threads).count
        with limited_threads(threads):
            yield threads

    def _finished(self, record: R, started: float, config: Config, device: str, threads: int) -> R:
        manifest = self.workspace.manifest()
        how = Reproduction(
            config=config.model_dump(mode="json", exclude={"language_models", "generators"}),  # may hold a key
            data={name: manifest[name].fingerprint for name in ("dataset", "graph")},
            versions=package_versions(),
            device=device,
            threads=threads,
        )
        return record.model_copy(update={"seconds": round(time.perf_counter() - started, 2), "reproduce": how})


def run(inputs: EvaluationInputs, plan: EvaluationPlan, progress: Progress = SILENT) -> list[Round]:
    """Train and judge all systems of a plan, once a seed and fold.

    Nothing is written; fits that several systems share are done once.

    Raises:
        NotFoundError: a scorer or the split is unknown.
        ConfigError: the data lacks what the split needs.
    """
    rerankers, tables = inputs.manager.registry("re-ranker"), inputs.config.rerankers
    build(plan.steps, rerankers, tables)  # a misspelt name is an error before the training
    for sweep in plan.sweeps:
        variants(sweep, plan.steps, rerankers, tables)
    return [_round(inputs, plan, seed, fold, progress) for seed, fold in plan.rounds]


def _round(inputs: EvaluationInputs, plan: EvaluationPlan, seed: int, fold: int, progress: Progress) -> Round:
    config = inputs.config.model_copy(update={"seed": seed})
    dataset, held = hold_out(
        inputs.dataset,
        config.feedback,
        inputs.domain,
        plan.split,
        fraction=plan.fraction,
        seed=seed,
        fold=fold,
        folds=plan.folds,
    )
    if config.train.split == "auto":
        held_out = config.train.model_copy(update={"split": held.validated_by})
        config = config.model_copy(update={"train": held_out})
    factory = AblationInputs(inputs, config, fit_part(dataset, held))
    training = factory.make("true", text=True)
    categories = item_categories(dataset)
    matrix: csr_array | None = categories[1] if categories else None
    weights = like_weights(dataset, config.feedback, inputs.domain)
    test_set = make_test_set(
        dataset,
        held,
        weights,
        training,
        k=max(plan.ks),
        include_seen=config.recommend.include_seen and not training.seen_last,
        features=list_features(training.fit.item_text, matrix),
        categories=matrix,
    )
    log = held_log(dataset, held, weights, training, config.debias.clip)
    inverse = inverse_propensities(test_set.popularity, config.debias, times_shown(dataset, held.fit))
    test_set = replace(test_set, inverse=inverse, log=log, showings=held_showings(dataset, held, weights))
    scorers = inputs.manager.registry("scorer")
    names = wanted(scorers, config, plan.only)
    compared = [System(FULL, scorers=tuple(names))]
    if plan.ablate:
        has_graph, has_text = inputs.triples is not None, training.fit.item_text is not None
        compared = systems(scorers, names, graph=has_graph, text=has_text)
    judged: list[JudgedSystem] = []
    with (
        scratch_folder(Path(tempfile.gettempdir()), "evaluate") as folder,
        progress.task(f"evaluating, seed {seed}", total=len(compared)) as task,
    ):
        shared = folder if len(compared) > 1 else None
        judging = _Judging(inputs, plan, config, factory, test_set, shared, held.of_a_moment)
        for system in compared:
            task.note(system.name)
            judged += judging.of(system)
            task.advance()
    known = (training.everything or training.fit).matrix
    by_text = training.fit.item_text is not None
    return Round(seed, held, test_set, tuple(judged), known, categories[0] if categories else None, by_text)


@dataclass(frozen=True)
class _Judging:
    """Trains and judges systems on one split; those that train on the same data share fits in ``folder``.

    ``at_end``: lists are made at the end of the fit part, not at each user's last event.
    """

    inputs: EvaluationInputs
    plan: EvaluationPlan
    config: Config
    factory: AblationInputs
    test_set: TestSet
    folder: Path | None
    at_end: bool

    def of(self, system: System) -> Iterator[JudgedSystem]:
        """Judge a system, and the same as ranked where re-rankers worked on its lists."""
        started = time.perf_counter()
        settings, plan, test_set = self.config, self.plan, self.test_set
        training = self.factory.make(system.graph, text=system.text)
        if system.alone is not None:
            fusion = settings.fusion.model_copy(update={"weights": {system.alone: 1.0}, "second_stage": "none"})
            settings = settings.model_copy(update={"fusion": fusion})
        data = f"{system.graph}-{system.text}"
        store = FitStore(None if self.folder is None else self.folder / data, data)
        only = list(system.scorers) if system.scorers else None
        fitter = Fitter(settings, store=store, workers=self.inputs.workers)
        ranker, report = train(training, self.inputs.manager.registry("scorer"), fitter, only=only)
        ranker = ranker.at_end() if self.at_end else ranker
        skipped = {r.name: r.skipped for r in report.scorers if r.skipped}
        if system.alone is not None and system.alone not in ranker.weights:
            yield JudgedSystem(system.name, None, skipped=skipped.get(system.alone, "it does not rank by itself"))
            return
        size = settings.recommend.block_size
        full = system.name == FULL
        rerankers, tables = self.inputs.manager.registry("re-ranker"), settings.rerankers
        built = build(plan.steps, rerankers, tables) if full else []
        steps = self.factory.pipelines([built], ranker)[0] if built else None
        result = judge(ranker, test_set, plan.ks, block_size=size, steps=steps)
        seconds = round(time.perf_counter() - started, 2)
        swept = []
        for sweep in plan.sweeps if full else ():
            varied = self.factory.pipelines(variants(sweep, plan.steps, rerankers, tables), ranker)
            swept.append(run_sweep(ranker, test_set, varied, plan.ks, block_size=size))
        curves = {r.name: r.curve for r in report.scorers if r.curve}
        draw = self.inputs.examples if full and self.config.seed == plan.seeds[0] else None
        examples = draw(self.factory.dataset, ranker, test_set, result.top) if draw else ()
        yield JudgedSystem(system.name, result, dict(ranker.weights), seconds, "", tuple(swept), curves, examples)
        if steps is not None:
            as_ranked = judge(ranker, test_set, plan.ks, block_size=size)
            yield JudgedSystem(AS_RANKED, as_ranked, dict(ranker.weights), seconds)
