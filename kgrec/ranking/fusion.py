"""Several scorers into one score: per-user standard scores, weighted by what validation says.

The weights come from forward selection with replacement (Caruana et al., *Ensemble selection from libraries of
models*, ICML 2004): start from the best single scorer, add a share of whichever scorer raises validation NDCG most,
stop when none does; repeated on random halves of the users and averaged, which keeps it from fitting their noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.top_k import top_k
from kgrec.types import Scores

SHARES = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Shares of a newcomer that forward selection tries."""

LEAST_GAIN = 1e-4
"""A newcomer must raise NDCG by more."""


def standardise(scores: Scores) -> Scores:
    """Return each row shifted to mean 0 and scaled to deviation 1; what a scorer cannot score becomes 0, the mean.

    A row without spread (a user nothing is known of) becomes 0 throughout, so other scorers decide.

    Args:
        scores: shape ``(u, n_items)``, NaN where the scorer cannot score.
    """
    known = np.isfinite(scores)
    if known.all():
        mean = scores.mean(axis=1, keepdims=True, dtype=np.float32)
        centred = scores - mean
        deviation = np.sqrt(np.einsum("ij,ij->i", centred, centred)[:, None] / max(scores.shape[1], 1))
    else:
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        mean = np.where(known, scores, 0).sum(axis=1, keepdims=True) / count
        centred = np.where(known, scores - mean, 0)
        deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    flat = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    centred *= np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, deviation))
    return np.asarray(centred, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Standard scores of the candidates of the validation users.

    Attributes:
        scores: shape ``(s, u, c)``, float32; -inf where a user has fewer than ``c`` candidates.
        relevant: held-out likes among them, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
    """

    scores: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]

    def subset(self, users: NDArray[np.int64]) -> Candidates:
        """Return the candidates of some of the users."""
        return Candidates(self.scores[:, users], self.relevant[users], self.n_relevant[users])

    def ndcg(self, weights: NDArray[np.float32], k: int) -> float:
        """Return mean NDCG@k of the weighted sum."""
        members = np.flatnonzero(weights)
        fused = np.tensordot(weights[members], self.scores[members], axes=1)
        best, _ = top_k(fused, k)
        hit = np.take_along_axis(self.relevant, np.maximum(best, 0), axis=1) & (best >= 0)
        discount = 1.0 / np.log2(np.arange(2, k + 2))
        ideal = np.cumsum(discount)[np.minimum(self.n_relevant, k) - 1]
        return float(np.mean((hit @ discount) / ideal))


def learn_weights(
    names: Sequence[str],
    candidates: Candidates,
    *,
    k: int,
    max_members: int,
    rng: np.random.Generator,
    n_bags: int = 6,
    max_users: int = 3000,
) -> dict[str, float]:
    """Return the scorers' weights, summing to 1; scorers that do not help are absent.

    Args:
        names: the scorers, in the order of ``candidates.scores``.
        candidates: of the validation users.
        k: NDCG is taken at this length.
        max_members: scorers at most.
        rng: draws the halves.
        n_bags: how many halves.
        max_users: at most so many users a half.
    """
    n_users = len(candidates.n_relevant)
    if n_users == 0 or len(names) == 1:
        return {name: 1.0 / len(names) for name in names}
    total = np.zeros(len(names))
    size = min(max(n_users // 2, 1), max_users)
    for _ in range(n_bags):
        half = np.sort(rng.permutation(n_users)[:size])
        total += _forward(candidates.subset(half), k=k, max_members=max_members)
    weights = total / total.sum()
    order = np.argsort(-weights)[:max_members]
    kept = {names[s]: float(weights[s]) for s in order if weights[s] >= 0.01}
    norm = sum(kept.values())
    return {name: weight / norm for name, weight in kept.items()}


def _forward(candidates: Candidates, *, k: int, max_members: int, max_steps: int = 20) -> NDArray[np.float32]:
    n_scorers = len(candidates.scores)
    unit: NDArray[np.float32] = np.eye(n_scorers, dtype=np.float32)
    single = [candidates.ndcg(unit[s], k) for s in range(n_scorers)]
    weights: NDArray[np.float32] = unit[int(np.argmax(single))].copy()
    best = max(single)
    for _ in range(max_steps):
        trials = [
            ((1 - share) * weights + share * unit[s])
            for s in range(n_scorers)
            if weights[s] > 0 or np.count_nonzero(weights) < max_members
            for share in SHARES
        ]
        figures = [candidates.ndcg(trial, k) for trial in trials]
        chosen = int(np.argmax(figures))
        if figures[chosen] <= best + LEAST_GAIN:
            break
        weights, best = trials[chosen], figures[chosen]
    return weights


def fuse(standard: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores:
    """Return the weighted sum of standard scores, shape ``(u, n_items)``."""
    parts = [np.float32(weight) * standard[name] for name, weight in weights.items()]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)
