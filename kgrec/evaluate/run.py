"""Train and judge every system on every split: what stands behind ``kgrec evaluate``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import inverse_propensities, times_shown
from kgrec.data.item_features import item_categories, list_features
from kgrec.data.split import Split, like_weights
from kgrec.evaluate.ablation import AS_RANKED, FULL, System, systems
from kgrec.evaluate.ablation_inputs import AblationInputs
from kgrec.evaluate.chart_data import distribution
from kgrec.evaluate.folds import FOLDS, K_FOLD
from kgrec.evaluate.impressions import held_log, held_showings
from kgrec.evaluate.judging import Result, TestSet, judge, make_exam
from kgrec.evaluate.protocols import FRACTION, Holdout, fit_part, hold_out
from kgrec.evaluate.sweep import Sweep, Varying, check_sweeps, run_sweeps
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import Registry
from kgrec.progress import SILENT, Progress
from kgrec.ranking.checkpoint import FitStore
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import Pipeline, build, prepare
from kgrec.ranking.training import train, wanted
from kgrec.types import Triples, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EXAMPLES = 5
"""Users whose lists are kept with reasons, by default."""

Encode = Callable[[Dataset, Split, bool], tuple[Vectors | None, Vectors | None]]
"""Makes text vectors of items and users from a dataset, the split of its rows, and whether names of the graph's
entities may stand in the items' texts."""

Illustrate = Callable[[Dataset, Ranker, TestSet, NDArray[np.int64]], Sequence[Mapping[str, Any]]]
"""Makes examples from what was fitted on, what ranks, what was asked, and the lists."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate.

    Attributes:
        split: name of the protocol.
        fraction: share that is held out.
        ks: lengths of the lists.
        seeds: everything is done once for each.
        only: scorers to use, or None for those that a training would take.
        ablate: also judge the hybrid without each ingredient, and each scorer alone.
        rerank: re-rankers of the whole hybrid's lists, which are then also judged as ranked.
        sweeps: options of re-rankers that vary; the whole hybrid's lists are judged at each value.
        examples: users whose lists are kept with the reasons for each item.
        folds: parts of the split ``k-fold``.
    """

    split: str = "ratio"
    fraction: float = FRACTION
    ks: tuple[int, ...] = (10, 20)
    seeds: tuple[int, ...] = (42,)
    only: tuple[str, ...] | None = None
    ablate: bool = False
    rerank: tuple[str, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    examples: int = EXAMPLES
    folds: int = FOLDS

    @property
    def rounds(self) -> list[tuple[int, int]]:
        """Seed and fold of everything that is done."""
        return [(seed, fold) for seed in self.seeds for fold in range(self.folds if self.split == K_FOLD else 1)]


@dataclass(frozen=True)
class Inputs:
    """What is evaluated on.

    Attributes:
        dataset: the tables, with rows marked ``test`` where there are any.
        config: settings.
        domain: the domain in force.
        registry: the scorers on offer.
        triples: the graph without users and interactions, or None.
        encode: makes text vectors.
        device: ``"cpu"`` or ``"cuda"``.
        rerankers: the re-rankers on offer.
        illustrate: makes examples of lists with reasons, or None.
    """

    dataset: Dataset
    config: Config
    domain: Domain
    registry: Registry
    triples: Triples | None
    encode: Encode
    device: str = "cpu"
    rerankers: Registry = field(default_factory=lambda: Registry("re-ranker", ()))
    illustrate: Illustrate | None = None


@dataclass(frozen=True)
class Judged:
    """A system on one split.

    Attributes:
        system: what was trained.
        outcome: its figures, or None when it could not be trained.
        weights: of its scorers.
        seconds: of training and judging.
        skipped: why it could not be trained.
        swept: its figures at each value of each sweep.
        curves: epochs and the held-out figure after each, by scorer.
        examples: a few of its lists with reasons, JSON values.
    """

    system: System
    outcome: Result | None
    weights: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: str = ""
    swept: tuple[tuple[Result, ...], ...] = ()
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Round:
    """All systems on one split, with one seed and fold.

    Attributes:
        seed: of split and fits.
        cut: what was held out.
        test_set: what the systems were asked.
        judged: the systems.
        facts: counts worth showing.
    """

    seed: int
    cut: Holdout
    test_set: TestSet
    judged: tuple[Judged, ...]
    facts: dict[str, Any]


def run(inputs: Inputs, plan: Plan, progress: Progress = SILENT) -> list[Round]:
    """Train and judge all systems of a plan, once a seed and fold.

    Nothing is written; fits that several systems share are done once.

    Raises:
        NotFoundError: a scorer or the split is unknown.
        ConfigError: the data lacks what the split needs.
    """
    return [_round(inputs, plan, seed, fold, progress) for seed, fold in plan.rounds]


def _round(inputs: Inputs, plan: Plan, seed: int, fold: int, progress: Progress) -> Round:
    build(plan.rerank, inputs.rerankers, inputs.config.rerankers)  # a misspelt name is an error before the training
    check_sweeps(plan.sweeps, plan.rerank, inputs.rerankers, inputs.config.rerankers)
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
    factory = AblationInputs(inputs, config, fit_part(dataset, held), progress)
    material = factory.make("true", text=True)
    categories = item_categories(dataset)
    matrix: csr_array | None = categories[1] if categories else None
    weights = like_weights(dataset, config.feedback, inputs.domain)
    test_set = make_exam(
        dataset,
        held,
        weights,
        material,
        k=max(plan.ks),
        include_seen=config.recommend.include_seen and not material.seen_last,
        features=list_features(material.fit.item_text, matrix),
        categories=matrix,
    )
    log = held_log(dataset, held, weights, material, config.debias.clip)
    inverse = inverse_propensities(test_set.popularity, config.debias, times_shown(dataset, held.fit))
    test_set = replace(test_set, inverse=inverse, log=log, showings=held_showings(dataset, held, weights))
    names = wanted(inputs.registry, config, plan.only)
    compared = [System(FULL, scorers=tuple(names))]
    if plan.ablate:
        has_graph, has_text = inputs.triples is not None, material.fit.item_text is not None
        compared = systems(inputs.registry, names, graph=has_graph, text=has_text)
    with tempfile.TemporaryDirectory(prefix="kgrec-evaluate-") as folder:
        judged = tuple(_judged(inputs, plan, config, factory, test_set, compared, Path(folder), progress))
    facts = {
        "users": dataset.n_users,
        "items": dataset.n_items,
        "fit_likes": int((material.everything or material.fit).matrix.nnz),
        "test_users": len(test_set.users),
        "test_likes": int(test_set.truth.nnz),
        "ranked_items": test_set.n_candidates,
        "categories": categories[0] if categories else None,
        "diversity_by": "texts" if material.fit.item_text is not None else "categories",
        "distribution": distribution((material.everything or material.fit).matrix),
        **held.facts,
    }
    return Round(seed, held, test_set, judged, facts)


def _judged(
    inputs: Inputs,
    plan: Plan,
    config: Config,
    factory: AblationInputs,
    test_set: TestSet,
    compared: Sequence[System],
    folder: Path,
    progress: Progress,
) -> Iterator[Judged]:
    with progress.task(f"evaluating, seed {config.seed}", total=len(compared)) as task:
        for system in compared:
            task.note(system.name)
            started = time.perf_counter()
            material = factory.make(system.graph, text=system.text)
            settings = config
            if system.alone is not None:
                fusion = config.fusion.model_copy(update={"weights": {system.alone: 1.0}, "second_stage": "none"})
                settings = config.model_copy(update={"fusion": fusion})
            # Systems that train on the same data share the fits of the scorers; one system has nobody to share with.
            data = f"{system.graph}-{system.text}"
            store = FitStore(folder / data if len(compared) > 1 else None, data)
            only = list(system.scorers) if system.scorers else None
            ranker, report = train(material, inputs.registry, settings, only=only, store=store)
            skipped = {r.name: r.skipped for r in report.scorers if r.skipped}
            if system.alone is not None and system.alone not in ranker.weights:
                yield Judged(system, None, skipped=skipped.get(system.alone, "it does not rank by itself"))
            else:
                size = config.recommend.block_size
                steps = _steps(inputs, plan, config, factory, ranker) if system.name == FULL else None
                outcome = judge(ranker, test_set, plan.ks, block_size=size, steps=steps)
                seconds = round(time.perf_counter() - started, 2)
                swept = _swept(inputs, plan, config, factory, ranker, test_set) if system.name == FULL else ()
                curves = {r.name: r.curve for r in report.scorers if r.curve}
                draw = inputs.illustrate if system.name == FULL and config.seed == plan.seeds[0] else None
                examples = draw(factory.dataset, ranker, test_set, outcome.top) if draw else ()
                yield Judged(system, outcome, dict(ranker.weights), seconds, "", swept, curves, examples)
                if steps is not None:
                    as_ranked = judge(ranker, test_set, plan.ks, block_size=size)
                    yield Judged(replace(system, name=AS_RANKED), as_ranked, dict(ranker.weights), seconds)
            task.advance()


def _steps(inputs: Inputs, plan: Plan, config: Config, factory: AblationInputs, ranker: Ranker) -> Pipeline | None:
    """Return the plan's re-rankers, which know no more than the scorers; None where there are none."""
    steps = build(plan.rerank, inputs.rerankers, config.rerankers)
    if not steps:
        return None
    catalogue = factory.catalogue(ranker)
    candidates = config.recommend.rerank_candidates
    return prepare(steps, catalogue.describe(), bought=catalogue.bought(), candidates=candidates)


def _swept(
    inputs: Inputs, plan: Plan, config: Config, factory: AblationInputs, ranker: Ranker, test_set: TestSet
) -> tuple[tuple[Result, ...], ...]:
    if not plan.sweeps:
        return ()
    steps = Varying(plan.sweeps, plan.rerank, inputs.rerankers, config.rerankers, config.recommend.rerank_candidates)
    return run_sweeps(
        steps, ranker, test_set, factory.catalogue(ranker), plan.ks, block_size=config.recommend.block_size
    )
