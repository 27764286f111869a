"""The feedback loop, run offline: recommend, click, learn, recommend again; with and without re-rankers.

Recommenders learn from what people did with earlier recommendations. That can narrow lists round by round: people
become alike (Chaney, Stewart and Engelhardt, RecSys 2018), echo chambers (Jiang et al., AIES 2019), bestsellers grow,
and minorities are hit harder (Mansoury et al., CIKM 2020). Here it is measured on one's own data and settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.item_features import item_categories, list_features
from kgrec.data.split import interaction_matrix, like_weights, to_events
from kgrec.evaluate import metrics
from kgrec.evaluate.ablation import AblationInputs, EvaluationInputs
from kgrec.evaluate.groups import SMALLEST_GROUP, groupings, head
from kgrec.evaluate.plan import AS_RANKED, SimulationPlan
from kgrec.evaluate.records import SimulationRecord
from kgrec.evaluate.splits import fit_part, hold_out
from kgrec.evaluate.test_set import listed, score_blocks
from kgrec.models.sparse import randomised_svd
from kgrec.plugin.manager import Registry
from kgrec.progress import SILENT, Progress
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import Pipeline, build
from kgrec.ranking.training import train, wanted
from kgrec.types import Events, TrainingData, UserIndices, Vectors

RANK = 50
"""Dimensions of :class:`ClickModel`."""


@dataclass(frozen=True)
class ClickModel:
    """How probably each user likes each item once it is looked at.

    The likes of all users, those included that recommenders do not get to see, are completed by a truncated singular
    value decomposition (PureSVD: Cremonesi, Koren and Turrin, RecSys 2010); what comes out is cut to [0, 1]. It is
    fitted apart from all scorers and never changes: people stay who they are, only what they are shown changes.

    Attributes:
        users: shape ``(n_users, d)``.
        items: shape ``(n_items, d)``.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]

    @classmethod
    def of(cls, likes: csr_array, rng: np.random.Generator, *, rank: int = RANK) -> Self:
        """Learn it.

        Args:
            likes: of all users, CSR of shape ``(n_users, n_items)``; how strongly does not count.
            rng: starts the decomposition.
            rank: dimensions.
        """
        binary = csr_array((np.ones(likes.nnz), likes.indices, likes.indptr), shape=likes.shape)
        left, values, right = randomised_svd(binary, min(rank, *likes.shape), rng)
        return cls((left * values).astype(np.float32), right.T.astype(np.float32))

    def chance(self, users: UserIndices, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how probably each listed item is liked, 0 where there is none.

        Args:
            users: shape ``(u,)``.
            items: lists, shape ``(u, k)``, -1 for none.
        """
        likely = np.einsum("ud,ukd->uk", self.users[users], self.items[np.maximum(items, 0)], dtype=np.float64)
        return np.where(items >= 0, np.clip(likely, 0.0, 1.0), 0.0)


def examined(k: int, *, eta: float = 1.0) -> NDArray[np.float64]:
    """Return how probably each place of a list is looked at, ``place ** -eta``, shape ``(k,)``.

    The position-based model: a click is a look, which depends on the place only, times a like (Richardson, Dominowska
    and Ragno, WWW 2007; with this form Joachims, Swaminathan and Schnabel, WSDM 2017).
    """
    return np.asarray(np.arange(1, k + 1, dtype=np.float64) ** -eta)


Prepare = Callable[[Ranker, csr_array], Pipeline | None]
"""Makes the re-rankers ready for a trained ranker and what everybody likes by now."""


@dataclass(frozen=True)
class World:
    """What does not change from round to round.

    Attributes:
        people: what they click.
        users: who is shown lists, shape ``(u,)``.
        start: what they are known to like before the first round, CSR of shape ``(n_users, n_items)``.
        features: vectors by which lists are diverse, shape ``(n_items, dim)``, or None.
        categories: of the items, CSR of shape ``(n_items, g)``, or None.
        groups: group of each of all users, by attribute; null for none.
        k: length of the lists.
        seed: draws who clicks what.
        block_size: users at once.
    """

    people: ClickModel
    users: UserIndices
    start: csr_array
    features: Vectors | None = None
    categories: csr_array | None = None
    groups: Mapping[str, pl.Series] = field(default_factory=dict)
    k: int = 20
    seed: int = 42
    block_size: int = 512


def simulate(inputs: EvaluationInputs, plan: SimulationPlan, progress: Progress = SILENT) -> SimulationRecord:
    """Run the loop for each seed, without and with the re-rankers.

    What people click is learned on all likes but those of rows marked ``test``; the recommender starts without a share
    of them.

    Raises:
        NotFoundError: a scorer or re-ranker is unknown.
        ConfigError: a re-ranker cannot be used on this data.
    """
    scorers, rerankers = inputs.manager.registry("scorer"), inputs.manager.registry("re-ranker")
    named: dict[str, tuple[str, ...]] = {AS_RANKED: ()}
    if plan.rerank:
        named[" + ".join(plan.rerank)] = plan.rerank
    for steps in named.values():
        build(steps, rerankers, inputs.config.rerankers)  # a misspelt name is an error before the training
    found: dict[str, list[dict[str, list[float]]]] = {name: [] for name in named}
    with progress.task("going round", total=len(plan.seeds) * len(named) * plan.rounds) as task:
        for seed in plan.seeds:
            config = inputs.config.model_copy(update={"seed": seed})
            dataset, held = hold_out(
                inputs.dataset, config.feedback, inputs.domain, "ratio", fraction=plan.fraction, seed=seed
            )
            factory = AblationInputs(inputs, config, fit_part(dataset, held))
            training = factory.make("true", text=True)
            data = training.everything or training.fit
            world = _world(inputs, config, dataset, data, plan)
            ranker, _ = train(training, scorers, Fitter(config), only=wanted(scorers, config, plan.only))
            for name, steps in named.items():
                task.note(f"seed {seed}, {name}")

                def ready(
                    ranker: Ranker, likes: csr_array, steps: Sequence[str] = steps, factory: AblationInputs = factory
                ) -> Pipeline | None:
                    built = build(steps, rerankers, inputs.config.rerankers)
                    return factory.pipelines([built], ranker, likes)[0] if built else None

                found[name].append(replay(world, ranker, data, scorers, ready, plan.rounds, task.advance))
    systems, intervals = over_seeds(found)
    return SimulationRecord(
        plan=plan,
        users=len(world.users),
        items=dataset.n_items,
        start_likes=int(world.start.nnz),
        scorers=tuple(ranker.weights),
        rounds=tuple(range(1, plan.rounds + 1)),
        systems=systems,
        intervals=intervals,
    )


def _world(
    inputs: EvaluationInputs, config: Config, dataset: Dataset, data: TrainingData, plan: SimulationPlan
) -> World:
    weights = like_weights(dataset, config.feedback, inputs.domain)
    everything = to_events(dataset, np.ones(dataset.interactions.height, dtype=np.bool_), weights)
    likes = interaction_matrix(everything, dataset.n_users, dataset.n_items)
    categories = item_categories(dataset)
    matrix = categories[1] if categories else None
    return World(
        ClickModel.of(likes, np.random.default_rng([config.seed, 41])),
        np.flatnonzero(np.diff(data.matrix.indptr)).astype(np.int64),
        data.matrix,
        list_features(data.item_text, matrix),
        matrix,
        dict(groupings(dataset)),
        plan.k,
        config.seed,
        config.recommend.block_size,
    )


def replay(
    world: World,
    ranker: Ranker,
    data: TrainingData,
    registry: Registry,
    prepare: Prepare,
    rounds: int,
    after_round: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Go round the loop.

    Every round all users get a list; each place is looked at with the chance of :func:`examined` and, if so, clicked
    with that of :meth:`ClickModel.chance`; clicks become likes, and all scorers are fitted again with the options and
    the weights of the first training. Draws depend on seed, round, user and place only, so that systems meet the same
    luck.

    Args:
        world: what does not change.
        ranker: trained on ``data``.
        data: what the ranker was fitted on.
        registry: the scorers on offer.
        prepare: makes the re-rankers ready.
        rounds: how many.
        after_round: called after each.

    Returns:
        figures of the lists of each round, by name; see :func:`figures`.
    """
    found: dict[str, list[float]] = {}
    looked_at = examined(world.k)
    for number in range(rounds):
        if number:
            ranker = refitted(ranker, data, registry, seed=world.seed)
        steps = prepare(ranker, data.matrix)
        top = _lists(world, ranker, data.matrix, steps)
        chance = looked_at * world.people.chance(world.users, top)
        for name, value in figures(world, top, chance.sum(axis=1)).items():
            found.setdefault(name, []).append(value)
        drawn = np.random.default_rng([world.seed, 37, number]).random(top.shape)
        rows, places = np.nonzero(drawn < chance)
        data = clicked(data, world.users[rows], top[rows, places])
        seen = csr_array(ranker.seen + _cells(world.users[rows], top[rows, places], ranker.seen.shape, np.bool_))
        ranker = replace(ranker, seen=seen)
        after_round()
    return found


def figures(world: World, top: NDArray[np.int64], clicks: NDArray[np.float64]) -> dict[str, float]:
    """Return what the lists of a round are like; popularity, bestsellers and histories are those of the start.

    ============== ======================================================================================
    clicks         expected clicks a list
    diversity      mean dissimilarity of the items of a list, :func:`kgrec.evaluate.metrics.diversity`
    popularity     mean number of users who liked the listed items at the start (ARP)
    bestsellers    share of places with the items that had half of all likes at the start
    coverage, gini see :mod:`kgrec.evaluate.metrics`
    overlap        share of their items that two people's lists have in common, on average (Chaney et al. 2018)
    miscalibration distance of the categories from those of the history at the start
    gap ATTRIBUTE  clicks a list of the group that clicks most, less those of the group that clicks least
    ============== ======================================================================================

    Args:
        world: what does not change.
        top: the lists, shape ``(u, k)``, -1 for none.
        clicks: expected clicks of each list, shape ``(u,)``.
    """
    n_items = world.start.shape[1]
    popularity = np.bincount(world.start.indices, minlength=n_items)
    shown = top >= 0
    found = {
        "clicks": float(clicks.mean()),
        "popularity": float(np.nanmean(metrics.recommended_popularity(top, popularity))),
        "bestsellers": float(head(popularity)[top[shown]].mean()) if shown.any() else float("nan"),
        "coverage": metrics.coverage(top, n_items),
        "gini": metrics.gini(top, n_items),
        "overlap": overlap(top, n_items),
    }
    if world.features is not None:
        found["diversity"] = float(np.nanmean(metrics.diversity(top, world.features)))
    if world.categories is not None:
        history = csr_array(world.start[world.users])
        found["miscalibration"] = float(np.nanmean(metrics.miscalibration(top, history, world.categories)))
    for name, groups in world.groups.items():
        table = pl.DataFrame({"group": groups.gather(world.users), "clicks": clicks}).drop_nulls("group")
        means = table.filter(pl.len().over("group") >= SMALLEST_GROUP).group_by("group").agg(pl.col("clicks").mean())
        if means.height > 1:
            found[f"gap {name}"] = float(np.ptp(means["clicks"].to_numpy()))
    return found


def overlap(top: NDArray[np.int64], n_items: int) -> float:
    """Return the mean over all pairs of users of ``|items in both lists| / k``; NaN for fewer than two users."""
    u, k = top.shape
    if u < 2 or not k:
        return float("nan")
    counts = np.bincount(top[top >= 0], minlength=n_items).astype(np.float64)
    return float((counts * (counts - 1)).sum() / (u * (u - 1) * k))


def _lists(world: World, ranker: Ranker, likes: csr_array, steps: Pipeline | None) -> NDArray[np.int64]:
    blocks = score_blocks(ranker, world.users, ranker.seen[world.users], world.block_size)
    return np.concatenate([listed(s, world.users[b], likes[world.users[b]], world.k, steps) for b, s in blocks])


def refitted(ranker: Ranker, data: TrainingData, registry: Registry, *, seed: int) -> Ranker:
    """Fit all scorers on ``data`` with the options that they have; the fusion stays as it is."""
    chosen: Mapping[str, Any] = ranker.summary.get("scorers", {})
    scorers = {
        name: registry[name].build(dict(chosen.get(name, {}).get("options", {}))).fit(data, seed=seed)
        for name in ranker.scorers
    }
    return replace(ranker, scorers=scorers)


def clicked(data: TrainingData, users: UserIndices, items: NDArray[np.int64]) -> TrainingData:
    """Return the data with clicks as likes of weight 1, later than all else."""
    if not len(users):
        return data
    old, n = data.events, len(users)
    worth = np.ones(n, dtype=np.float32) if data.item_weights is None else data.item_weights[items]
    usual = int(np.bincount(old.actions).argmax()) if len(old) else 0
    events = Events(
        users=np.concatenate([old.users, users]),
        items=np.concatenate([old.items, items]),
        actions=np.concatenate([old.actions, np.full(n, usual)]),
        values=np.concatenate([old.values, np.full(n, np.nan, dtype=np.float32)]),
        weights=np.concatenate([old.weights, worth.astype(np.float32)]),
        times=None if old.times is None else np.concatenate([old.times, np.full(n, old.times.max(initial=0) + 1)]),
        action_names=old.action_names,
    )
    matrix = csr_array(data.matrix + _cells(users, items, data.matrix.shape, np.float32, worth))
    matrix.sort_indices()
    return replace(data, matrix=matrix, events=events)


def _cells(
    users: UserIndices,
    items: NDArray[np.int64],
    shape: tuple[int, int],
    dtype: type,
    values: NDArray[np.float32] | None = None,
) -> csr_array:
    filled: NDArray[Any] = np.ones(len(users), dtype=dtype) if values is None else values.astype(dtype)
    return csr_array((filled, (users, items)), shape=shape)


Means = dict[str, dict[str, tuple[float, ...]]]
Spans = dict[str, dict[str, tuple[tuple[float, float] | None, ...]]]


def over_seeds(found: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> tuple[Means, Spans]:
    """Put the figures of all seeds together.

    Args:
        found: figures by round, of each seed, by system.

    Returns:
        means and 95 % intervals over the seeds of each figure in each round, by system and name.
    """
    means: Means = {}
    spans: Spans = {}
    for system, runs in found.items():
        means[system], spans[system] = {}, {}
        for name in runs[0]:
            values = np.array([run[name] for run in runs])  # (seeds, rounds)
            means[system][name] = tuple(values.mean(axis=0).tolist())
            spans[system][name] = _intervals(values)
    return means, spans


def _intervals(values: NDArray[np.float64]) -> tuple[tuple[float, float] | None, ...]:
    n, n_rounds = values.shape
    if n < 2:
        return tuple(None for _ in range(n_rounds))
    from scipy.stats import t

    mean = values.mean(axis=0)
    half = float(t.ppf(0.975, n - 1)) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return tuple(zip((mean - half).tolist(), (mean + half).tolist(), strict=True))
