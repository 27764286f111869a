"""What the figures would be had every item been seen equally often: self-normalised inverse propensity scoring.

Held-out likes are likes of what somebody came upon, and people come upon popular items first; a system that recommends
what is popular looks better than it is. Here each held-out like weighs the inverse of its item's propensity (SNIPS:
Swaminathan and Joachims, NeurIPS 2015; for rankings of implicit feedback Yang et al., *Unbiased Offline Recommender
Evaluation for Missing-Not-At-Random Implicit Feedback*, RecSys 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.evaluate.lists_record import DebiasedFigures
from kgrec.evaluate.metrics import PerUser
from kgrec.ranking.top_k import hits
from kgrec.significance import intervals, resampled

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.evaluate.test_set import TestSet

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
    part = (hits(top, truth) * weights[top]).sum(axis=1)
    return part, np.asarray(_pattern(truth) @ weights, dtype=np.float64)


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
    discounts = 1.0 / np.log2(np.arange(k) + 2.0)
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
                for row, values in zip(pooled, (*observed, *scored), strict=True):
                    np.add.at(row, test_set.users, values)
            names.append((system, f"{metric}@{k}"))
            sums.append(pooled)
    effective = _effective(test_sets)
    found = np.stack(sums)  # (figures, 4, n_users)
    found = found[:, :, found[:, 1].any(axis=0)]
    n_figures, _, n = found.shape
    drawn = resampled(np.ascontiguousarray(found.reshape(-1, n).T), rng).reshape(-1, n_figures, 4)
    whole, drawn = _ratios(found.sum(axis=2)), _ratios(drawn)
    figures = []
    for at, (system, metric) in enumerate(names):
        naive, weighed, gap = intervals(whole[at], drawn[:, at], n)
        figures.append(
            DebiasedFigures(
                system=system, metric=metric, naive=naive, debiased=weighed, difference=gap, effective=effective
            )
        )
    return figures


def _ratios(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numerators and denominators ``(..., 4)`` -> naive, debiased, their difference ``(..., 3)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        naive, weighed = sums[..., 0] / sums[..., 1], sums[..., 2] / sums[..., 3]
    return np.stack([naive, weighed, weighed - naive], axis=-1)


def _effective(test_sets: Sequence[TestSet]) -> float:
    weights = np.concatenate(
        [test_set.inverse[test_set.truth.indices] for test_set in test_sets if test_set.inverse is not None]
    )
    return float(weights.sum() ** 2 / (len(weights) * (weights**2).sum())) if len(weights) else float("nan")


def _pattern(truth: csr_array) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(truth.nnz), truth.indices, truth.indptr), shape=truth.shape)
