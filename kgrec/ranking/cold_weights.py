"""How much each scorer of cold items counts, learned from impressions of items that were hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.ranking.score_stats import standardise
from kgrec.types import Events, ItemIndices, TrainingData

if TYPE_CHECKING:
    from kgrec.plugin.protocols import Scorer

FOLDS = 3
"""Into so many parts the items are cut, of which each is hidden once."""

BLOCK = 512
"""Users scored at once."""

Fit = Callable[[TrainingData, int], Mapping[str, "Scorer"]]
"""Fits the scorers on data of which a fold of the items, given by its number, is hidden."""


def hide(data: TrainingData, items: ItemIndices) -> TrainingData:
    """Return ``data`` as it would be if nobody had come across ``items``; content stays.

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
