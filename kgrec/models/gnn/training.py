"""Training of the network: a softmax over the catalogue for blocks of users, id embeddings dropped at random."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.adam import AdamTraining
from kgrec.models.gnn.graph import Graph
from kgrec.models.gnn.model import Masks, Network
from kgrec.models.gnn.validation import Validation

MAX_CANDIDATES = 4096
"""Catalogues up to this size are scored whole; larger ones by a sample of so many items."""


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is made.

    Attributes:
        learning_rate: of Adam.
        l2: weight of the summed squares of the id embeddings, a like's loss counting 1.
        batch_size: user-item pairs in a step, about.
        id_dropout: share of users and items whose id embedding is hidden in a step.
        cold_dropout: share of items that a step treats as new: neither id embedding nor interactions.
    """

    learning_rate: float
    l2: float
    batch_size: int
    id_dropout: float
    cold_dropout: float


class GNNTraining(AdamTraining):
    """A network under training, for :func:`kgrec.models.loop.run`.

    The loss of a step is the multinomial one of Liang et al. (Variational Autoencoders for Collaborative Filtering,
    WWW 2018): ``- sum_i x_ui log softmax(u . y)_i`` over the items that somebody liked, for a block of users; the whole
    graph is propagated once a step, so blocks are large.

    Args:
        network: what is trained.
        graph: what it propagates over.
        matrix: the likes, shape ``(n_users, n_items)``.
        validation: how it is judged, or None.
        options: how a step is made.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        matrix: csr_array,
        validation: Validation | None,
        options: StepOptions,
        seed: int,
    ) -> None:
        users = torch.from_numpy(np.flatnonzero(np.diff(matrix.indptr))).to(network.ids.device)
        n_steps = math.ceil(matrix.nnz / options.batch_size)
        super().__init__(network, users, n_steps, options.learning_rate, seed)
        self.network, self.validation, self.options = network, validation, options
        self._indptr = torch.from_numpy(matrix.indptr.astype(np.int64)).to(self.device)
        self._columns = torch.from_numpy(matrix.indices.astype(np.int64)).to(self.device)
        entries = torch.from_numpy(graph.interactions).to(self.device)
        self._entries = torch.stack([entries, torch.from_numpy(graph.mirror).to(self.device)[entries]])
        self._liked = torch.unique(self._columns)

    def loss(self, users: Tensor) -> Tensor:
        """Return the mean loss over the likes of ``users`` and the penalty."""
        user_vectors, item_vectors = self.network(self._draw_masks())
        chosen = user_vectors[users]
        counts = self._indptr[users + 1] - self._indptr[users]
        liked = self._likes(users, counts)
        candidates, correction = self._candidates()
        with self._autocast():
            logits = chosen @ item_vectors[candidates].T
        total = torch.logsumexp(logits.float(), 1) + correction
        offsets = counts.cumsum(0) - counts
        # The sum of the liked items' scores is the product with the sum of their vectors: no (likes, d) array.
        sums = F.embedding_bag(liked, item_vectors, offsets, mode="sum")
        misfit = (counts * total - (chosen * sums).sum(1)).sum() / counts.sum()
        penalty = self.network.ids.square().sum() / len(self._columns)
        loss: Tensor = misfit + self.options.l2 * penalty
        return loss

    def validate(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        with torch.no_grad():
            return self.validation.ndcg(*self.network())

    def _draw_masks(self) -> Masks:
        n_users, n_items, n_entities = self.network.sizes
        options, nodes, entries = self.options, None, None
        if options.id_dropout:
            kept = torch.rand(n_users + n_items, generator=self._generator, device=self.device) >= options.id_dropout
            nodes = torch.cat([kept, kept.new_ones(n_entities)]).float()
        if options.cold_dropout:
            warm = torch.rand(n_items, generator=self._generator, device=self.device) >= options.cold_dropout
            nodes = torch.ones(n_users + n_items + n_entities, device=self.device) if nodes is None else nodes
            nodes[n_users : n_users + n_items] *= warm
            entries = torch.ones_like(self.network.adjacency.values)
            entries[self._entries] = warm[self._columns].float()
        return Masks(None if nodes is None else nodes.unsqueeze(1), entries)

    def _candidates(self) -> tuple[Tensor, float]:
        """Return the items to compare with and what their number adds to the log-sum: ``log(all / drawn)``."""
        n = len(self._liked)
        if n <= MAX_CANDIDATES:
            return self._liked, 0.0
        drawn = torch.randint(n, (MAX_CANDIDATES,), generator=self._generator, device=self.device)
        return self._liked[drawn], math.log(n / MAX_CANDIDATES)

    def _likes(self, users: Tensor, counts: Tensor) -> Tensor:
        """Return the items of ``users`` one after the other."""
        starts = torch.repeat_interleave(self._indptr[users] - counts.cumsum(0) + counts, counts)
        return self._columns[starts + torch.arange(len(starts), device=self.device)]

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else nullcontext()
