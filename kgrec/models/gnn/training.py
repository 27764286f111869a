"""Training of the network: a softmax over the catalogue for blocks of users, id embeddings dropped at random."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.gnn.graph import Graph
from kgrec.models.gnn.model import Masks, Network
from kgrec.models.gnn.validation import Validation
from kgrec.models.loop import Arrays

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


class GNNTraining:
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

    Attributes:
        n_steps: steps in an epoch.
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
        self.network, self.validation, self.options = network, validation, options
        self.device = network.ids.device
        self._generator = torch.Generator(self.device).manual_seed(seed)
        degree = np.diff(matrix.indptr)
        self._users = torch.from_numpy(np.flatnonzero(degree)).to(self.device)
        self._indptr = torch.from_numpy(matrix.indptr.astype(np.int64)).to(self.device)
        self._columns = torch.from_numpy(matrix.indices.astype(np.int64)).to(self.device)
        self.n_steps = max(1, math.ceil(matrix.nnz / options.batch_size))
        entries = torch.from_numpy(graph.interactions).to(self.device)
        self._entries = torch.stack([entries, torch.from_numpy(graph.mirror).to(self.device)[entries]])
        self._liked = torch.unique(self._columns)
        self._trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.Adam(self._trained, lr=options.learning_rate, fused=True)

    def train_epoch(self) -> float:
        """Go once over all users, in random order; the loss is brought to the host once, at the end."""
        order = self._users[torch.randperm(len(self._users), generator=self._generator, device=self.device)]
        total = torch.zeros((), device=self.device)
        blocks = order.chunk(self.n_steps)
        for block in blocks:
            total += self.step(block)
        return float(total) / len(blocks)

    def step(self, users: Tensor) -> Tensor:
        """Take one step on ``users`` of shape ``(b,)`` and return its loss, on the device."""
        self._optimiser.zero_grad()
        loss = self.loss(users)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.detach()

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

    def weights(self) -> Arrays:
        """Return a copy of the parameters."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.network.named_parameters()}

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over parameters."""
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(torch.from_numpy(np.array(weights[name])))

    def state(self) -> Arrays:
        """Return parameters, Adam's moments and the generator's state."""
        arrays = {f"weights.{name}": array for name, array in self.weights().items()}
        for position, parameter in enumerate(self._trained):
            for name, value in self._optimiser.state[parameter].items():
                arrays[f"adam.{position}.{name}"] = np.atleast_1d(value.cpu().numpy().copy())
        arrays["generator"] = self._generator.get_state().numpy()
        return arrays

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`state` returned."""
        self.load_weights(
            {name.removeprefix("weights."): a for name, a in state.items() if name.startswith("weights.")}
        )
        for position, parameter in enumerate(self._trained):
            prefix = f"adam.{position}."
            values = {n.removeprefix(prefix): torch.from_numpy(a) for n, a in state.items() if n.startswith(prefix)}
            if values:
                moments = {n: v.to(self.device).reshape(parameter.shape) for n, v in values.items() if n != "step"}
                self._optimiser.state[parameter] = {"step": values["step"][0].to(self.device), **moments}
        self._generator.set_state(torch.from_numpy(np.array(state["generator"])))

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
