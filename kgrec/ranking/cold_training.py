"""Train the scorers of cold items, learn how much each counts, and how high their items may come.

How much each counts is learned from impressions of items that are hidden from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.ranking.cold import ColdPlacement, Merging, budget, learn_height, merging
from kgrec.ranking.fitting import Fitter, traits_of_spec, unusable
from kgrec.ranking.score_stats import standardise
from kgrec.types import Events, ItemIndices, Scores, TrainingData

if TYPE_CHECKING:
    from kgrec.plugin.manager import Registry
    from kgrec.plugin.protocols import Scorer
    from kgrec.plugin.spec import Spec
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.training_inputs import HeldOut, TrainingInputs

FOLDS = 3
"""Into so many parts the items are cut, of which each is hidden once."""

BLOCK = 512
"""Users scored at once."""

Fit = Callable[[TrainingData, int], Mapping[str, "Scorer"]]
"""Fits the scorers on data of which a fold of the items, given by its number, is hidden."""


def add_cold(
    ranker: Ranker,
    judged: Mapping[str, Scorer],
    inputs: TrainingInputs,
    registry: Registry,
    names: Sequence[str],
    fitter: Fitter,
) -> Ranker:
    """Return ``ranker`` with cold items beside the warm ones; the same where nothing is cold or may be spent.

    Args:
        ranker: fitted on all data.
        judged: the same scorers, fitted on the fit part.
        inputs: the data.
        registry: the scorers on offer.
        names: scorers that may be used.
        fitter: fits them; its settings ``recommend.cold_share``, ``fusion.metric_k`` and ``seed`` are read.
    """
    config = fitter.config
    specs = [registry[name] for name in _scoring_cold(names, registry, "only")]
    share = config.recommend.cold_share
    if share == 0 or not len(inputs.held_out.users):
        return ranker
    chosen = {name: found["options"] for name, found in ranker.summary.get("scorers", {}).items()}
    tables = {**config.scorers, **chosen}

    def fit(spec: Spec, data: TrainingData, part: str) -> Scorer:
        with fitter.progress.task(f"fitting {spec.name}", total=1) as task:
            scorer, _ = fitter.fit(spec, dict(tables.get(spec.name, {})), data, part)
            task.advance()
        return scorer

    def hidden(data: TrainingData, fold: int) -> dict[str, Scorer]:
        usable = [name for name in able if not unusable(registry[name], data)]
        return {name: fit(registry[name], data, f"hidden-{fold}") for name in usable}

    found = {s.name: fit(s, inputs.fit, "fit") for s in specs if not unusable(s, inputs.fit)}
    items = cold_positions(found)
    if not len(items):
        return ranker
    able = [*found, *_scoring_cold(judged, registry, "always")]
    weights = {name: w for name, w in learn_weights(inputs.fit, able, hidden, seed=config.seed).items() if w > 0}
    if inputs.fit.rejected is None:
        weights |= dict.fromkeys(_scoring_cold(ranker.weights, registry, "fused"), 1.0)
    cold = ColdPlacement(items, tuple(weights), 0.0, weights=tuple(weights.values()))
    before = replace(ranker, scorers=dict(judged), seen=inputs.fit.matrix)  # nothing of what is held out
    parts = _merging(before, {**judged, **found}, cold, inputs.held_out, config.fusion.metric_k)
    likes = np.bincount(inputs.fit.matrix.indices, minlength=inputs.fit.n_items)
    height = learn_height(parts, budget(share, len(items), likes))
    if inputs.everything is not None:
        everything = replace(inputs.everything, validation=None)
        again = [name for name in {**found, **weights} if name not in ranker.scorers]
        fitted = {name: fit(registry[name], everything, "everything") for name in again}
        items = cold_positions({name: fitted[name] for name in found})
    else:
        fitted = {name: scorer for name, scorer in {**judged, **found}.items() if name not in ranker.scorers}
    if not len(items):
        return ranker
    members = {name: scorer for name, scorer in fitted.items() if name in weights}
    return replace(ranker, scorers={**ranker.scorers, **members}, cold=replace(cold, items=items, height=height))


def _scoring_cold(names: Iterable[str], registry: Registry, when: str) -> list[str]:
    return [name for name in names if traits_of_spec(registry[name]).cold_items == when]


def cold_positions(scorers: Mapping[str, Any]) -> ItemIndices:
    """Return the positions of the items that any of the scorers of cold items serves."""
    found = [np.asarray(scorer.items, dtype=np.int64) for scorer in scorers.values()]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _merging(ranker: Ranker, scorers: Mapping[str, Scorer], among: ColdPlacement, held_out: HeldOut, k: int) -> Merging:
    blocks, items = [], among.items
    for block in held_out.blocks(256):
        users = held_out.users[block]
        total = ranker.fused(users)
        raw = {name: np.asarray(scorers[name].score(users)[:, items], dtype=np.float32) for name in among.members}
        cold: Scores = sum(among.standing(raw).values(), start=np.zeros((len(users), len(items)), dtype=np.float32))
        masked, truth = held_out.masked[block], held_out.truth[block]
        blocks.append(merging(total, standardise(cold), items, masked, truth, k))
    names = [part.name for part in fields(Merging)]
    return Merging(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})


def hide(data: TrainingData, items: ItemIndices) -> TrainingData:
    """Return ``data`` as it would be without interactions on ``items``; content stays.

    Args:
        data: the fit part.
        items: positions, shape ``(h,)``.
    """
    hidden = np.zeros(data.n_items, dtype=np.bool_)
    hidden[items] = True
    old = data.events
    kept = ~hidden[old.items]
    times = None if old.times is None else old.times[kept]
    parts = (old.users[kept], old.items[kept], old.actions[kept], old.values[kept], old.weights[kept], times)
    events = Events(*parts, old.action_names)
    rejected = None if data.rejected is None else _without(data.rejected, hidden)
    return replace(data, matrix=_without(data.matrix, hidden), events=events, rejected=rejected, validation=None)


def learn_weights(data: TrainingData, names: Sequence[str], fit: Fit, *, seed: int) -> dict[str, float]:
    """Return the weight of each scorer, summing to the number of scorers; all 1 where nothing can be told.

    Where it is known what was shown and left, a cold item's place among its like is what it will be shown beside, and
    there the scorers can be compared: of each fold of the items all interactions are hidden, the scorers are fitted
    on the rest, and their standard scores are regressed, by non-negative least squares within users, on which of the
    hidden items the user took and which not (stacking; Breiman, Stacked Regressions, 1996).

    Args:
        data: the fit part; with ``rejected``.
        names: the scorers.
        fit: see :data:`Fit`.
        seed: draws the folds.
    """
    from scipy.optimize import nnls  # costs a tenth of a second, and only fitting needs it

    equal = dict.fromkeys(names, 1.0)
    if data.rejected is None or len(names) < 2:
        return equal
    fold_of = np.random.default_rng([seed, 11]).permutation(data.n_items) % FOLDS
    inputs, outcomes = [], []
    for fold in range(FOLDS):
        items = np.flatnonzero(fold_of == fold)
        scorers = fit(hide(data, items), fold)
        if scorers.keys() >= set(names):
            found, outcome = _within_users(data, items, [scorers[name] for name in names])
            inputs.append(found)
            outcomes.append(outcome)
    rows = np.concatenate([np.zeros((0, len(names))), *inputs])
    if not len(rows):
        return equal
    weights, _ = nnls(rows.T @ rows, rows.T @ np.concatenate(outcomes))
    if not weights.any():
        return equal
    return dict(zip(names, (weights * len(names) / weights.sum()).tolist(), strict=True))


def _within_users(
    data: TrainingData, items: ItemIndices, scorers: Sequence[Scorer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standard scores ``(p, s)`` and outcomes ``(p,)`` of hidden pairs, both less the user's mean."""
    assert data.rejected is not None
    liked, rejected = csr_array(data.matrix[:, items] > 0), csr_array(data.rejected[:, items] > 0)
    both = np.flatnonzero((np.diff(liked.indptr) > 0) & (np.diff(rejected.indptr) > 0))
    inputs, outcomes = [np.zeros((0, len(scorers)))], [np.zeros(0)]
    for start in range(0, len(both), BLOCK):
        users = both[start : start + BLOCK]
        pairs = [m[users].tocoo().coords for m in (liked, rejected)]
        rows, columns = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        outcome = np.repeat([1.0, 0.0], [len(pair[0]) for pair in pairs])
        scores = [standardise(np.asarray(s.score(users)[:, items], dtype=np.float32))[rows, columns] for s in scorers]
        table = np.column_stack([*scores, outcome]).astype(np.float64)
        counts = np.bincount(rows, minlength=len(users))[:, None]
        means = np.stack([np.bincount(rows, column, len(users)) for column in table.T], axis=1) / counts
        table -= means[rows]
        inputs.append(table[:, :-1])
        outcomes.append(table[:, -1])
    return np.concatenate(inputs), np.concatenate(outcomes)


def _without(matrix: csr_array, hidden: NDArray[np.bool_]) -> csr_array:
    kept = csr_array(matrix.copy())
    kept.data[hidden[kept.indices]] = 0
    kept.eliminate_zeros()
    return kept
