"""Weights that move with how much is known of a user, from a conditional logit model of what is liked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kgrec.ranking.fusion import Candidates

FARTHEST = 2.5
"""Levels end here: beyond, a straight line is a guess."""

MAX_ITERATIONS = 60


@dataclass(frozen=True, slots=True)
class Gate:
    """How the weight of a scorer depends on the user: ``weight + slope * level``.

    The level of a user is the logarithm of one more than the number of items seen, standardised.

    Attributes:
        centre, spread: mean and standard deviation of the logarithm, over the users learned from.
        slopes: change of each scorer's weight a level; absent ones have none.
    """

    centre: float
    spread: float
    slopes: Mapping[str, float]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Self:
        """Return a gate without slopes for users who have seen so many items, shape ``(u,)``."""
        logs = np.log1p(counts) if len(counts) else np.zeros(1)
        return cls(float(logs.mean()), float(max(logs.std(), 1e-6)), {})

    def levels(self, counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the levels of users who have seen so many items, shape ``(u,)``."""
        levels = (np.log1p(counts) - self.centre) / self.spread
        return np.clip(levels, -FARTHEST, FARTHEST).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"centre": self.centre, "spread": self.spread, "slopes": dict(self.slopes)}


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
    shares = (candidates.relevant[used] / np.sqrt(likes[used])[:, None]).astype(np.float32)
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
