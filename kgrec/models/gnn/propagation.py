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
        n_wanted: users and items; what entities get in the last layer is asked by nobody.
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
        columns = self.indices[self.learned].long()
        pointers = _pointers(rows[self.learned], n_nodes)
        self._pattern = csr_matrix(pointers, columns, torch.zeros_like(self._learned_values), (n_nodes, n_nodes))
        self.n_wanted = wanted = graph.n_users + graph.n_items
        first = int(pointers[wanted])
        zeros = torch.zeros_like(self._learned_values[:first])
        self._wanted_pattern = csr_matrix(pointers[: wanted + 1], columns[:first], zeros, (wanted, n_nodes))
        self._wanted_indices = self.indices[: int(graph.indptr[wanted])]
        self._from_wanted = torch.from_numpy((graph.indices < wanted).nonzero()[0]).to(device)
        self._from_indices = self.indices[self._from_wanted]
        self._from_indptr = _pointers(rows[self._from_wanted], n_nodes).to(narrow)

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
        # index_select of narrow numbers is ten times as fast as indexing with brackets.
        of_groups = [scales.detach().index_select(0, groups) for groups in (self.groups, self.mirrored_groups)]
        forward, backward = (factors.mul_(values) for factors in of_groups)
        return Weights(scales, forward, backward)

    def product(self, weights: Tensor, x: Tensor) -> Tensor:
        """Multiply the matrix of these entries by ``x`` of shape ``(n_nodes, d)``."""
        return _sums(self.indices, self.indptr, weights, x)

    def wanted_product(self, weights: Tensor, x: Tensor) -> Tensor:
        """Return the rows of users and items of :meth:`product`, shape ``(n_wanted, d)``."""
        indices = self._wanted_indices
        return _sums(indices, self.indptr[: self.n_wanted + 1], weights[: len(indices)], x)

    def product_of_wanted(self, weights: Tensor, x: Tensor) -> Tensor:
        """Return :meth:`product` of an ``x`` that has users and items only, shape ``(n_wanted, d)``."""
        return _sums(self._from_indices, self._from_indptr, weights.index_select(0, self._from_wanted), x)

    def scale_gradient(self, n_groups: int) -> ScaleGradient:
        """Return a sum to which the layers add their share of the gradient of the groups' scalars."""
        return ScaleGradient(self._pattern, self._wanted_pattern, self._learned_values, self._learned_groups, n_groups)


def _sums(indices: Tensor, indptr: Tensor, weights: Tensor, x: Tensor) -> Tensor:
    return F.embedding_bag(indices, x, indptr, mode="sum", per_sample_weights=weights, include_last_offset=True)


def _pointers(rows: Tensor, n_rows: int) -> Tensor:
    """Return where each row begins, of entries sorted by row."""
    pointers = torch.zeros(n_rows + 1, dtype=torch.int64, device=rows.device)
    torch.cumsum(torch.bincount(rows, minlength=n_rows), 0, out=pointers[1:])
    return pointers


class ScaleGradient:
    """The gradient of the groups' scalars, ``sum_layers sum_entries value * <gradient, x>`` for each group.

    Args:
        pattern: of the entries that count, shape ``(n_nodes, n_nodes)``.
        wanted: its first rows, those of users and items.
        values, groups: of the entries, shape ``(l,)``.
        n_groups: how many.
    """

    def __init__(self, pattern: Tensor, wanted: Tensor, values: Tensor, groups: Tensor, n_groups: int) -> None:
        self._pattern, self._wanted, self._values, self._groups = pattern, wanted, values, groups
        self._n_groups, self._sampled = n_groups, torch.zeros_like(values)

    def add(self, gradient: Tensor, x: Tensor) -> None:
        """Add a layer: ``gradient`` of what it gave, of all nodes or of users and items, and ``x`` that went in."""
        pattern = self._pattern if len(gradient) == self._pattern.shape[0] else self._wanted
        sampled = torch.sparse.sampled_addmm(pattern, gradient.contiguous(), x.t(), beta=0.0).values()
        self._sampled[: len(sampled)] += sampled

    def total(self) -> Tensor:
        """Return the gradient, shape ``(n_groups,)``."""
        found = torch.zeros(self._n_groups, dtype=self._sampled.dtype, device=self._sampled.device)
        return found.index_add_(0, self._groups, self._sampled * self._values)


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
            sums = ctx.adjacency.scale_gradient(len(ctx.weights.scales))
            sums.add(gradient, x)
            of_scales = sums.total()
        return of_x, of_scales, None, None


def propagate(x: Tensor, weights: Weights, adjacency: Adjacency) -> Tensor:
    """Propagate ``x`` of shape ``(n_nodes, d)`` by one layer -> same shape, in one product.

    ``x'_a = sum_b scale(a, b) * value(a, b) * x_b``: LightGCN's layer (He et al., SIGIR 2020) with relations.
    :class:`kgrec.models.gnn.convolution.Propagation` is the same as a torch_geometric convolution.
    """
    out: Tensor = _Product.apply(x, weights.scales, weights, adjacency)  # type: ignore[no-untyped-call]
    return out
