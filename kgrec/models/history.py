"""What each user liked, as the scorers see it: kept by every scorer that needs it, so that its state is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.types import Profile, UserIndices


def strength(weights: NDArray[np.float32], unit: float) -> NDArray[np.float32]:
    """Damp weights of interactions: ``log2(1 + weight / unit)``, so that equal weights all become 1.

    A hundred views of one item say more than one view, but not a hundred times as much. Hu, Koren and Volinsky
    (Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008), equation 6, with the mean weight as epsilon.
    """
    return np.asarray(np.log2(1.0 + weights / unit), dtype=np.float32)


class UserLikes(NamedTuple):
    """What one user liked, as a row of a matrix holds it, without the cost of one.

    Attributes:
        indices: items, shape ``(h,)``.
        data: strengths, shape ``(h,)``.
    """

    indices: NDArray[np.integer[Any]]
    data: NDArray[np.float32]

    @classmethod
    def of(cls, row: csr_array) -> UserLikes:
        """Return what a matrix of one row holds."""
        return cls(row.indices, row.data)


@dataclass(frozen=True, slots=True)
class History:
    """The damped likes of all users.

    Attributes:
        matrix: strengths, CSR float32 of shape ``(n_users, n_items)``.
        unit: the mean weight, which became the strength 1.
    """

    matrix: csr_array
    unit: float

    @classmethod
    def of(cls, weights: csr_array) -> History:
        """Damp the weights of ``TrainingData.matrix``."""
        unit = float(weights.data.mean()) if weights.nnz else 1.0
        matrix = sparse.csr(weights.copy())
        matrix.data = strength(matrix.data, unit)
        return cls(matrix, unit)

    @property
    def n_items(self) -> int:
        """Number of items in the vocabulary at training."""
        return int(self.matrix.shape[1])

    def rows(self, users: UserIndices) -> csr_array:
        """Return the likes of ``users``, shape ``(u, n_items)``; somebody who came after training has none."""
        users = np.asarray(users, dtype=np.int64)
        known = users < self.matrix.shape[0]
        if known.all():
            return sparse.take_rows(self.matrix, users)
        lengths = np.zeros(len(users), dtype=np.int64)
        found = csr_array(self.matrix[users[known]])
        lengths[known] = np.diff(found.indptr)
        parts = (found.data, found.indices, np.concatenate([[0], np.cumsum(lengths)]))
        return csr_array(parts, shape=(len(users), self.n_items))

    def likes(self, user: int) -> UserLikes:
        """Return the likes of one user, not to be changed; somebody who came after training has none."""
        inside = user < self.matrix.shape[0]
        start, stop = self.matrix.indptr[user : user + 2] if inside else (0, 0)
        return UserLikes(self.matrix.indices[start:stop], self.matrix.data[start:stop])

    def lengths(self, users: UserIndices) -> NDArray[np.int64]:
        """Return how many items each of ``users`` liked, shape ``(u,)``."""
        starts = self.matrix.indptr
        if not len(users) or not self.matrix.shape[0]:
            return np.zeros(len(users), dtype=np.int64)
        inside = np.minimum(users, self.matrix.shape[0] - 1)
        counts = starts[inside + 1] - starts[inside]
        return np.where(users < self.matrix.shape[0], counts, 0).astype(np.int64)

    def new(self, profile: Profile) -> csr_array:
        """Return the likes of ``profile`` as a matrix of one row; items that came after training are left out."""
        return self.new_rows([profile])

    def new_rows(self, profiles: Sequence[Profile]) -> csr_array:
        """Return the likes of people who were not there at training, one row a profile, as :meth:`new` does."""
        if not profiles:
            return sparse.csr(np.zeros((0, self.n_items), dtype=np.float32))
        rows = np.repeat(np.arange(len(profiles)), [len(profile.items) for profile in profiles])
        items = np.concatenate([profile.items for profile in profiles])
        weights = np.concatenate([profile.weights for profile in profiles])
        kept = (items < self.n_items) & (weights > 0)
        rows, items, shape = rows[kept], items[kept], (len(profiles), self.n_items)
        if np.all((np.diff(items) > 0) | (np.diff(rows) > 0)):  # as profiles of users are: much quicker
            starts = np.searchsorted(rows, np.arange(len(profiles) + 1))
            likes = csr_array((weights[kept].astype(np.float32), items, starts), shape=shape)
        else:
            likes = sparse.csr(csr_array((weights[kept], (rows, items)), shape=shape))  # named twice: the sum counts
        likes.data = strength(likes.data, self.unit)
        return likes

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the history as arrays, keys starting with ``history``."""
        return {**sparse.to_state("history", self.matrix), "history.unit": np.array([self.unit])}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> History:
        """Rebuild the history that :meth:`state` took apart."""
        return cls(sparse.from_state("history", state), float(state["history.unit"][0]))
