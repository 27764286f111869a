"""The network: id embeddings and projected texts, propagated linearly, averaged over layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kgrec.models.gnn.graph import Floats, Graph
from kgrec.models.gnn.layers import Layers, passed_by_all, propagate_layers
from kgrec.models.gnn.propagation import Adjacency


@dataclass(frozen=True, slots=True)
class Masks:
    """What is hidden in a training step; None hides nothing.

    Attributes:
        nodes: factor of the id embedding of each user and item, shape ``(n_users + n_items, 1)``.
        entries: factor of each entry of the graph, shape ``(e,)``, see :meth:`Adjacency.weights`.
    """

    nodes: Tensor | None = None
    entries: Tensor | None = None


NOTHING_HIDDEN = Masks()


class Network(nn.Module):
    """Vectors of users, items and entities: ``mean_l A^l (E * has_id + T W)``.

    ``E`` are id embeddings, ``T`` text vectors, ``A`` the adjacency with a learned scalar for each relation and
    direction. The mean over layers is LightGCN's (He et al., SIGIR 2020). Users and items without an interaction have
    no id embedding: nothing could teach it, so text and graph alone carry them.

    Args:
        graph: what is propagated over.
        start: first value of ``E + T W``, shape ``(n_nodes, d)``.
        user_text: centred text vectors, shape ``(n_users, t)``, or None.
        item_text: centred text vectors, shape ``(n_items, t)``, or None.
        n_layers: rounds of propagation.
        graph_weight: first value of the relations' scalars; an interaction counts 1.
        device: where to.
    """

    def __init__(
        self,
        graph: Graph,
        start: Floats,
        *,
        user_text: Floats | None,
        item_text: Floats | None,
        n_layers: int,
        graph_weight: float,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.sizes = [graph.n_users, graph.n_items, graph.n_entities]
        self.adjacency = Adjacency(graph, device)
        degree = np.bincount(graph.indices[graph.groups == 0], minlength=graph.n_nodes)
        degree = degree[: graph.n_users + graph.n_items]
        self.has_id = torch.from_numpy((degree > 0).astype(np.float32)[:, None]).to(device)
        users, items, entities = np.split(start, np.cumsum(self.sizes)[:2])
        self.user_text, self.user_projection, users = _texts(user_text, users, degree[: graph.n_users], device)
        self.item_text, self.item_projection, items = _texts(item_text, items, degree[graph.n_users :], device)
        ids = torch.from_numpy(np.concatenate([users, items, entities])).to(device)
        ids[: len(degree)] *= self.has_id
        self.ids = nn.Parameter(ids)
        scales = torch.full((graph.n_groups,), graph_weight, device=device)
        scales[0] = 1.0
        self.scales = nn.Parameter(scales, requires_grad=graph.n_groups > 1)

    def forward(self, masks: Masks = NOTHING_HIDDEN) -> tuple[Tensor, Tensor]:
        """Return vectors of users ``(n_users, d)`` and of items ``(n_items, d)``."""
        users, items = torch.split(self.propagate(masks).mean, self.sizes[:2])
        return users, items

    def propagate(self, masks: Masks = NOTHING_HIDDEN) -> Layers:
        """Return the mean over the layers, what is yet to be passed on, and what went into the first layer.

        For users and items only: of the entities, often many times as many, nothing else is asked. What is passed on is
        the sum of all layers but the last, over the number of layers: a user's vector is the user's share of the first
        layer plus the history's weighted sum of it.
        """
        weights = self.adjacency.weights(self.scales, masks.entries)
        kept = self.has_id if masks.nodes is None else self.has_id * masks.nodes
        return propagate_layers(self.ids, kept, self._words(), weights, self.adjacency, self.n_layers)

    def passed_by_all(self) -> Tensor:
        """Return what :class:`Layers` says is passed on, of entities too, shape ``(n_nodes, d)``; no gradient."""
        weights = self.adjacency.weights(self.scales)
        return passed_by_all(self.ids, self.has_id, self._words(), weights, self.adjacency, self.n_layers)

    def _words(self) -> Tensor | None:
        """Return what texts add to the vectors of users and items, shape ``(n_users + n_items, d)``; None: nothing."""
        if self.user_projection is None and self.item_projection is None:
            return None
        texts, projections = (self.user_text, self.item_text), (self.user_projection, self.item_projection)
        parts = []
        for text, projection, size in zip(texts, projections, self.sizes[:2], strict=True):
            if text is None or projection is None:
                parts.append(self.ids.new_zeros(size, self.ids.shape[1]))
            else:
                parts.append(text @ projection)
        return torch.cat(parts)


def _texts(
    text: Floats | None, start: Floats, degree: np.ndarray[tuple[int], np.dtype[np.int64]], device: str
) -> tuple[Tensor | None, nn.Parameter | None, Floats]:
    """Return texts, projection and what is left for the id embeddings.

    The projection starts as the ridge regression from text to ``start``, so that a text alone says something from the
    first step on.
    """
    if text is None:
        return None, None, start
    projection = ridge(text[degree > 0], start[degree > 0])
    parameter = nn.Parameter(torch.from_numpy(projection).to(device))
    return torch.from_numpy(text).to(device), parameter, start - text @ projection


def ridge(x: Floats, y: Floats, penalty: float = 3.0) -> Floats:
    """Return ``W`` of shape ``(p, q)`` with least ``|x W - y|^2 + penalty |W|^2``."""
    gram = x.T.astype(np.float64) @ x + penalty * np.eye(x.shape[1])
    solved: Floats = np.linalg.solve(gram, x.T.astype(np.float64) @ y).astype(np.float32)
    return solved
