"""Figures weighed by inverse propensities: as if all had been seen equally often, and what showing an item changes.

Held-out likes are likes of what somebody came upon, and people come upon popular items first; a system that recommends
what is popular looks better than it is. Debiased, each held-out like weighs the inverse of its item's propensity
(SNIPS: Swaminathan and Joachims, NeurIPS 2015; for rankings of implicit feedback Yang et al., *Unbiased Offline
Recommender Evaluation for Missing-Not-At-Random Implicit Feedback*, RecSys 2018).

A recommendation is worth the likes that it causes, not those that it predicts (Sato et al., *Uplift-based Evaluation
and Optimization of Recommenders*, RecSys 2019; Gutierrez and Gérardy, *Causal Inference and Uplift Modelling*, PMLR 67,
2017). The log must tell what was shown, and people must also find things by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.evaluate.impressions import ShownLog
from kgrec.evaluate.lists_record import DebiasedFigures, Effect, Uplift
from kgrec.evaluate.metrics import PerUser
from kgrec.evaluate.test_set import TestSet
from kgrec.models.ndcg import discount, hits
from kgrec.significance import ratio_gap, resampled

Parts = tuple[PerUser, PerUser]
"""Numerator and denominator of each user, each of shape ``(u,)``; the figure is the ratio of their sums."""


def weighed_recall(top: NDArray[np.int64], truth: csr_array, weights: NDArray[np.float64]) -> Parts:
    """Recall@k by weighed likes: ``sum of w(i) over hits / sum of w(i) over held-out likes``.

    With inverse propensities as weights this is the SNIPS estimate of the share of all likes, observed or not, that the
    lists hold. Sums run over all users (Schnabel et al., ICML 2016, equation 8), where Yang et al. (RecSys 2018) divide
    within each user: with one held-out like a user that weight would cancel out, and with few it nearly does.

    Args:
        top: recommended items, best first, shape ``(u, k)``, -1 for none.
        truth: held-out likes, CSR of shape ``(u, n_items)``.
        weights: of a like of each item, shape ``(n_items,)``.
    """
    liked = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    whole = np.bincount(liked, weights[truth.indices], truth.shape[0]).astype(np.float64)
    return (hits(top, truth) * weights[top]).sum(axis=1), whole


def weighed_ndcg(top: NDArray[np.int64], truth: csr_array, weights: NDArray[np.float64]) -> Parts:
    """Propensity-scored NDCG@k (Jain, Prabhu and Varma, KDD 2016): gains are the weights of the likes.

    ``sum over hits of w(i) / log2(place + 1)``, over the same of the best list there could be, sums over all users. The
    best list depends on what was observed, so this is no unbiased estimate, as :func:`weighed_recall` is.

    Args:
        top: recommended items, best first, shape ``(u, k)``, -1 for none.
        truth: held-out likes, CSR of shape ``(u, n_items)``.
        weights: of a like of each item, shape ``(n_items,)``.
    """
    u, k = top.shape
    discounts = discount(np.arange(1, k + 1), k)
    part = (hits(top, truth) * weights[top] * discounts).sum(axis=1)
    rows, gains = np.repeat(np.arange(u), np.diff(truth.indptr)), weights[truth.indices]
    order = np.lexsort((-gains, rows))
    place = np.arange(len(rows)) - truth.indptr[rows]  # rows are in order, so sorting within them keeps the places
    within = place < k
    best = gains[order][within] * discounts[place[within]]
    return part, np.bincount(rows[within], weights=best, minlength=u).astype(np.float64)


MEASURES = {"recall": weighed_recall, "ndcg": weighed_ndcg}
"""Figures by name."""


def compare_debiased(
    tops: Mapping[str, Sequence[NDArray[np.int64]]], test_sets: Sequence[TestSet], k: int, rng: np.random.Generator
) -> list[DebiasedFigures]:
    """Measure all systems as observed and debiased, with intervals over users; nothing without propensities.

    Args:
        tops: lists of each system, one array of shape ``(u, k)`` for each test set.
        test_sets: one a seed and fold.
        k: length of the lists.
        rng: draws users.
    """
    n_users = int(max(test_set.users.max(initial=-1) for test_set in test_sets)) + 1
    names, sums = [], []
    for system, of_sets in tops.items():
        for metric, measure in MEASURES.items():
            pooled = np.zeros((4, n_users))
            for top, test_set in zip(of_sets, test_sets, strict=True):
                if test_set.inverse is None:
                    return []
                observed = measure(top[:, :k], test_set.truth, np.ones_like(test_set.inverse))
                scored = measure(top[:, :k], test_set.truth, test_set.inverse)
                for row, values in zip(pooled, (*scored, *observed), strict=True):
                    np.add.at(row, test_set.users, values)
            names.append((system, f"{metric}@{k}"))
            sums.append(pooled)
    found = np.stack(sums)  # (figures, 4, n_users)
    found = found[:, :, found[:, 3].any(axis=0)]
    n = found.shape[2]
    drawn = resampled(np.ascontiguousarray(found.reshape(-1, n).T), rng).reshape(-1, *found.shape[:2])
    counted = np.concatenate([t.inverse[t.truth.indices] for t in test_sets if t.inverse is not None])
    effective = float(counted.sum() ** 2 / (len(counted) * (counted**2).sum())) if len(counted) else float("nan")
    figures = []
    for at, (system, metric) in enumerate(names):
        debiased, naive, gap = ratio_gap(found[at].sum(axis=1), drawn[:, at], n)
        figures.append(
            DebiasedFigures(
                system=system, metric=metric, naive=naive, debiased=debiased, difference=gap, effective=effective
            )
        )
    return figures


def measure_uplift(
    log: ShownLog, tops: Mapping[str, Sequence[NDArray[np.int64]]], ks: Sequence[int], rng: np.random.Generator
) -> Uplift:
    """Return all that a log says of the effect of recommendations.

    Args:
        log: what was shown and liked.
        tops: lists of ``log.users`` by system, one array of shape ``(u, k)`` a seed.
        ks: lengths of the lists.
        rng: draws users.
    """
    at = {
        system: {k: effect_on_lists(log, [top[:, :k] for top in of_seeds], rng) for k in ks}
        for system, of_seeds in tops.items()
    }
    return Uplift(
        users=len(log.users),
        shown=int(log.shown.nnz),
        liked_shown=int(log.liked.nnz - log.others.nnz),
        liked_unshown=int(log.others.nnz),
        naive=naive_difference(log),
        everywhere=average_effect(log, rng),
        at=at,
    )


def average_effect(log: ShownLog, rng: np.random.Generator) -> Effect:
    """Average treatment effect over all pairs: what showing everything to everybody would add to a pair.

    ``sum over shown of y / e over sum over shown of 1 / e, minus 1 / N * sum over not shown of y / (1 - e)`` with the
    propensity ``e`` (Horvitz and Thompson 1952; self-normalised where weights are large, Hájek 1971): an inverse
    propensity weighted difference in means, with a percentile bootstrap interval over users.

    Args:
        log: what was shown and liked.
        rng: draws users.
    """
    rows, items = log.shown.nonzero()
    weights, u = 1.0 / log.propensities(rows, items), len(log.users)
    others = log.others.nonzero()
    parts = [
        np.bincount(rows, weights * _at(log.liked, rows, items), u),
        np.bincount(rows, weights, u),
        np.bincount(others[0], 1.0 / (1.0 - log.propensities(*others)), u),
        log.n_pairs.astype(np.float64),
    ]
    return _effect(np.stack(parts, axis=1), len(rows), rng)


def effect_on_lists(log: ShownLog, tops: Sequence[NDArray[np.int64]], rng: np.random.Generator) -> Effect:
    """Uplift@k of lists: the average effect over the pairs that the lists hold (Sato et al. 2019), self-normalised.

    ``sum of z y / e over sum of z / e, minus sum of (1 - z) y / (1 - e) over sum of (1 - z) / (1 - e)`` over all
    places of all lists, where ``z`` says whether the log shows the pair. Items that nobody was shown do not count.

    Args:
        log: what was shown and liked.
        tops: lists of ``log.users``, shape ``(u, k)``, -1 for none; one array a seed.
        rng: draws users.
    """
    rows = np.concatenate([np.nonzero(top >= 0)[0] for top in tops])
    items = np.concatenate([top[top >= 0] for top in tops])
    offered = log.of_items[items] > 0
    rows, items = rows[offered], items[offered]
    e, z, y = log.propensities(rows, items), _at(log.shown, rows, items), _at(log.liked, rows, items)
    columns = (z * y / e, z / e, (1 - z) * y / (1 - e), (1 - z) / (1 - e))
    parts = np.stack([np.bincount(rows, column, len(log.users)) for column in columns], axis=1)
    return _effect(parts.astype(np.float64), round(z.sum() / len(tops)), rng)


def naive_difference(log: ShownLog) -> float:
    """Return how much more often what was shown is liked than what was not, uncorrected."""
    n_other = int(log.n_pairs.sum()) - log.shown.nnz
    return float((log.liked.nnz - log.others.nnz) / log.shown.nnz - log.others.nnz / max(n_other, 1))


def _effect(parts: NDArray[np.float64], n_shown: int, rng: np.random.Generator) -> Effect:
    """Make the effect from each user's sums, shape ``(u, 4)``: numerator and denominator, shown and not shown."""
    shown, unshown, uplift = ratio_gap(parts.sum(axis=0), resampled(parts, rng), len(parts))
    return Effect(shown=shown, unshown=unshown, uplift=uplift, n_shown=n_shown)


def _at(matrix: csr_array, rows: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
    """Return the entries of a matrix of ones at these places, shape ``(p,)``."""
    return np.asarray(matrix[rows, items], dtype=np.float64).ravel() if len(rows) else np.zeros(0)
