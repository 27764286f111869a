"""NDCG on held-out likes, in blocks of users, on the device of the vectors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.ndcg import discount, ideal_gain


class Validation:
    """Ranks all items but those in the user's training data.

    Args:
        matrix: training likes, shape ``(n_users, n_items)``.
        held_out: held-out likes, same shape.
        rng: draws the users looked at when there are more than ``max_users``.
        k: length of the list.
        max_users: at most so many users are looked at.
        block_size: users scored at once.
    """

    def __init__(
        self,
        matrix: csr_array,
        held_out: csr_array,
        rng: np.random.Generator,
        *,
        k: int = 20,
        max_users: int = 4000,
        block_size: int = 1000,
    ) -> None:
        users = np.flatnonzero((np.diff(held_out.indptr) > 0) & (np.diff(matrix.indptr) > 0))
        if len(users) > max_users:
            users = np.sort(rng.choice(users, max_users, replace=False))
        self._blocks = [users[at : at + block_size] for at in range(0, len(users), block_size)]
        self._matrix, self._held_out, self.n_users = matrix, held_out, len(users)
        self._k = min(k, matrix.shape[1])

    def ndcg(self, users: Tensor, items: Tensor) -> float:
        """Return the mean NDCG@k of the products of ``users`` ``(n_users, d)`` and ``items`` ``(n_items, d)``.

        The ideal list holds ``min(k, held-out likes)`` hits. Items whose vector is zero come last.
        """
        if not self.n_users:
            return 0.0
        unknown = (items == 0).all(1)
        gains = torch.from_numpy(discount(np.arange(1, self._k + 1), self._k)).to(users)
        ideal = torch.from_numpy(ideal_gain(np.arange(self._k + 1), self._k)).to(users)
        total = torch.zeros((), device=users.device)
        for block in self._blocks:
            scores = users[torch.from_numpy(block).to(users.device)] @ items.T
            scores[:, unknown] = -torch.inf
            scores[_cells(self._matrix, block)] = -torch.inf
            liked = torch.zeros(scores.shape, dtype=torch.bool, device=users.device)
            liked[_cells(self._held_out, block)] = True
            hits = liked.gather(1, scores.topk(self._k, 1).indices)
            total += ((hits * gains).sum(1) / ideal[liked.sum(1).clamp(max=self._k)]).sum()
        return float(total) / self.n_users


def _cells(matrix: csr_array, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    found = matrix[rows].tocoo()
    return torch.from_numpy(found.row.astype(np.int64)), torch.from_numpy(found.col.astype(np.int64))
