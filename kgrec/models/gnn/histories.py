"""Histories of a block of users, split at random into what a step shows and what it asks for."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.gnn.csr import csr_matrix


class Histories:
    """Who liked what, on a device.

    Args:
        likes: strength of each like, shape ``(n_users, n_items)``.
        device: where to.

    Attributes:
        items: item of each like, user by user, shape ``(nnz,)``.
    """

    def __init__(self, likes: csr_array, device: torch.device) -> None:
        self.n_items = likes.shape[1]
        self.items = torch.from_numpy(likes.indices.astype(np.int64)).to(device)
        self._indptr = torch.from_numpy(likes.indptr.astype(np.int64)).to(device)
        self._strengths = torch.from_numpy(likes.data.astype(np.float32)).to(device)
        degree = likes.sum(axis=0)
        # As in the graph, a like of strength s weighs s / sqrt(d_user d_item).
        scale = 1 / np.sqrt(np.where(degree > 0, degree, 1.0))
        self._scale = torch.from_numpy(scale.astype(np.float32)).to(device)

    def split(
        self, users: Tensor, share: float, warm: Tensor | None, generator: torch.Generator
    ) -> tuple[Selection, Selection]:
        """Return what is shown of the histories of ``users`` ``(b,)`` and what is asked for.

        Args:
            users: whose.
            share: probability of each like to be hidden; 0 shows and asks for everything.
            warm: items that are not treated as new, shape ``(n_items,)``, or None for all; the others are never shown.
            generator: what is drawn from.
        """
        counts = self._indptr[users + 1] - self._indptr[users]
        rows = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        starts = torch.repeat_interleave(self._indptr[users] - counts.cumsum(0) + counts, counts)
        likes = starts + torch.arange(len(starts), device=users.device)
        items = self.items[likes]
        shown = torch.rand(len(likes), generator=generator, device=users.device) >= share
        asked = ~shown if share else shown
        if warm is not None:
            shown, asked = shown & warm[items], (asked | ~warm[items])
        shape, strengths = (len(users), self.n_items), self._strengths[likes]
        return (
            Selection(rows, items, strengths * shown, self._scale, shape),
            Selection(rows, items, asked.float(), self._scale, shape),
        )


class Selection:
    """Likes of a block of users, as weights; a like that is not selected weighs 0, so that no shape depends on chance.

    Args:
        rows: place in the block of each like's user, rising, shape ``(k,)``.
        items: item of each like, shape ``(k,)``.
        weights: weight of each like, shape ``(k,)``.
        scale: factor of each item in :meth:`mixed`, shape ``(n_items,)``.
        shape: users in the block, items.

    Attributes:
        counts: sum of the weights by user, shape ``(b,)``.
    """

    def __init__(self, rows: Tensor, items: Tensor, weights: Tensor, scale: Tensor, shape: tuple[int, int]) -> None:
        self._rows, self._items, self._weights, self._scale, self._shape = rows, items, weights, scale, shape
        self.counts = torch.zeros(shape[0], device=rows.device).index_add_(0, rows, weights)

    def mixed(self, vectors: Tensor) -> Tensor:
        """Return the users' share of a propagation of item vectors ``(n_items, d)`` -> ``(b, d)``."""
        root = self.counts.clamp(min=1e-12).rsqrt()
        return self._product(self._weights * self._scale[self._items] * root[self._rows], vectors)

    def summed(self, vectors: Tensor) -> Tensor:
        """Return the weighted sum of item vectors ``(n_items, d)`` by user -> ``(b, d)``."""
        return self._product(self._weights, vectors)

    def among(self, candidates: Tensor) -> Tensor:
        """Return which of ``candidates`` ``(c,)``, all different, are selected -> ``(b, c)``."""
        place = torch.full((self._shape[1],), -1, device=candidates.device)
        place[candidates] = torch.arange(len(candidates), device=candidates.device)
        # One more column takes what is not selected or no candidate.
        column = torch.where(self._weights > 0, place[self._items], -1) % (len(candidates) + 1)
        found = torch.zeros((self._shape[0], len(candidates) + 1), dtype=torch.bool, device=candidates.device)
        found[self._rows, column] = True
        return found[:, :-1]

    def _product(self, weights: Tensor, vectors: Tensor) -> Tensor:
        pointers = torch.searchsorted(self._rows, torch.arange(self._shape[0] + 1, device=self._rows.device))
        product: Tensor = csr_matrix(pointers, self._items, weights, self._shape) @ vectors
        return product
