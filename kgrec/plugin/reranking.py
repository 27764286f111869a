"""What re-rankers are told: of all items and users once, and of the candidates of a block of users each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # scipy.sparse costs a tenth of a second, and the CLI's help does not need it
    from scipy.sparse import csr_array

    from kgrec.types import UserIndices, Vectors


AUDIENCE = 10
"""Users of each item whose lists :attr:`RerankData.best_ranks` tells of."""

STEADY = 4.0
"""How slowly the chance falls at the first places, see :meth:`CandidateLists.chance`."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Who or what has which value of an attribute.

    Attributes:
        attribute: its name.
        names: the values, shape ``(g,)``.
        matrix: boolean CSR of shape ``(n, g)``; a row of several values, or of none, is fine.
    """

    attribute: str
    names: tuple[str, ...]
    matrix: csr_array


@dataclass(frozen=True, slots=True)
class RerankData:
    """What is known of items and users; the same for all lists. What is not always needed is a function.

    Attributes:
        item_ids: shape ``(n_items,)``.
        popularity: how many users like each item, shape ``(n_items,)``, int64.
        likes: who likes what how much, CSR of shape ``(n_users, n_items)``.
        first_seen: unix seconds of the first interaction with each item, shape ``(n_items,)``, NaN where unknown.
        now: unix seconds of the moment that lists are made for (``--at``); where none is named, of the latest
            interaction of all, NaN where there are no times: age is counted from there. No clock is looked at, so that
            the same data give the same lists.
        seed: of whatever is drawn at random.
        item_groups: values of an attribute of the items, by its name; by ``""`` of the one that sorts them best. Of a
            name that there is none of, these functions raise :class:`kgrec.errors.NotFoundError`.
        user_groups: values of an attribute of the users, by its name.
        item_values: a number or time (unix seconds) of the items, by the attribute's name, float64, NaN for none.
        vectors: unit rows (zero where an item has none) by ``text``, ``graph``, ``category``, or ``auto``: the first of
            text, category, graph that there is; shape ``(n_items, dim)``.
        best_ranks: the highest places of each item in users' lists as ranked, the best first, from 1, 0 for none,
            int32 of shape ``(n_items, AUDIENCE)``; None where no lists are known.
    """

    item_ids: Sequence[str]
    popularity: NDArray[np.int64]
    likes: csr_array
    first_seen: NDArray[np.float64]
    now: float
    seed: int
    item_groups: Callable[[str], Groups]
    user_groups: Callable[[str], Groups]
    item_values: Callable[[str], NDArray[np.float64]]
    vectors: Callable[[str], Vectors]
    best_ranks: Callable[[], NDArray[np.int32]] | None = None

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_ids)


@dataclass(frozen=True, slots=True)
class CandidateLists:
    """The candidates of a block of users, best first.

    Attributes:
        users: positions in :attr:`RerankData.likes`, shape ``(u,)``; -1 for somebody who is not in the data.
        items: positions, shape ``(u, c)``, -1 after a list's end, no item twice in a row.
        scores: float32 of the same shape, falling, -inf after a list's end. After an earlier re-ranker these are the
            same numbers in the new order: the place, not the fused score, is what it has decided.
        liked: what they are known to like, CSR of shape ``(u, n_items)``.
        bought: what they bought, boolean CSR of the same shape.
        n: how many will be shown; the order behind that does not matter.
        fused: the fused scores of the items where they are now, same shape; None: those are ``scores``.
    """

    users: UserIndices
    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    liked: csr_array
    bought: csr_array
    n: int
    fused: NDArray[np.float32] | None = None

    def relevance(self) -> NDArray[np.float32]:
        """Return the scores brought to [0, 1] in each row, 1 for the best; -1 after a list's end; shape ``(u, c)``."""
        present = self.items >= 0
        low = np.where(present, self.scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        high = np.where(present, self.scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        span = np.where(high > low, high - low, 1.0)
        with np.errstate(invalid="ignore"):
            scaled = (self.scores - low) / span
        return np.where(present, scaled, -1.0).astype(np.float32)

    def chance(self) -> NDArray[np.float32]:
        """Return how probably each item is liked, as a part of the first one's chance; -1 for none; shape ``(u, c)``.

        ``5 / (place + 4)``. Scores fall steeply where a model is sure and say little of how often it is right; hits
        fall with the place about like this (Zipf-Mandelbrot). On held-out likes of MovieLens-100k the chances at the
        places 1, 20, 100 and 200 are as 1 to .21, .05 and .025; here they are 1, .21, .05 and .025.
        """
        place = np.arange(1, self.items.shape[1] + 1)
        return np.where(self.items >= 0, (1 + STEADY) / (place + STEADY), -1.0).astype(np.float32)
