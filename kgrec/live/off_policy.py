"""What another policy would have earned, told from lists that were drawn with known probabilities.

Each list weighs by how much likelier the other policy is to show it up to a place: with importance weights that are
multiplied along the list (reward interaction, McInerney et al., *Counterfactual Evaluation of Slate Recommendations
with Sequential Reward Interactions*, KDD 2020), self-normalised (SNIPS, Swaminathan and Joachims, NeurIPS 2015) or
with a model of the reward whose errors are weighed (doubly robust, Dudík et al., ICML 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964

CLIP = 100.0
"""Importance weights are cut off here: a bias towards nothing, for far less variance."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Reward of a list under another policy.

    Attributes:
        value: mean reward of a list.
        low, high: 95 % interval over lists.
        effective: lists that the weights leave, ``(sum w)^2 / sum w^2`` of the whole lists; below some dozens the
            interval means little.
    """

    value: float
    low: float
    high: float
    effective: float


def off_policy(
    rewards: NDArray[np.floating],
    logged: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    expected: NDArray[np.floating] | None = None,
    policy_value: NDArray[np.floating] | None = None,
) -> dict[str, Estimate]:
    """Estimate by ``ips``, ``snips`` and, where a model of the reward is given, ``dr``.

    Args:
        rewards: of each place, shape ``(lists, n)``; NaN after the end of a list.
        logged: probability of each place given those before it, as shown; same shape, > 0.
        target: the same under the other policy.
        expected: reward that a model expects of each place; same shape.
        policy_value: reward that the model expects of a whole list of the other policy, shape ``(lists,)``.
    """
    present = ~np.isnan(rewards)
    ratio = np.where(present, target / np.maximum(logged, 1e-12), 1.0)
    weights = np.minimum(np.cumprod(ratio, axis=1), CLIP)
    reward = np.where(present, rewards, 0.0)
    count = len(rewards)
    whole = weights[:, -1] if weights.shape[1] else np.ones(count)
    effective = float(whole.sum() ** 2 / max(float((whole**2).sum()), 1e-12))
    found = {"ips": _mean((weights * reward).sum(axis=1), effective)}
    totals = np.where(present, weights, 0).sum(axis=0)
    norm = np.divide(present.sum(axis=0), totals, out=np.zeros_like(totals), where=totals > 0)
    per_list = (weights * norm * reward).sum(axis=1)
    value = float(per_list.mean()) if count else 0.0
    # Delta method: the self-normalised mean of a place varies as the weighted residuals from it.
    by_place = (weights * norm * reward).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    residual = (weights * norm * np.where(present, reward - by_place, 0)).sum(axis=1)
    found["snips"] = _interval(value, residual, effective)
    if expected is not None and policy_value is not None:
        error = np.where(present, rewards - expected, 0.0)
        found["dr"] = _mean(policy_value + (weights * error).sum(axis=1), effective)
    return found


def _mean(values: NDArray[np.floating], effective: float) -> Estimate:
    value = float(values.mean()) if len(values) else 0.0
    return _interval(value, values - value, effective)


def _interval(value: float, residual: NDArray[np.floating], effective: float) -> Estimate:
    half = Z95 * float(residual.std()) / max(len(residual), 1) ** 0.5 if len(residual) > 1 else float("inf")
    return Estimate(value, value - half, value + half, effective)
