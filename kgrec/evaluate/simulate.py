"""The feedback loop on a dataset: what people are made from, who recommends, what is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.item_features import item_categories, list_features
from kgrec.data.split import interaction_matrix, like_weights, to_events
from kgrec.evaluate.ablation import AS_RANKED
from kgrec.evaluate.ablation_inputs import AblationInputs
from kgrec.evaluate.click_model import Taste
from kgrec.evaluate.gaps import groupings
from kgrec.evaluate.protocols import FRACTION, fit_part, hold_out
from kgrec.evaluate.replay import Drift, World, drift, replay
from kgrec.evaluate.report import plain
from kgrec.evaluate.run import Inputs
from kgrec.plugin.reranking import AUDIENCE
from kgrec.progress import SILENT, Progress
from kgrec.ranking.best_ranks import best_ranks
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import Pipeline, build, prepare
from kgrec.ranking.training import train, wanted


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to simulate.

    Attributes:
        rounds: how often everybody gets a list.
        k: length of the lists.
        seeds: everything is done once for each.
        fraction: share of each user's likes that only the people themselves know.
        only: scorers to use, or None for those that a training would take.
        rerank: re-rankers; the loop is run with and without them.
    """

    rounds: int = 20
    k: int = 20
    seeds: tuple[int, ...] = (42,)
    fraction: float = FRACTION
    only: tuple[str, ...] | None = None
    rerank: tuple[str, ...] = ()


def simulate(inputs: Inputs, plan: ReplayPlan, progress: Progress = SILENT) -> Drift:
    """Run the loop for each seed, without and with the re-rankers.

    People's taste is learned on all likes but those of rows marked ``test``; the recommender starts without a share of
    them.

    Raises:
        NotFoundError: a scorer or re-ranker is unknown.
        ConfigError: a re-ranker cannot be used on this data.
    """
    named = {AS_RANKED: ()} | ({" + ".join(plan.rerank): plan.rerank} if plan.rerank else {})
    for steps in named.values():
        build(steps, inputs.rerankers, inputs.config.rerankers)  # a misspelt name is an error before the training
    found: dict[str, list[dict[str, list[float]]]] = {name: [] for name in named}
    facts: dict[str, Any] = {}
    with progress.task("going round", total=len(plan.seeds) * len(named) * plan.rounds) as task:
        for seed in plan.seeds:
            config = inputs.config.model_copy(update={"seed": seed})
            dataset, held = hold_out(
                inputs.dataset, config.feedback, inputs.domain, "ratio", fraction=plan.fraction, seed=seed
            )
            factory = AblationInputs(inputs, config, fit_part(dataset, held), progress)
            material = factory.make("true", text=True)
            data = material.everything or material.fit
            world = _world(inputs, config, dataset, data.matrix, data.item_text, plan)
            ranker, _ = train(material, inputs.registry, config, only=wanted(inputs.registry, config, plan.only))
            for name, steps in named.items():
                task.note(f"seed {seed}, {name}")
                found[name].append(
                    replay(
                        world,
                        ranker,
                        data,
                        inputs.registry,
                        partial(_ready, inputs, config, factory, steps),
                        rounds=plan.rounds,
                        block_size=config.recommend.block_size,
                        after_round=task.advance,
                    )
                )
            facts = {
                "users": len(world.users),
                "items": dataset.n_items,
                "likes at the start": int(world.start.nnz),
                "scorers": list(ranker.weights),
            }
    return drift(found, plan.seeds, facts)


def _world(inputs: Inputs, config: Config, dataset: Dataset, start: csr_array, texts: Any, plan: ReplayPlan) -> World:
    weights = like_weights(dataset, config.feedback, inputs.domain)
    everything = to_events(dataset, np.ones(dataset.interactions.height, dtype=np.bool_), weights)
    likes = interaction_matrix(everything, dataset.n_users, dataset.n_items)
    categories = item_categories(dataset)
    matrix = categories[1] if categories else None
    return World(
        Taste.of(likes, np.random.default_rng([config.seed, 41])),
        np.flatnonzero(np.diff(start.indptr)).astype(np.int64),
        start,
        list_features(texts, matrix),
        matrix,
        dict(groupings(dataset)),
        plan.k,
        config.seed,
    )


def _ready(
    inputs: Inputs, config: Config, factory: AblationInputs, named: tuple[str, ...], ranker: Ranker, likes: csr_array
) -> Pipeline | None:
    """Make the re-rankers ready for what everybody likes by now."""
    tables: Mapping[str, Mapping[str, Any]] = config.rerankers
    steps = build(named, inputs.rerankers, tables)
    if not steps:
        return None
    ranks = cache(partial(best_ranks, ranker, AUDIENCE, seed=config.seed, block_size=config.recommend.block_size))
    known = replace(factory.catalogue(ranker), likes=likes, best_ranks=ranks)
    candidates = config.recommend.rerank_candidates
    return prepare(steps, known.describe(), bought=known.bought(), candidates=candidates)


@dataclass(frozen=True, slots=True)
class Simulation:
    """A finished simulation.

    Attributes:
        plan: what was asked for.
        drift: the figures.
        record: file under the workspace that keeps them.
        seconds: how long it took.
    """

    plan: ReplayPlan
    drift: Drift
    record: Path
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plan and figures as JSON values."""
        return simulation_record(self.plan, self.drift)


def simulation_record(plan: ReplayPlan, found: Drift) -> dict[str, Any]:
    """Return what is kept of a simulation, as JSON values."""
    document: dict[str, Any] = plain({"plan": asdict(plan), "replay": asdict(found)})
    return document
