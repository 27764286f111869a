"""Several scorers into one score: per-user standard scores, weighted by what validation says.

The weights come from forward selection with replacement (Caruana et al., *Ensemble selection from libraries of
models*, ICML 2004): start from the best single scorer, add a share of whichever scorer raises validation NDCG most,
stop when none does; repeated on random halves of the users and averaged, which keeps it from fitting their noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.ndcg import Gain
from kgrec.ranking.user_weights import Gate, conditional_logit
from kgrec.types import Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SHARES = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Shares of a newcomer that forward selection tries."""

GATED_FROM = 300
"""Fewer validation users cannot tell how weights depend on the user."""

LEAST_WEIGHT = 0.01
"""Scorers of a smaller weight are left out."""

LEAST_GAIN = 1e-4
"""A newcomer must raise NDCG by more."""


def standardise(scores: Scores, seen: csr_array | None = None) -> Scores:
    """Return each row shifted to mean 0 and scaled to deviation 1; what a scorer cannot score becomes 0, the mean.

    A row without spread (a user nothing is known of) becomes 0 throughout, so other scorers decide.

    Args:
        scores: shape ``(u, n_items)``, NaN where the scorer cannot score.
        seen: items that do not count for mean and deviation, CSR of the same shape: what a scorer gives to the items
            that it was fitted on differs from scorer to scorer, and none of them is ranked.
    """
    complete = bool(np.isfinite(scores.sum(axis=1)).all())  # one pass, no mask: nearly all scorers score everything
    known = None if complete else np.isfinite(scores)
    rows, columns = _known_places(seen, known)
    filled = scores if known is None else np.where(known, scores, np.float32(0))
    scored = np.full(len(scores), scores.shape[1]) if known is None else known.sum(axis=1)
    count = np.maximum(scored - np.bincount(rows, minlength=len(scores)), 1)
    total = filled.sum(axis=1) - np.bincount(rows, filled[rows, columns], len(scores))
    mean = (total / count).astype(np.float32)[:, None]
    centred = filled - mean
    if known is not None:
        centred[~known] = 0
    apart = centred[rows, columns]
    centred[rows, columns] = 0  # not subtracted afterwards: they may be larger than all others together
    squares = np.vecdot(centred, centred)
    centred[rows, columns] = apart
    deviation = np.sqrt(np.maximum(squares, 0) / count)[:, None]
    flat = is_flat(mean, deviation)
    centred *= np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, deviation)).astype(np.float32)
    return np.asarray(centred, dtype=np.float32)


def is_flat(mean: NDArray[Any], deviation: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which rows have no spread beyond rounding."""
    return np.asarray(deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6), dtype=np.bool_)


def _known_places(
    seen: csr_array | None, known: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if seen is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    kept = slice(None) if known is None else known[rows, seen.indices]
    return rows[kept], seen.indices[kept].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Standard scores of the candidates of the validation users.

    Attributes:
        scores: shape ``(s, u, c)``, float32; -inf where a user has fewer than ``c`` candidates.
        relevant: held-out likes among them, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
        items: positions of the candidates, -1 where a user has fewer, shape ``(u, c)``; None: not known.
    """

    scores: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]
    items: NDArray[np.int64] | None = None

    def subset(self, users: NDArray[np.int64]) -> Candidates:
        """Return the candidates of some of the users."""
        items = None if self.items is None else self.items[users]
        return Candidates(self.scores[:, users], self.relevant[users], self.n_relevant[users], items)

    def ndcg(self, weights: NDArray[np.float32], k: int) -> float:
        """Return mean NDCG@k of the weighted sum; weights of shape ``(s,)``, or ``(s, u)`` where users differ."""
        members = np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))
        present = np.isfinite(self.scores[0])
        chosen = np.where(present, self.scores[members], np.float32(0))
        by_user = np.broadcast_to(weights.reshape(len(weights), -1)[members], (len(members), len(present)))
        fused = np.where(present, np.einsum("su,suc->uc", by_user, chosen), -np.inf)
        return Gain(self.relevant, self.n_relevant, k).of(fused)


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
    kept = {names[s]: float(weights[s]) for s in order if weights[s] >= LEAST_WEIGHT}
    norm = sum(kept.values())
    return {name: weight / norm for name, weight in kept.items()}


def _forward(candidates: Candidates, *, k: int, max_members: int, max_steps: int = 20) -> NDArray[np.float32]:
    gain = Gain(candidates.relevant, candidates.n_relevant, k)
    scores, n_scorers = candidates.scores, len(candidates.scores)
    unit: NDArray[np.float32] = np.eye(n_scorers, dtype=np.float32)
    single = [gain.of(scores[s]) for s in range(n_scorers)]
    weights: NDArray[np.float32] = unit[int(np.argmax(single))].copy()
    fused, best = scores[int(np.argmax(single))], max(single)
    mixed = np.empty_like(fused)
    for _ in range(max_steps):
        kept = {share: np.float32(1 - share) * fused for share in SHARES}
        trials = [
            (s, share)
            for s in range(n_scorers)
            if weights[s] > 0 or np.count_nonzero(weights) < max_members
            for share in SHARES
        ]
        figures = [gain.of(_mix(kept[share], scores[s], share, mixed)) for s, share in trials]
        chosen = int(np.argmax(figures))
        if figures[chosen] <= best + LEAST_GAIN:
            break
        s, share = trials[chosen]
        fused, best = _mix(kept[share], scores[s], share, np.empty_like(fused)), figures[chosen]
        weights = (1 - share) * weights + share * unit[s]
    return weights


def _mix(
    kept: NDArray[np.float32], newcomer: NDArray[np.float32], share: float, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    np.multiply(newcomer, np.float32(share), out=out)
    out += kept
    return out


def learn_fusion(
    names: Sequence[str],
    candidates: Candidates,
    counts: NDArray[np.int64],
    *,
    k: int,
    max_members: int,
    rng: np.random.Generator,
    max_users: int = 3000,
) -> tuple[dict[str, float], Gate]:
    """Return the scorers' weights, summing to 1, and how they move with how much is known of a user.

    The weights are the mean of those by forward selection, which looks at NDCG, and those of a conditional logit model,
    which is steadier; the slopes are the latter's. Together they ranked held-out halves of the validation users better
    than either alone. With few users only forward selection is used.

    Args:
        names: the scorers, in the order of ``candidates.scores``.
        candidates: of the validation users.
        counts: items that each of them has seen, shape ``(u,)``.
        k: NDCG is taken at this length.
        max_members: scorers at most.
        rng: draws users.
        max_users: at most so many users are learned from at once.
    """
    forward = learn_weights(names, candidates, k=k, max_members=max_members, rng=rng, max_users=max_users)
    gate = Gate.of(counts)
    if len(counts) < GATED_FROM or len(names) == 1:
        return forward, gate
    drawn = np.sort(rng.permutation(len(counts))[:max_users])
    logit, slopes = conditional_logit(candidates.subset(drawn), gate.levels(counts[drawn]))
    if not logit.any():
        return forward, gate
    weights = (np.array([forward.get(name, 0.0) for name in names]) + logit / logit.sum()) / 2
    kept = [s for s in np.argsort(-weights)[:max_members] if weights[s] >= LEAST_WEIGHT]
    norm = weights[kept].sum()
    moving = {names[s]: float(slopes[s] / logit.sum() / norm) for s in kept}
    return {names[s]: float(weights[s] / norm) for s in kept}, replace(gate, slopes=moving)


def by_user(
    names: Sequence[str], weights: Mapping[str, float], gate: Gate, counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the weight of each scorer for each user, shape ``(s, u)``."""
    base = np.array([weights.get(name, 0.0) for name in names], dtype=np.float32)
    slopes = np.array([gate.slopes.get(name, 0.0) for name in names], dtype=np.float32)
    return np.asarray(base[:, None] + slopes[:, None] * gate.levels(counts), dtype=np.float32)


def cross_fitted_ndcg(
    names: Sequence[str],
    candidates: Candidates,
    counts: NDArray[np.int64],
    *,
    k: int,
    max_members: int,
    rng: np.random.Generator,
) -> float:
    """Return NDCG@k of a fusion learned on one half of the users and judged on the other, mean of both ways.

    A fusion judged on the users it was learned on looks better than it is.
    """
    if len(counts) < 2:
        return float("nan")
    halves = np.array_split(rng.permutation(len(counts)), 2)
    figures = []
    for learned, judged in (halves, halves[::-1]):
        part = candidates.subset(np.sort(learned))
        weights, gate = learn_fusion(
            names, part, counts[np.sort(learned)], k=k, max_members=max_members, rng=rng, max_users=1000
        )
        judged = np.sort(judged)
        moved = by_user(names, weights, gate, counts[judged])
        figures.append(candidates.subset(judged).ndcg(moved, k) * len(judged))
    return float(np.sum(figures) / len(counts))
