"""The GNN's layer as a torch_geometric convolution; training takes the product itself and does without that import."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing

from kgrec.models.gnn.propagation import Adjacency, Weights, propagate


class Propagation(MessagePassing):  # type: ignore[misc]  # torch_geometric is untyped
    """One layer of :func:`kgrec.models.gnn.propagation.propagate` as a convolution, to be combined with others.

    Args:
        adjacency: what is propagated over.
        fused: whether the fused product is taken; the plain path builds a message for each edge and is for comparison.
    """

    SUPPORTS_FUSED_EDGE_INDEX = True

    def __init__(self, adjacency: Adjacency, *, fused: bool = True) -> None:
        super().__init__(aggr="sum")
        self.adjacency = adjacency
        n_nodes = len(adjacency.indptr) - 1
        self.edges = EdgeIndex(adjacency.edge_index, sparse_size=(n_nodes, n_nodes), sort_order="col")
        self.fuse = fused

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        """Propagate ``x`` of shape ``(n_nodes, d)`` -> same shape."""
        edges = self.edges if self.fuse else self.adjacency.edge_index.long()
        out: Tensor = self.propagate(edges, size=None, x=x, weights=weights)
        return out

    def message(self, x_j: Tensor, weights: Weights) -> Tensor:
        """Weigh the source's vector; the scalars' gradient flows through the ratio of learned to applied scale."""
        scales = weights.scales
        groups = self.adjacency.groups
        ratio = torch.where(groups > 0, (scales / scales.detach())[groups], 1.0)
        return x_j * (weights.forward * ratio).unsqueeze(-1)

    def message_and_aggregate(self, edge_index: EdgeIndex, x: Tensor, weights: Weights) -> Tensor:  # noqa: ARG002
        """Do both in one product."""
        return propagate(x, weights, self.adjacency)
