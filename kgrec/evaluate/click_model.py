"""People who can be asked again and again: what they would click, learned from all of their likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models.svd import randomised_svd
from kgrec.types import UserIndices

RANK = 50
"""Dimensions of people's taste."""


@dataclass(frozen=True)
class Taste:
    """How probably each user likes each item once it is looked at.

    The likes of all users, those included that recommenders do not get to see, are completed by a truncated singular
    value decomposition (PureSVD: Cremonesi, Koren and Turrin, RecSys 2010); what comes out is cut to [0, 1]. It is
    fitted apart from all scorers and never changes: people stay who they are, only what they are shown changes.

    Attributes:
        users: shape ``(n_users, d)``.
        items: shape ``(n_items, d)``.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]

    @classmethod
    def of(cls, likes: csr_array, rng: np.random.Generator, *, rank: int = RANK) -> Self:
        """Learn it.

        Args:
            likes: of all users, CSR of shape ``(n_users, n_items)``; how strongly does not count.
            rng: starts the decomposition.
            rank: dimensions.
        """
        binary = csr_array((np.ones(likes.nnz), likes.indices, likes.indptr), shape=likes.shape)
        left, values, right = randomised_svd(binary, min(rank, *likes.shape), rng)
        return cls((left * values).astype(np.float32), right.T.astype(np.float32))

    def chance(self, users: UserIndices, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how probably each listed item is liked, 0 where there is none.

        Args:
            users: shape ``(u,)``.
            items: lists, shape ``(u, k)``, -1 for none.
        """
        likely = np.einsum("ud,ukd->uk", self.users[users], self.items[np.maximum(items, 0)], dtype=np.float64)
        return np.where(items >= 0, np.clip(likely, 0.0, 1.0), 0.0)


def examined(k: int, *, eta: float = 1.0) -> NDArray[np.float64]:
    """Return how probably each place of a list is looked at, ``place ** -eta``, shape ``(k,)``.

    The position-based model: a click is a look, which depends on the place only, times a like (Richardson, Dominowska
    and Ragno, WWW 2007; with this form Joachims, Swaminathan and Schnabel, WSDM 2017).
    """
    return np.asarray(np.arange(1, k + 1, dtype=np.float64) ** -eta)
