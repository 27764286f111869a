"""Explicit ratings as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.errors import DataError
from kgrec.types import ItemIndices, Mask, UserIndices

Values = NDArray[np.float32]
"""Ratings, shape ``(r,)``."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Who rated what how; each pair of user and item at most once.

    Attributes:
        users: positions, shape ``(r,)``.
        items: positions, shape ``(r,)``.
        values: ratings, shape ``(r,)``.
        n_users: users that exist, with or without ratings.
        n_items: items that exist.
        low, high: ends of the scale; predictions never leave it.
    """

    users: UserIndices
    items: ItemIndices
    values: Values
    n_users: int
    n_items: int
    low: float
    high: float

    @classmethod
    def of(
        cls,
        users: NDArray[Any],
        items: NDArray[Any],
        values: NDArray[Any],
        *,
        n_users: int,
        n_items: int,
        scale: tuple[float, float] | None = None,
    ) -> Ratings:
        """Check and tidy up: of several ratings of a pair the last counts.

        Args:
            users: positions, shape ``(r,)``.
            items: positions, shape ``(r,)``.
            values: ratings in the order in which they were given, shape ``(r,)``.
            n_users: users that exist.
            n_items: items that exist.
            scale: its ends; None: the least and the greatest value.

        Raises:
            DataError: there are fewer than two distinct values, or one that is not finite.
            ValueError: lengths differ, or a position does not exist.
        """
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        values = np.asarray(values, dtype=np.float32)
        if not len(users) == len(items) == len(values):
            raise ValueError(f"users, items and values have lengths {len(users)}, {len(items)} and {len(values)}")
        check_positions(users, items, n_users, n_items)
        if not np.isfinite(values).all():
            raise DataError("a rating is not a finite number")
        if not len(values) or values.min() == values.max():
            raise DataError(
                "the data has no ratings to learn from: fewer than two distinct values",
                hint='a file of ratings needs the columns user, item and value, and action = "rate", in kgrec.toml',
            )
        low, high = scale or (float(values.min()), float(values.max()))
        backwards = np.unique((users * n_items + items)[::-1], return_index=True)[1]
        last = np.sort(len(users) - 1 - backwards)
        return cls(users[last], items[last], values[last], n_users, n_items, low, high)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean of all ratings, the middle of the scale where there are none."""
        return float(self.values.mean(dtype=np.float64)) if len(self) else (self.low + self.high) / 2

    def where(self, mask: Mask) -> Ratings:
        """Return the ratings under ``mask``, shape ``(r,)``; users, items and the scale stay."""
        return replace(self, users=self.users[mask], items=self.items[mask], values=self.values[mask])

    def matrix(self, values: NDArray[np.floating[Any]]) -> csr_array:
        """Return ``values``, one a rating, as float32 CSR ``(n_users, n_items)``; zeros among them stay stored."""
        # Each pair is there once, so the conversion sums nothing up.
        entries = (np.asarray(values, dtype=np.float32), (self.users, self.items))
        found = csr_array(entries, shape=(self.n_users, self.n_items))
        found.sort_indices()
        return found


def check_positions(users: UserIndices, items: ItemIndices, n_users: int, n_items: int) -> None:
    """Raise ``ValueError`` unless all positions exist."""
    for name, positions, n in (("user", users, n_users), ("item", items, n_items)):
        if len(positions) and (positions.min() < 0 or positions.max() >= n):
            raise ValueError(f"{name}s have positions from {positions.min()} to {positions.max()}, but there are {n}")


def folds(n: int, k: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each of ``n`` ratings, shape ``(n,)``: at random, in equal shares up to one.

    Args:
        n: how many ratings.
        k: how many folds.
        seed: of the shuffling.
    """
    return np.random.default_rng([seed, 17]).permutation(n) % k
