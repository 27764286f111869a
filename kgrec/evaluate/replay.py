"""The feedback loop, run offline: recommend, click, learn, recommend again; with and without re-rankers.

Recommenders learn from what people did with earlier recommendations. That can narrow lists round by round: people
become alike (Chaney, Stewart and Engelhardt, RecSys 2018), echo chambers (Jiang et al., AIES 2019), bestsellers grow,
and minorities are hit harder (Mansoury et al., CIKM 2020). Here it is measured on one's own data and settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.evaluate import lists
from kgrec.evaluate.click_model import Taste, examined
from kgrec.evaluate.gaps import SMALLEST_GROUP
from kgrec.plugin.manager import Registry
from kgrec.ranking.blocks import rank_blocks
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import Pipeline
from kgrec.types import Events, TrainingData, UserIndices, Vectors

Prepare = Callable[[Ranker, csr_array], Pipeline | None]
"""Makes the re-rankers ready for a trained ranker and what everybody likes by now."""


@dataclass(frozen=True)
class World:
    """What does not change from round to round.

    Attributes:
        taste: of the people.
        users: who is shown lists, shape ``(u,)``.
        start: what they are known to like before the first round, CSR of shape ``(n_users, n_items)``.
        features: vectors by which lists are diverse, shape ``(n_items, dim)``, or None.
        categories: of the items, CSR of shape ``(n_items, g)``, or None.
        groups: group of each of all users, by attribute; null for none.
        k: length of the lists.
        seed: draws who clicks what.
    """

    taste: Taste
    users: UserIndices
    start: csr_array
    features: Vectors | None = None
    categories: csr_array | None = None
    groups: Mapping[str, pl.Series] = field(default_factory=dict)
    k: int = 20
    seed: int = 42


def replay(
    world: World,
    ranker: Ranker,
    data: TrainingData,
    registry: Registry,
    prepare: Prepare,
    *,
    rounds: int,
    block_size: int,
    after_round: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Go round the loop.

    Every round all users get a list; each place is looked at with the chance of :func:`examined` and, if so, clicked
    with that of :meth:`Taste.chance`; clicks become likes, and all scorers are fitted anew with the options and the
    weights of the first training. Draws depend on seed, round, user and place only, so that systems meet the same luck.

    Args:
        world: what does not change.
        ranker: trained on ``data``.
        data: what the ranker was fitted on.
        registry: the scorers on offer.
        prepare: makes the re-rankers ready.
        rounds: how many.
        block_size: users at once.
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
        top = _lists(world, ranker, data.matrix, steps, block_size)
        chance = looked_at * world.taste.chance(world.users, top)
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
    """Return what the lists of a round are like; popularity, bestsellers and tastes are those of the start.

    ============== ======================================================================================
    clicks         expected clicks a list
    diversity      mean dissimilarity of the items of a list, :func:`kgrec.evaluate.lists.diversity`
    popularity     mean number of users who liked the listed items at the start (ARP)
    bestsellers    share of places with the items that had half of all likes at the start
    coverage, gini see :mod:`kgrec.evaluate.lists`
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
    order = np.argsort(-popularity, kind="stable")
    head = np.zeros(n_items, dtype=np.bool_)
    head[order[np.cumsum(popularity[order]) - popularity[order] < popularity.sum() / 2]] = True
    shown = top >= 0
    found = {
        "clicks": float(clicks.mean()),
        "popularity": float(np.nanmean(lists.recommended_popularity(top, popularity))),
        "bestsellers": float(head[top[shown]].mean()) if shown.any() else float("nan"),
        "coverage": lists.coverage(top, n_items),
        "gini": lists.gini(top, n_items),
        "overlap": overlap(top, n_items),
    }
    if world.features is not None:
        found["diversity"] = float(np.nanmean(lists.diversity(top, world.features)))
    if world.categories is not None:
        history = csr_array(world.start[world.users])
        found["miscalibration"] = float(np.nanmean(lists.miscalibration(top, history, world.categories)))
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


def _lists(
    world: World, ranker: Ranker, likes: csr_array, steps: Pipeline | None, block_size: int
) -> NDArray[np.int64]:
    n = world.k if steps is None else max(world.k, steps.candidates)
    tops = []
    options: dict[str, Any] = {"allowed": None, "block_size": block_size}
    if steps is not None:
        options["reserved"] = steps.reserved
    for block, items, scores in rank_blocks(ranker, world.users, n, seen=ranker.seen[world.users], **options):
        users = world.users[block]
        tops.append(items if steps is None else steps.apply(items, scores, users, likes[users], world.k)[0])
    return np.concatenate(tops)


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


@dataclass(frozen=True)
class Drift:
    """How lists drift, over all seeds.

    Attributes:
        rounds: their numbers, from 1.
        systems: mean over the seeds of each figure in each round, by system and name.
        intervals: 95 % intervals over the seeds (Student's t), ``[low, high]`` a round; None with one seed.
        seeds: everything was done once for each.
        facts: what a reader should know.
    """

    rounds: Sequence[int]
    systems: Mapping[str, Mapping[str, Sequence[float]]]
    intervals: Mapping[str, Mapping[str, Sequence[tuple[float, float] | None]]]
    seeds: Sequence[int]
    facts: Mapping[str, Any] = field(default_factory=dict)


def drift(
    found: Mapping[str, Sequence[Mapping[str, Sequence[float]]]], seeds: Sequence[int], facts: Mapping[str, Any]
) -> Drift:
    """Put the figures of all seeds together.

    Args:
        found: figures by round, of each seed, by system.
        seeds: in the same order.
        facts: of the data.
    """
    systems: dict[str, dict[str, list[float]]] = {}
    intervals: dict[str, dict[str, list[tuple[float, float] | None]]] = {}
    rounds = 0
    for system, runs in found.items():
        systems[system], intervals[system] = {}, {}
        for name in runs[0]:
            values = np.array([run[name] for run in runs])  # (seeds, rounds)
            rounds = values.shape[1]
            systems[system][name] = values.mean(axis=0).tolist()
            intervals[system][name] = _intervals(values)
    return Drift(tuple(range(1, rounds + 1)), systems, intervals, tuple(seeds), dict(facts))


def _intervals(values: NDArray[np.float64]) -> list[tuple[float, float] | None]:
    n = len(values)
    if n < 2:
        return [None] * values.shape[1]
    from scipy.stats import t

    mean = values.mean(axis=0)
    half = float(t.ppf(0.975, n - 1)) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return list(zip((mean - half).tolist(), (mean + half).tolist(), strict=True))
