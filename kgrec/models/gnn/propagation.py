"""Linear, relation-aware propagation as one fused sparse product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kgrec.models.gnn.csr import csr_matrix
from kgrec.models.gnn.graph import Graph


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the entries in one step, shared by all layers of a propagation, shape ``(e,)`` each.

    Attributes:
        scales: learned scalar of each group, shape ``(n_groups,)``; the gradient goes there.
        forward: weight of each entry, without gradient.
        backward: weight of each entry's mirror: the transposed matrix, in the same pattern.
    """

    scales: Tensor
    forward: Tensor
    backward: Tensor


class Adjacency:
    """A :class:`Graph` as tensors on a device, int32 where it fits: half the traffic.

    Attributes:
        indptr, indices: CSR pattern, shapes ``(n_nodes + 1,)`` and ``(e,)``.
        values, groups: as in :class:`Graph`, shape ``(e,)``; ``mirrored_groups``: the group of each entry's mirror.
        learned: entries whose group has a learned scalar (all but the interactions), shape ``(l,)``.
        edge_index: sources and targets of the entries, sorted by target, shape ``(2, e)``.
    """

    def __init__(self, graph: Graph, device: str = "cpu") -> None:
        narrow = torch.int32 if max(len(graph.indices), graph.n_nodes) < 2**31 else torch.int64
        n_nodes = graph.n_nodes
        self.indptr = torch.from_numpy(graph.indptr).to(device, narrow)
        self.indices = torch.from_numpy(graph.indices).to(device, narrow)
        self.values = torch.from_numpy(graph.values).to(device)
        self.groups = torch.from_numpy(graph.groups).to(device, narrow)
        self.mirrored_groups = self.groups[torch.from_numpy(graph.mirror).to(device)]
        rows = torch.repeat_interleave(torch.arange(n_nodes, device=device, dtype=narrow), self.indptr.diff())
        self.edge_index = torch.stack([self.indices, rows])
        self.learned = torch.from_numpy((graph.groups > 0).nonzero()[0]).to(device)
        self._learned_values = self.values[self.learned]
        self._learned_groups = self.groups[self.learned].long()
        pointers = torch.zeros(n_nodes + 1, dtype=torch.int64, device=device)
        torch.cumsum(torch.bincount(rows[self.learned], minlength=n_nodes), 0, out=pointers[1:])
        zeros, columns = torch.zeros_like(self._learned_values), self.indices[self.learned].long()
        self._pattern = csr_matrix(pointers, columns, zeros, (n_nodes, n_nodes))

    def weights(self, scales: Tensor, mask: Tensor | None = None) -> Weights:
        """Return the weights of the entries for ``scales``.

        Args:
            scales: scalar of each group, shape ``(n_groups,)``; that of group 0, the interactions, is
                1 and has no gradient.
            mask: factor of each entry, the same for an entry and its mirror, shape ``(e,)``; it may differ from 1 at
                interactions only.
        """
        values = self.values if mask is None else self.values * mask
        if len(scales) == 1:
            return Weights(scales, values, values)
        factors = scales.detach()
        return Weights(scales, values * factors[self.groups], values * factors[self.mirrored_groups])

    def product(self, weights: Tensor, x: Tensor) -> Tensor:
        """Multiply the matrix of these entries by ``x`` of shape ``(n_nodes, d)``."""
        return F.embedding_bag(
            self.indices, x, self.indptr, mode="sum", per_sample_weights=weights, include_last_offset=True
        )

    def scale_gradient(self, gradient: Tensor, x: Tensor, n_groups: int) -> Tensor:
        """Return the gradient of the groups' scalars, shape ``(n_groups,)``: for each the sum of ``value * <g, x>``."""
        sampled = torch.sparse.sampled_addmm(self._pattern, gradient.contiguous(), x.t(), beta=0.0).values()
        total = torch.zeros(n_groups, dtype=gradient.dtype, device=gradient.device)
        return total.index_add_(0, self._learned_groups, sampled * self._learned_values)


class _Product(torch.autograd.Function):
    """``A x`` where the pattern of A is symmetric: the backward product runs over the same rows.

    ``embedding_bag``'s own gradient scatters and is 20 times slower; hence the detached inputs.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scales: Tensor, weights: Weights, adjacency: Adjacency) -> Tensor:  # noqa: ARG004
        ctx.adjacency, ctx.weights = adjacency, weights
        ctx.save_for_backward(x)
        return adjacency.product(weights.forward, x.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (x,) = ctx.saved_tensors
        gradient = gradients[0]
        of_x = ctx.adjacency.product(ctx.weights.backward, gradient.contiguous()) if ctx.needs_input_grad[0] else None
        of_scales = None
        if ctx.needs_input_grad[1]:
            of_scales = ctx.adjacency.scale_gradient(gradient, x, len(ctx.weights.scales))
        return of_x, of_scales, None, None


def propagate(x: Tensor, weights: Weights, adjacency: Adjacency) -> Tensor:
    """Propagate ``x`` of shape ``(n_nodes, d)`` by one layer -> same shape, in one product.

    ``x'_a = sum_b scale(a, b) * value(a, b) * x_b``: LightGCN's layer (He et al., SIGIR 2020) with relations.
    :class:`kgrec.models.gnn.convolution.Propagation` is the same as a torch_geometric convolution.
    """
    out: Tensor = _Product.apply(x, weights.scales, weights, adjacency)  # type: ignore[no-untyped-call]
    return out
