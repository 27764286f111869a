"""A softmax over the catalogue, or over a sample of it with its popularity corrected, in torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_CANDIDATES = 1_024
"""Catalogues up to this size are compared with whole; larger ones by a sample of so many items."""


class Catalogue:
    """The items that a liked item is compared with.

    A sample is drawn with replacement, popular items more often: ``q_j ~ n_j ** 0.5`` for ``n_j`` likes. With
    ``s_j - log(m q_j)`` for the scores of the ``m`` items drawn, the sum of the exponentials is an unbiased estimate of
    that over the catalogue (Bengio and Senecal, Adaptive Importance Sampling to Accelerate Training of a Neural
    Probabilistic Language Model, IEEE TNN 2008), so drawing popular items more often does not punish them.

    Args:
        counts: likes of each item, shape ``(n_items,)``; items without likes are never compared with.
        device: where to.
        size: items of a sample.
    """

    def __init__(self, counts: NDArray[np.int64], device: str, size: int = MAX_CANDIDATES) -> None:
        liked = np.flatnonzero(counts)
        self._liked = torch.from_numpy(liked).to(device)
        self._size = size
        shares = np.sqrt(counts[liked].astype(np.float64))
        self._shares = torch.from_numpy((shares / max(shares.sum(), 1e-12)).astype(np.float32)).to(device)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return items, shape ``(m,)``, and what is to be subtracted from their scores, shape ``(m,)``."""
        if len(self._liked) <= self._size:
            return self._liked, torch.zeros(len(self._liked), device=self._liked.device)
        drawn = torch.multinomial(self._shares, self._size, replacement=True, generator=generator)
        return self._liked[drawn], torch.log(self._size * self._shares[drawn])


def choice_loss(
    users: Tensor, targets: Tensor, weights: Tensor, vectors: Tensor, candidates: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Return the weighted mean of ``- log softmax`` of the targets among the candidates.

    Args:
        users: vectors of those who choose, shape ``(p, d)``.
        targets: items chosen, shape ``(p,)``.
        weights: how much each choice counts, shape ``(p,)``.
        vectors: vectors of the targets, shape ``(p, d)``.
        candidates: items ``(m,)``, what to subtract from their scores ``(m,)``, and their vectors ``(m, d)``.
    """
    items, corrections, of_items = candidates
    logits = users @ of_items.T - corrections
    logits = logits.masked_fill(items[None, :] == targets[:, None], -torch.inf)  # it stands in the sum once, by itself
    chosen = (users * vectors).sum(1)
    total = torch.logaddexp(chosen, torch.logsumexp(logits, 1))
    loss: Tensor = ((total - chosen) * weights).sum() / weights.sum()
    return loss
