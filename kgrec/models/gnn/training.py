"""Training of the network: from a part of each history it foretells the rest, by a softmax over the catalogue."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.adam import AdamTraining
from kgrec.models.gnn.graph import Graph
from kgrec.models.gnn.histories import Histories
from kgrec.models.gnn.model import Masks, Network
from kgrec.models.gnn.validation import Validation

MAX_CANDIDATES = 4096
"""Catalogues up to this size are scored whole; larger ones by a sample of so many items."""


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is made.

    Attributes:
        learning_rate: of Adam.
        l2: weight of the summed squares of what goes into the first layer, a like's loss counting 1.
        batch_size: user-item pairs in a step, about.
        history_dropout: share of each history that a step hides and asks for; 0 shows all and asks for all.
        id_dropout: share of users and items whose id embedding is hidden in a step.
        cold_dropout: share of items that a step treats as new: neither id embedding nor interactions.
        cold_steps: share of the steps that treat items as new.
        average: decay, by step, of the running average of the weights.
    """

    learning_rate: float
    l2: float
    batch_size: int
    history_dropout: float
    id_dropout: float
    cold_dropout: float
    cold_steps: float
    average: float


class GNNTraining(AdamTraining):
    """A network under training, for :func:`kgrec.models.training_loop.run`.

    A step hides a part of each history of a block of users and asks for it: ``- sum_i log softmax(u . y)_i`` over the
    hidden items, ``u`` made of what is left and the softmax over what is not shown. The loss is the multinomial one
    of Liang et al. (Variational Autoencoders for Collaborative Filtering, WWW 2018), the hiding that of denoising
    autoencoders (Wu et al., WSDM 2016; Steck, NeurIPS 2020): a network that sees what it is asked for learns to
    repeat it. The whole graph is propagated once a step, so blocks are large.

    Args:
        network: what is trained.
        graph: what it propagates over.
        likes: strength of each like, shape ``(n_users, n_items)``.
        validation: how it is judged, or None.
        options: how a step is made.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        likes: csr_array,
        validation: Validation | None,
        options: StepOptions,
        seed: int,
    ) -> None:
        users = torch.from_numpy(np.flatnonzero(np.diff(likes.indptr))).to(network.ids.device)
        n_steps = math.ceil(likes.nnz / options.batch_size)
        super().__init__(
            dict(network.named_parameters()), users, n_steps, options.learning_rate, seed, average=options.average
        )
        self.network, self.validation, self.options = network, validation, options
        self.histories = Histories(likes, self.device)
        entries = torch.from_numpy(graph.interactions).to(self.device)
        self._entries = torch.stack([entries, torch.from_numpy(graph.mirror).to(self.device)[entries]])
        self._liked = torch.unique(self.histories.items)

    def loss(self, users: Tensor) -> Tensor:
        """Return the mean loss over the hidden likes of ``users`` and the penalty."""
        masks, warm = self._draw_masks()
        layers, n_users = self.network.propagate(masks), self.network.sizes[0]
        shown, asked = self.histories.split(users, self.options.history_dropout, warm, self._generator)
        chosen = layers.first[users] / (self.network.n_layers + 1) + shown.mixed(layers.passed[n_users:])
        items = layers.mean[n_users:]
        candidates, correction = self._candidates()
        with self._autocast():
            logits = chosen @ items[candidates].T
        if self.options.history_dropout:
            logits = logits.masked_fill(shown.among(candidates), -torch.inf)
        total = torch.logsumexp(logits.float(), 1) + correction
        # The sum of the asked items' scores is the product with the sum of their vectors: no (likes, d) array.
        misfit = asked.counts @ total - (chosen * asked.summed(items)).sum()
        loss: Tensor = misfit / asked.counts.sum().clamp(min=1)
        return loss + self.options.l2 * layers.energy / len(self.histories.items)

    def metric(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        return None if self.validation is None else self.validation.ndcg(*self.network())

    def _draw_masks(self) -> tuple[Masks, Tensor | None]:
        """Return what the step hides of the graph, and which items it does not treat as new, or None."""
        n_users, n_items = self.network.sizes[:2]
        options, nodes = self.options, None
        if options.id_dropout:
            kept = torch.rand(n_users + n_items, generator=self._generator, device=self.device) >= options.id_dropout
            nodes = kept.float()
        if not options.cold_dropout or not self._is_cold_step():
            return Masks(None if nodes is None else nodes.unsqueeze(1)), None
        warm = torch.rand(n_items, generator=self._generator, device=self.device) >= options.cold_dropout
        nodes = torch.ones(n_users + n_items, device=self.device) if nodes is None else nodes
        nodes[n_users:] *= warm
        entries = torch.ones_like(self.network.adjacency.values)
        entries[self._entries] = warm[self.histories.items].float()
        return Masks(nodes.unsqueeze(1), entries), warm

    def _is_cold_step(self) -> bool:
        """Spread the cold steps evenly; told by the number of steps, so that nothing is asked of the device."""
        share = self.options.cold_steps
        return math.floor((self.steps_done + 1) * share) > math.floor(self.steps_done * share)

    def _candidates(self) -> tuple[Tensor, float]:
        """Return the items to compare with and what their number adds to the log-sum: ``log(all / drawn)``."""
        n = len(self._liked)
        if n <= MAX_CANDIDATES:
            return self._liked, 0.0
        drawn = torch.randperm(n, generator=self._generator, device=self.device)[:MAX_CANDIDATES]
        return self._liked[drawn], math.log(n / MAX_CANDIDATES)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else nullcontext()
