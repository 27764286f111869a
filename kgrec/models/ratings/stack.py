"""Several predictors of ratings in one, weighted by what they foretold of ratings they had not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.models import options
from kgrec.models.ratings.biases import Biases
from kgrec.models.ratings.factors import Factors
from kgrec.models.ratings.neighbours import Neighbours
from kgrec.models.ratings.protocol import RatingPredictor
from kgrec.models.ratings.table import Ratings, folds
from kgrec.types import ItemIndices, UserIndices

Make = Callable[[], RatingPredictor]

PARTS: Mapping[str, Make] = {
    "user-neighbours": lambda: Neighbours(by="users"),
    "item-neighbours": lambda: Neighbours(by="items"),
    "factors": Factors,
}
"""What is combined, on top of the baseline."""

PREDICTORS: Mapping[str, Make] = {"baseline": Biases, **PARTS, "stack": lambda: Stack()}
"""Every predictor by name; the last is the one to use."""

FEWEST = 20
"""With fewer ratings held out, weights would be noise: all parts count alike."""


class Stack:
    """The baseline plus a non-negative combination of what each part adds to it.

    ``r_ui = b_ui + sum_k w_k (r^k_ui - b_ui)`` with ``w`` by non-negative least squares (Lawson and Hanson 1974) on a
    share of the ratings that no part was fitted on; then those that count are fitted again
    on everything. Stacking with weights that
    cannot be negative is Breiman's (Stacked regressions, Machine Learning 24, 1996); that very different predictors
    together beat the best one is the lesson of the Netflix Prize (Jahrer, Töscher and Legenstein, KDD 2010).

    Args:
        held_out: share of the ratings on which the weights are learned.
        parts: predictors by name, unfitted; None: :data:`PARTS`.
    """

    def __init__(self, *, held_out: float = 0.1, parts: Mapping[str, Make] | None = None) -> None:
        self.held_out = options.number("held_out", held_out, low=0, high=0.5, above=True)
        self._make = dict(parts or PARTS)
        self.weights: dict[str, float] = {}

    def fit(self, ratings: Ratings, *, seed: int) -> Self:
        """Learn the weights on a part of the ratings, then fit all parts on all of them."""
        self._learn_weights(ratings, seed)
        self._baseline = Biases().fit(ratings)
        used = [name for name in self._make if self.weights[name] > 0]
        self._parts = {name: self._make[name]().fit(ratings, seed=seed) for name in used}
        return self

    def _learn_weights(self, ratings: Ratings, seed: int) -> None:
        from scipy.optimize import nnls

        held = folds(len(ratings), max(2, round(1 / self.held_out)), seed) == 0
        self.weights = dict.fromkeys(self._make, 1 / len(self._make))
        if held.sum() < FEWEST:
            return
        known, asked = ratings.where(~held), ratings.where(held)
        baseline = Biases().fit(known).raw(asked.users, asked.items)
        fitted = [make().fit(known, seed=seed) for make in self._make.values()]
        added = np.stack([part.predict(asked.users, asked.items) - baseline for part in fitted], axis=1)
        self.weights = dict(zip(self._make, nnls(added, asked.values - baseline)[0].tolist(), strict=True))

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict each pair -> float32 ``(p,)``, within the scale."""
        baseline = self._baseline.raw(users, items)
        found = baseline.copy()
        for name, part in self._parts.items():
            found += self.weights[name] * (part.predict(users, items) - baseline)
        return self._baseline.clip(found)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the states of baseline and parts, and the weights in the order of the parts."""
        named = {"baseline": self._baseline, **self._parts}
        found = {f"{name}/{key}": value for name, part in named.items() for key, value in part.state().items()}
        return {**found, "weights": np.array([self.weights[name] for name in self._make])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose state this is; it must have been built with the same parts."""

        def of(name: str) -> dict[str, NDArray[Any]]:
            return {key.removeprefix(f"{name}/"): value for key, value in state.items() if key.startswith(f"{name}/")}

        self._baseline = Biases().load_state(of("baseline"))
        self.weights = dict(zip(self._make, (float(weight) for weight in state["weights"]), strict=True))
        used = [name for name in self._make if self.weights[name] > 0]
        self._parts = {name: self._make[name]().load_state(of(name)) for name in used}
        return self
