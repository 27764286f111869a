"""The network: id embeddings and projected texts, propagated and averaged over layers, and where they start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import NodeStorage

from kgrec.models.factors import factorise
from kgrec.models.gnn.graph import Graph
from kgrec.models.gnn.layers import Adjacency, Authored, ConvStack, Layers, LinearConv, Start
from kgrec.types import Vectors

SIZE = 10.0
"""Mean squared norm of the vectors at the start: so large that a softmax of their products says something."""

REGULARIZATION, ALPHA, ITERATIONS = 80.0, 40.0, 10
"""Of the factorisation: a strong ridge against strong confidences, as many factors on sparse data want it."""

ENTITY_WEIGHT = 0.5
"""How strongly an entity counts as a pseudo-user, over the first weight of the relations."""


def collective_start(
    graph: Graph, likes: csr_array, dim: int, rng: np.random.Generator, *, graph_weight: float
) -> Vectors:
    """Return a vector for each node, shape ``(n_nodes, dim)``, mean squared norm of each kind of node ``SIZE``.

    Collective factors instead of noise save most of the epochs, and end at a better place. Users and items start at
    the factors of the weighted factorisation of the likes, entities beside them: they are stacked under the users as
    pseudo-users who like the items that have them, idf-weighted (Singh and Gordon, Relational Learning via Collective
    Matrix Factorization, KDD 2008). Nodes without an edge start at zero.

    Args:
        graph: the nodes.
        likes: strength of each like, shape ``(n_users, n_items)``.
        dim: length of a vector.
        rng: of the factorisation's own start.
        graph_weight: how much a relation counts at first, an interaction counting 1.
    """
    features = graph.features().astype(np.float32)
    features.data[:] = 1.0
    frequency = np.maximum(np.diff(features.indptr), 1)
    idf = np.log(graph.n_items / frequency).astype(np.float32)
    entities = diags_array(np.float32(ENTITY_WEIGHT * graph_weight) * idf) @ features
    rows = csr_array(vstack([likes, entities], format="csr"), dtype=np.float32)
    rows.eliminate_zeros()
    left, items = factorise(
        rows, factors=dim, regularization=REGULARIZATION, alpha=ALPHA, iterations=ITERATIONS, rng=rng
    )
    return np.concatenate([_scaled(left[: graph.n_users]), _scaled(items), _scaled(left[graph.n_users :])])


def _scaled(vectors: Vectors) -> Vectors:
    """Bring the mean squared norm of the rows that are not zero to ``SIZE``."""
    squares = np.sum(vectors.astype(np.float64) ** 2, axis=1)
    known = squares > 0
    return vectors * np.float32(np.sqrt(SIZE / squares[known].mean())) if known.any() else vectors


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


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How a network is made; :class:`kgrec.models.gnn.scorer.GNNOptions` says what each option means.

    Attributes:
        seed: of everything drawn.
        device: where to.
    """

    embedding_size: int
    n_layers: int
    conv: str | Authored
    graph_weight: float
    use_text: bool
    seed: int
    device: str


class Network(nn.Module):
    """Vectors of users, items and entities: the mean over the layers that ``E * has_id + T W`` is propagated by.

    ``E`` are id embeddings, ``T`` text vectors. Linear, it is ``mean_l A^l (E * has_id + T W)``, with the adjacency
    ``A`` and a learned scalar for each relation and direction; the mean over layers is LightGCN's (He et al., SIGIR
    2020). Users and items without an interaction have no id embedding: nothing could teach it, so text and graph alone
    carry them.

    Args:
        data: of :func:`kgrec.models.gnn.graph.training_graph`, with centred text vectors.
        graph: the same in one numbering.
        start: first value of ``E + T W``, shape ``(n_nodes, d)``.
        options: how it is made.
    """

    def __init__(self, data: HeteroData, graph: Graph, start: Vectors, options: NetworkOptions) -> None:
        super().__init__()
        device = options.device
        self.n_layers = options.n_layers
        self.sizes = [graph.n_users, graph.n_items, graph.n_entities]
        self.adjacency = Adjacency(graph, device)
        degree = np.bincount(graph.indices[graph.groups == 0], minlength=graph.n_nodes)
        degree = degree[: graph.n_users + graph.n_items]
        self.has_id = torch.from_numpy((degree > 0).astype(np.float32)[:, None]).to(device)
        users, items, entities = np.split(start, np.cumsum(self.sizes)[:2])
        self.user_text, self.user_projection, users = _texts(data["user"], users, degree[: graph.n_users], device)
        self.item_text, self.item_projection, items = _texts(data["item"], items, degree[graph.n_users :], device)
        ids = torch.from_numpy(np.concatenate([users, items, entities])).to(device)
        ids[: len(degree)] *= self.has_id
        self.ids = nn.Parameter(ids)
        n_layers = options.n_layers
        self.conv: LinearConv | ConvStack
        if options.conv == "linear":
            weight = options.graph_weight
            self.conv = LinearConv(self.adjacency, graph.n_groups, n_layers=n_layers, graph_weight=weight)
        else:
            size, seed = options.embedding_size, options.seed
            self.conv = ConvStack(options.conv, graph, size, n_layers=n_layers, seed=seed, device=device)

    @property
    def linear(self) -> LinearConv | None:
        """The linear convolution, or None where there is another."""
        return self.conv if isinstance(self.conv, LinearConv) else None

    def forward(self, masks: Masks = NOTHING_HIDDEN, generator: torch.Generator | None = None) -> Layers:
        """Return the mean over the layers, what is yet to be passed on, and what went into the first layer.

        For users and items only: of the entities, often many times as many, nothing else is asked. What is passed on is
        the sum of all layers but the last, over the number of layers: a user's vector is the user's share of the first
        layer plus the history's weighted sum of it. ``generator``: what an author's modules draw from in a step.
        """
        drawn = () if generator is None or isinstance(self.conv, LinearConv) else (generator,)
        layers: Layers = self.conv(self.start(masks.nodes), masks.entries, *drawn)
        return layers

    def start(self, nodes: Tensor | None = None) -> Start:
        """Return what goes into the first layer; ``nodes`` as in :class:`Masks`."""
        kept = self.has_id if nodes is None else self.has_id * nodes
        return Start(self.ids, kept, self._words())

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
    store: NodeStorage, start: Vectors, degree: NDArray[np.int64], device: str
) -> tuple[Tensor | None, nn.Parameter | None, Vectors]:
    """Return texts, projection and what is left for the id embeddings.

    The projection starts as the ridge regression from text to ``start``, so that a text alone says something from the
    first step on.
    """
    if "x" not in store:
        return None, None, start
    text = store.x.numpy()
    projection = ridge(text[degree > 0], start[degree > 0])
    parameter = nn.Parameter(torch.from_numpy(projection).to(device))
    return store.x.to(device), parameter, start - text @ projection


def ridge(x: Vectors, y: Vectors, penalty: float = 3.0) -> Vectors:
    """Return ``W`` of shape ``(p, q)`` with least ``|x W - y|^2 + penalty |W|^2``."""
    gram = x.T.astype(np.float64) @ x + penalty * np.eye(x.shape[1])
    solved: Vectors = np.linalg.solve(gram, x.T.astype(np.float64) @ y).astype(np.float32)
    return solved
