"""The baseline: how high an item is rated by everybody, and how high somebody rates everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.models.ratings.table import Ratings, check_positions
from kgrec.types import ItemIndices, UserIndices

ROUNDS = 12
"""Rounds of solving items and users; what changes later is far below a thousandth of a star."""


class Biases:
    """Global mean plus damped deviations of user and item: ``b_ui = mu + b_u + b_i``.

    ``b_i = sum over raters (r_ui - mu - b_u) / (n_i + damping_i)`` and the same for users, in turns until they stand
    still (Koren, Factor in the neighbors: scalable and accurate collaborative filtering, ACM TKDD 4(1), 2010, section
    2.1). The damping is not set by hand: seen as a model of random effects it is the variance of the noise over that
    of the biases, which the rounds estimate along (EM; Searle, Casella and McCulloch, Variance Components, 1992).
    """

    def fit(self, ratings: Ratings, *, seed: int = 0) -> Self:  # noqa: ARG002
        """Learn; nothing is random."""
        self._scale = (ratings.low, ratings.high)
        self._mean = ratings.mean
        values = ratings.values.astype(np.float64) - self._mean
        self._users, self._items = np.zeros(ratings.n_users), np.zeros(ratings.n_items)
        noise = float(values.var()) if len(ratings) else 1.0
        of_users = of_items = max(noise, 1e-12) / 4
        for _ in range(ROUNDS if len(ratings) else 0):
            left = values - self._users[ratings.users]
            self._items, of_items = _effects(left, ratings.items, ratings.n_items, noise, of_items)
            left = values - self._items[ratings.items]
            self._users, of_users = _effects(left, ratings.users, ratings.n_users, noise, of_users)
            noise = max(float(np.square(left - self._users[ratings.users]).mean()), 1e-12)
        return self

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict each pair -> float32 ``(p,)``, within the scale."""
        return self.clip(self.raw(users, items))

    def raw(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float64]:
        """Return ``b_ui`` of each pair before it is cut off at the ends of the scale, shape ``(p,)``."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        check_positions(users, items, len(self._users), len(self._items))
        found: NDArray[np.float64] = self._mean + self._users[users] + self._items[items]
        return found

    def clip(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Cut values off at the ends of the scale -> float32 of the same shape."""
        found: NDArray[np.float32] = np.clip(values, *self._scale).astype(np.float32)
        return found

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the biases."""
        return {"users": self._users, "items": self._items, "mean": np.array([self._mean, *self._scale])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose state this is."""
        self._users, self._items = state["users"], state["items"]
        self._mean, low, high = (float(value) for value in state["mean"])
        self._scale = (low, high)
        return self


def _effects(
    left: NDArray[np.float64], of: NDArray[np.int64], n: int, noise: float, variance: float
) -> tuple[NDArray[np.float64], float]:
    """Return the effect of each group and the new estimate of their variance.

    Args:
        left: what is to be explained, shape ``(r,)``.
        of: the group of each, shape ``(r,)``.
        n: groups.
        noise: variance of what the effects leave.
        variance: of the effects, so far.
    """
    sizes = np.bincount(of, minlength=n)
    damped = np.maximum(sizes + noise / variance, 1e-12)  # a single rating leaves no noise at all
    effects = np.bincount(of, left, minlength=n) / damped
    rated = sizes > 0
    return effects, max(float((effects[rated] ** 2 + noise / damped[rated]).mean()), 1e-12)
