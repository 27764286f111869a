"""Evaluate settings on the data of a workspace, from the plan to the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import Split
from kgrec.evaluate.ablation import EvaluationInputs
from kgrec.evaluate.chart_data import example_maker
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.ratings import run_ratings, summarise_ratings
from kgrec.evaluate.records import RatingsRecord, Reproduction, RunRecord, SimulationRecord
from kgrec.evaluate.run import run
from kgrec.evaluate.simulate import simulate
from kgrec.evaluate.summary import per_user, summarise
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import Progress
from kgrec.ranking.text_inputs import TextInputs
from kgrec.ranking.train_stage import resolve_device
from kgrec.ranking.tune_stage import tuned_config
from kgrec.types import Vectors
from kgrec.workspace import Workspace, package_versions

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
    """

    workspace: Workspace
    config: Config
    domain: Domain
    manager: PluginManager
    graph: KnowledgeGraph

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
        texts = TextInputs(self.workspace, self.config, self.manager, self.domain, lambda: self.graph)

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
