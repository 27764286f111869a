"""Learn from held-out likes how much each scorer counts, and how that moves with how much is known of a user.

The weights come from forward selection with replacement (Caruana et al., *Ensemble selection from libraries of
models*, ICML 2004): start from the best single scorer, add a share of whichever scorer raises validation NDCG most,
stop when none does; repeated on random halves of the users and averaged, which keeps it from fitting their noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.models.ndcg import CandidateNDCG, hits
from kgrec.models.top_k import mask_seen, top_k
from kgrec.ranking.fusion import Gate
from kgrec.ranking.score_stats import standardise
from kgrec.ranking.training_inputs import HeldOut

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.plugin.protocols import Scorer

SHARES = (0.05, 0.1, 0.2, 0.35, 0.5)
"""Shares of a newcomer that forward selection tries."""

GATED_FROM = 300
"""Fewer validation users cannot tell how weights depend on the user."""

LEAST_WEIGHT = 0.01
"""Scorers of a smaller weight are left out."""

LEAST_GAIN = 1e-4
"""A newcomer must raise NDCG by more."""


TRUSTED = 25
"""Held-out likes by which learned weights count as much as those that go by the figures alone."""

STEEPNESS = 4
"""Where little is known, a scorer's weight is its figure to this power."""

MAX_ITERATIONS = 60
"""Of the logit model's solver."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Standard scores of the candidates of the validation users.

    Attributes:
        scores: shape ``(s, u, c)``, float32; -inf where a user has fewer than ``c`` candidates.
        relevant: held-out likes among them, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
        items: positions of the candidates, -1 where a user has fewer, shape ``(u, c)``; None: not known.
        weights: how much each user counts, shape ``(u,)``, see :class:`HeldOut`.
    """

    scores: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]
    items: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None

    def subset(self, users: NDArray[np.int64]) -> Candidates:
        """Return the candidates of some of the users."""
        items = None if self.items is None else self.items[users]
        weights = None if self.weights is None else self.weights[users]
        return Candidates(self.scores[:, users], self.relevant[users], self.n_relevant[users], items, weights)

    def judge(self, k: int) -> CandidateNDCG:
        """Return what tells the users' figures of fused scores."""
        return CandidateNDCG(self.relevant, self.n_relevant, k, self.weights)

    def figures(self, weights: NDArray[np.float32], k: int) -> NDArray[np.float64]:
        """Return each user's NDCG@k of a weighted sum, times what the user counts.

        Weights are of shape ``(s,)``, or ``(s, u)`` where users differ.
        """
        members = np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))
        present = np.isfinite(self.scores[0])
        chosen = np.where(present, self.scores[members], np.float32(0))
        by_user = np.broadcast_to(weights.reshape(len(weights), -1)[members], (len(members), len(present)))
        fused = np.where(present, np.einsum("su,suc->uc", by_user, chosen), -np.inf)
        return self.judge(k).by_user(fused)


def collect(
    scorers: Mapping[str, Scorer], held_out: HeldOut, known: csr_array, *, per_scorer: int = 60, block_size: int = 256
) -> Candidates:
    """Score the union of each scorer's best items by all scorers, for the held-out users.

    A dense array of all items, users and scorers would exhaust memory on large catalogues; beyond the best sixty of
    every scorer nothing reaches a list of twenty.

    Args:
        scorers: fitted, by name.
        held_out: the users, and what they like.
        known: likes that the scorers were fitted on, shape ``(n_users, n_items)``; they are no part of the standard.
        per_scorer: how many of each scorer's best items.
        block_size: users at once.
    """
    parts = [_block(scorers, held_out, known, block, per_scorer) for block in held_out.blocks(block_size)]
    width = max((items.shape[1] for _, items in parts), default=1)
    scores = [np.pad(s, ((0, 0), (0, 0), (0, width - s.shape[2])), constant_values=-np.inf) for s, _ in parts]
    items = [np.pad(i, ((0, 0), (0, width - i.shape[1])), constant_values=-1) for _, i in parts]
    if not parts:
        empty = np.zeros((len(scorers), 0, 1), dtype=np.float32)
        none = np.zeros((0, 1), dtype=np.int64)
        return Candidates(empty, none.astype(np.bool_), np.zeros(0, dtype=np.int64), none)
    n_relevant = np.diff(held_out.truth.indptr).astype(np.int64)
    everyone = np.concatenate(items)
    found = hits(everyone, held_out.truth)
    return Candidates(np.concatenate(scores, axis=1), found, n_relevant, everyone, held_out.weights)


def _block(
    scorers: Mapping[str, Scorer], held_out: HeldOut, known: csr_array, block: slice, per_scorer: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return standard scores ``(s, u, c)`` and items ``(u, c)`` of a block of users; -inf and -1 are padding."""
    masked = held_out.masked[block]
    users = held_out.users[block]
    fitted = known[users]
    standard = []
    wanted = np.zeros(masked.shape, dtype=np.bool_)
    rows = np.arange(masked.shape[0])[:, None]
    for scorer in scorers.values():
        scores = standardise(np.asarray(scorer.score(users), dtype=np.float32), fitted)
        standard.append(scores)
        ranked = scores.copy()
        mask_seen(ranked, masked)
        best, _ = top_k(ranked, per_scorer)
        wanted[np.broadcast_to(rows, best.shape)[best >= 0], best[best >= 0]] = True
    width = int(wanted.sum(axis=1).max(initial=1))
    # A stable sort of "not wanted" brings the wanted positions to the front of each row.
    items = np.argsort(~wanted, axis=1, kind="stable")[:, :width]
    padding = ~np.take_along_axis(wanted, items, axis=1)
    scores = np.stack([np.take_along_axis(s, items, axis=1) for s in standard])
    scores[:, padding] = -np.inf
    return scores, np.where(padding, -1, items)


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
    gain = candidates.judge(k)
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
    than either alone. With few users only forward selection is used, and what it says is drawn towards :func:`proven`.

    Args:
        names: the scorers, in the order of ``candidates.scores``.
        candidates: of the validation users.
        counts: items that each of them has seen, shape ``(u,)``.
        k: NDCG is taken at this length.
        max_members: scorers at most.
        rng: draws users.
        max_users: at most so many users are learned from at once.
    """
    if not len(counts) or len(names) == 1:
        return {name: 1.0 / len(names) for name in names}, Gate.of(counts)
    weights, slopes = _learned(names, candidates, counts, k=k, max_members=max_members, rng=rng, max_users=max_users)
    trust = len(counts) / (len(counts) + TRUSTED)
    weights = trust * weights + (1 - trust) * proven(candidates, k)
    kept = [s for s in np.argsort(-weights)[:max_members] if weights[s] >= LEAST_WEIGHT]
    norm = weights[kept].sum()
    moving = {names[s]: float(trust * slopes[s] / norm) for s in kept if slopes[s]}
    return {names[s]: float(weights[s] / norm) for s in kept}, replace(Gate.of(counts), slopes=moving)


def proven(candidates: Candidates, k: int) -> NDArray[np.float64]:
    """Return weights that go by how good each scorer is alone, summing to 1, shape ``(s,)``: steady, never the best."""
    unit = np.eye(len(candidates.scores), dtype=np.float32)
    figures = np.array([candidates.figures(row, k).mean() for row in unit])
    powers = (figures / max(figures.max(), 1e-9)) ** STEEPNESS
    return powers / powers.sum() if powers.any() else np.full(len(powers), 1 / len(powers))


def _learned(
    names: Sequence[str],
    candidates: Candidates,
    counts: NDArray[np.int64],
    *,
    k: int,
    max_members: int,
    rng: np.random.Generator,
    max_users: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the likes alone say: weights summing to 1, and slopes, both of shape ``(s,)``."""
    forward = learn_weights(names, candidates, k=k, max_members=max_members, rng=rng, max_users=max_users)
    weights, none = np.array([forward.get(name, 0.0) for name in names]), np.zeros(len(names))
    if len(counts) < GATED_FROM:
        return weights, none
    drawn = np.sort(rng.permutation(len(counts))[:max_users])
    logit, slopes = conditional_logit(candidates.subset(drawn), Gate.of(counts).levels(counts[drawn]))
    if not logit.any():
        return weights, none
    return (weights + logit / logit.sum()) / 2, slopes / logit.sum()


def conditional_logit(
    candidates: Candidates, levels: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights, not below 0, and slopes under which the held-out likes are most probable, shapes ``(s,)``.

    A user likes candidate ``c`` with probability ``softmax_c sum_s (w_s + v_s * level) z_sc`` (McFadden, Conditional
    logit analysis of qualitative choice behavior, 1974): a convex problem that uses every candidate, where NDCG sees
    only changes of order near the top. A user with ``n`` likes counts ``sqrt(n)`` times.

    Args:
        candidates: of the users.
        levels: how much is known of each, shape ``(u,)``.
    """
    from scipy.optimize import minimize

    n_scorers = len(candidates.scores)
    likes = candidates.relevant.sum(axis=1)
    used = likes > 0
    if not used.any():
        return np.zeros(n_scorers, dtype=np.float32), np.zeros(n_scorers, dtype=np.float32)
    scores = candidates.scores[:, used]
    present = np.isfinite(scores[0])
    scores = np.where(present, scores, np.float32(0))
    levels = levels[used]
    counts = np.sqrt(likes[used]) if candidates.weights is None else np.sqrt(likes[used]) / candidates.weights[used]
    shares = (candidates.relevant[used] / counts[:, None]).astype(np.float32)
    of_user = shares.sum(axis=1)
    total = float(of_user.sum())

    def misfit(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = x[:n_scorers, None] + x[n_scorers:, None] * levels  # (s, u)
        utility = np.where(present, np.einsum("su,suc->uc", weights.astype(np.float32), scores), -np.inf)
        utility -= utility.max(axis=1, keepdims=True)
        odds = np.exp(utility)
        sums = odds.sum(axis=1, keepdims=True)
        fit = (np.where(present, utility, 0) * shares).sum() - (of_user * np.log(sums[:, 0])).sum()
        slope = np.einsum("suc,uc->su", scores, shares - of_user[:, None] * odds / sums)  # (s, u)
        gradient = np.concatenate([slope.sum(axis=1), slope @ levels]).astype(np.float64)
        return -float(fit) / total, -gradient / total

    start = np.concatenate([np.full(n_scorers, 1 / n_scorers), np.zeros(n_scorers)])
    bounds = [(0.0, None)] * n_scorers + [(None, None)] * n_scorers
    found = minimize(misfit, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_ITERATIONS})
    weights, slopes = np.split(np.asarray(found.x, dtype=np.float32), 2)
    return weights, slopes
