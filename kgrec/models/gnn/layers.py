"""Layers: linear propagation as one fused product, and other convolutions of torch_geometric in its place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch_geometric import nn as pyg
from torch_geometric.nn import MessagePassing

from kgrec.graph.tables import KINDS
from kgrec.models.gnn.graph import Graph

EdgeType = tuple[str, str, str]
"""Kind of the source, relation and direction, kind of the target."""

Metadata = tuple[list[str], list[EdgeType]]
"""Kinds of nodes and types of edges, as torch_geometric's modules take them."""

HEADS = 4
"""Heads of attention, where the length of a vector can be divided by it."""

BASES = 4
"""Matrices of which those of all relations are mixed, at most (RGCN)."""


def csr_matrix(pointers: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the matrix whose row ``r`` has the entries ``pointers[r]`` to ``pointers[r + 1]``; nothing is checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(pointers, columns, values, shape, check_invariants=False)


@dataclass(frozen=True, slots=True)
class Layers:
    """What a propagation gives; ``w`` users and items are wanted.

    Attributes:
        mean: mean over the layers, shape ``(w, d)``.
        passed: the part of it that is yet to be passed on: all layers but the last, over the number of layers,
            shape ``(w, d)``.
        first: what went into the first layer, shape ``(w, d)``.
        energy: summed squares of what went into the first layer, of all nodes.
    """

    mean: Tensor
    passed: Tensor
    first: Tensor
    energy: Tensor


@dataclass(frozen=True, slots=True)
class Start:
    """What goes into the first layer.

    Attributes:
        ids: id embeddings, shape ``(n_nodes, d)``.
        kept: factor of the id embedding of each user and item, shape ``(w, 1)``, without gradient; of entities it is 1.
        texts: what the text of each user and item adds, shape ``(w, d)``, or None.
    """

    ids: Tensor
    kept: Tensor
    texts: Tensor | None = None

    def joined(self) -> Tensor:
        """Return the sum, shape ``(n_nodes, d)``."""
        wanted = self.ids[: len(self.kept)] * self.kept
        return torch.cat([wanted if self.texts is None else wanted + self.texts, self.ids[len(self.kept) :]])


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


class LinearConv(MessagePassing):  # type: ignore[misc]  # torch_geometric is untyped
    """LightGCN's layer with relations (He et al., SIGIR 2020), ``x'_a = sum_b scale(a, b) * value(a, b) * x_b``.

    All rounds are one call, as in torch_geometric's APPNP and SGConv.

    Args:
        adjacency: what is propagated over.
        n_groups: kinds of entries.
        n_layers: rounds.
        graph_weight: first value of the relations' scalars; an interaction counts 1.
        fused: whether all rounds are one fused step; the plain path makes a message for each edge and is what the
            fused one is compared with.

    Attributes:
        scales: learned scalar of each group, shape ``(n_groups,)``.
    """

    def __init__(
        self, adjacency: Adjacency, n_groups: int, *, n_layers: int, graph_weight: float, fused: bool = True
    ) -> None:
        super().__init__(aggr="sum")
        self.adjacency, self.n_layers, self.fused = adjacency, n_layers, fused
        scales = torch.full((n_groups,), graph_weight, device=adjacency.values.device)
        scales[0] = 1.0
        self.scales = nn.Parameter(scales, requires_grad=n_groups > 1)

    def forward(self, start: Start, mask: Tensor | None = None) -> Layers:
        """Propagate.

        Args:
            start: what goes into the first layer.
            mask: see :meth:`Adjacency.weights`.
        """
        weights = self.adjacency.weights(self.scales, mask)
        if self.fused:
            texts = start.ids.new_zeros(()) if start.texts is None else start.texts
            given = (start.ids, weights.scales, texts, start.kept, weights, self.adjacency, self.n_layers)
            return Layers(*_Fused.apply(*given))  # type: ignore[no-untyped-call]
        x = start.joined()
        edges, layers = self.adjacency.edge_index.long(), [x]
        for _ in range(self.n_layers):
            layers.append(self.propagate(edges, size=None, x=layers[-1], weights=weights))
        return gathered(layers, self.adjacency.n_wanted)

    def message(self, x_j: Tensor, weights: Weights) -> Tensor:
        """Weigh the source's vector; the scalars' gradient flows through the ratio of learned to applied scale."""
        ratio = torch.where(self.adjacency.groups > 0, (self.scales / self.scales.detach())[self.adjacency.groups], 1.0)
        return x_j * (weights.forward * ratio).unsqueeze(-1)

    @torch.no_grad()
    def passed_by_all(self, start: Start) -> Tensor:
        """Return what :attr:`Layers.passed` holds, of entities too, shape ``(n_nodes, d)``."""
        weights = self.adjacency.weights(self.scales)
        x = start.joined()
        passed = x / (self.n_layers + 1)
        for _ in range(self.n_layers - 1):
            x = self.adjacency.product(weights.forward, x)
            passed += x / (self.n_layers + 1)
        return passed


def gathered(layers: list[Tensor], n_wanted: int) -> Layers:
    """Return the layers, from the first on, as :class:`Layers`."""
    tops = torch.stack([layer[:n_wanted] for layer in layers]) / len(layers)
    return Layers(tops.sum(0), tops[:-1].sum(0), layers[0][:n_wanted], layers[0].square().sum())


class _Fused(torch.autograd.Function):
    """All rounds as one step of autograd, so that nothing is written down that is not asked for.

    A chain of single layers writes arrays of all nodes for every slice, sum and scaling between them. Here a backward
    pass holds one gradient, adds to it in place, and the last layer is only made where it is wanted: at users and
    items, not at the entities, often many times as many. The pattern is symmetric, so the backward product runs over
    the same rows; ``embedding_bag``'s own gradient scatters and is 20 times slower.
    """

    @staticmethod
    def forward(
        ctx: Any,
        ids: Tensor,
        scales: Tensor,  # noqa: ARG004  the gradient goes there
        texts: Tensor,
        kept: Tensor,
        weights: Weights,
        adjacency: Adjacency,
        n_layers: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wanted, n = adjacency.n_wanted, n_layers + 1
        x = ids.detach().clone()
        x[:wanted].mul_(kept).add_(texts)
        layers = [x]
        total = first = x[:wanted].clone()
        for _ in range(n_layers - 1):
            layers.append(adjacency.product(weights.forward, layers[-1]))
            total = total + layers[-1][:wanted]
        last = adjacency.wanted_product(weights.forward, layers[-1])
        ctx.save_for_backward(kept, *layers)
        ctx.weights, ctx.adjacency, ctx.with_texts = weights, adjacency, texts.dim() > 0
        flat = x.view(-1)
        return last.add_(total).div_(n), total / n, first, torch.dot(flat, flat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_mean, of_passed, of_first, of_energy = gradients
        kept, *layers = ctx.saved_tensors
        weights, adjacency, n = ctx.weights, ctx.adjacency, len(layers) + 1
        wanted = adjacency.n_wanted
        of_layer = (of_mean + of_passed).div_(n)
        of_scales = adjacency.scale_gradient(len(weights.scales)) if ctx.needs_input_grad[1] else None
        gradient = of_mean / n  # of the last layer, which is made of users and items only
        for x in reversed(layers):
            if of_scales is not None:
                of_scales.add(gradient, x)
            product = adjacency.product if len(gradient) == len(x) else adjacency.product_of_wanted
            gradient = product(weights.backward, gradient)
            gradient[:wanted] += of_layer
        gradient[:wanted] += of_first
        gradient.addcmul_(layers[0], 2 * of_energy)
        of_texts = gradient[:wanted].clone() if ctx.with_texts else None
        gradient[:wanted] *= kept
        return gradient, None if of_scales is None else of_scales.total(), of_texts, None, None, None, None


@dataclass(frozen=True, slots=True)
class Authored:
    """What the author of a network gives; see :class:`kgrec.models.gnn.scorer.GraphScorer`."""

    convolution: Callable[[int, Metadata], nn.Module]
    sample: Callable[[Mapping[EdgeType, Tensor], torch.Generator], Mapping[EdgeType, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]


class ConvStack(nn.Module):
    """Convolutions of torch_geometric in place of the linear one.

    There is nothing between them, as in LightGCN: an activation function made lists no better.

    Args:
        conv: ``sage`` (Hamilton et al., NeurIPS 2017), ``gat`` (Velickovic et al., ICLR 2018), ``rgcn`` (Schlichtkrull
            et al., ESWC 2018) or ``hgt`` (Hu et al., WWW 2020); or what an author gives.
        graph: what is propagated over.
        size: length of a vector.
        n_layers: convolutions.
        seed: of their first weights.
        device: where to.
    """

    def __init__(
        self, conv: str | Authored, graph: Graph, size: int, *, n_layers: int, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__()
        self._sizes = [graph.n_users, graph.n_items, graph.n_entities]
        rows = graph.rows
        self._edge_index = torch.from_numpy(np.stack([graph.indices, rows])).to(device)
        # The two directions of a like are two types.
        to_item = (graph.groups == 0) & (rows >= graph.n_users)
        self._edge_type = torch.from_numpy(graph.groups + graph.n_groups * to_item).to(device)
        self.own = conv if isinstance(conv, Authored) else None
        self._hetero = _HeteroEdges(graph, device) if conv == "hgt" or self.own is not None else None
        self._typed = conv == "rgcn"
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.convs = nn.ModuleList(self._made(conv, size, graph.n_groups + 1) for _ in range(n_layers)).to(device)

    def _made(self, conv: str | Authored, size: int, n_types: int) -> nn.Module:
        heads = HEADS if size % HEADS == 0 else 1
        made: nn.Module
        if isinstance(conv, Authored):
            assert self._hetero is not None
            return conv.convolution(size, self._hetero.metadata)
        match conv:
            case "sage":
                made = pyg.SAGEConv(size, size, bias=False)
            case "gat":
                made = pyg.GATConv(size, size // heads, heads, bias=False)
            case "rgcn":
                made = pyg.RGCNConv(size, size, n_types, num_bases=min(n_types, BASES), bias=False)
            case "hgt":
                assert self._hetero is not None
                made = pyg.HGTConv(size, size, self._hetero.metadata, heads)
            case _:
                raise ValueError(f"unknown convolution {conv!r}")
        return made

    def forward(self, start: Start, mask: Tensor | None = None, generator: torch.Generator | None = None) -> Layers:
        """Convolve; entries whose ``mask`` is 0 carry nothing. Arguments as those of :class:`LinearConv`.

        An author's modules draw from ``generator`` of a step (dropout, samples of edges), without one from nothing.
        """
        layers = [start.joined()]
        if self.own is not None:
            assert self._hetero is not None
            edges = self._hetero.edges(mask)
            if generator is None:
                return gathered(self._hetero.through(self.convs, layers, edges), sum(self._sizes[:2]))
            device = layers[0].device
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                seed = int(torch.randint(2**62, (), generator=generator, device=device))
                on_device = torch.cuda.default_generators if device.type == "cuda" else ()
                for drawn_from in (torch.default_generator, *on_device):
                    drawn_from.manual_seed(seed)
                sampled = self.own.sample(edges, generator)
                return gathered(self._hetero.through(self.convs, layers, sampled), sum(self._sizes[:2]))
        if self._hetero is not None:
            return gathered(self._hetero.through(self.convs, layers, self._hetero.edges(mask)), sum(self._sizes[:2]))
        kept = slice(None) if mask is None else mask > 0
        pairs, types = self._edge_index[:, kept], self._edge_type[kept]
        for conv in self.convs:
            x = layers[-1]
            layers.append(conv(x, pairs, types) if self._typed else conv(x, pairs))
        return gathered(layers, sum(self._sizes[:2]))


class _HeteroEdges:
    """The entries by the kinds of their ends and their relation, as HGT wants them."""

    def __init__(self, graph: Graph, device: str) -> None:
        self._sizes = [graph.n_users, graph.n_items, graph.n_entities]
        first = np.concatenate([[0], np.cumsum(self._sizes)])
        kinds, rows = np.repeat(np.arange(3), self._sizes), graph.rows
        types = (graph.groups * 3 + kinds[graph.indices]) * 3 + kinds[rows]
        self._entries: dict[EdgeType, tuple[Tensor, Tensor]] = {}
        for code in np.unique(types).tolist():
            group, source, target = code // 9, code // 3 % 3, code % 3
            entries = np.flatnonzero(types == code)
            edges = np.stack([graph.indices[entries] - first[source], rows[entries] - first[target]])
            key = (KINDS[source], f"group{group}", KINDS[target])
            self._entries[key] = (torch.from_numpy(entries).to(device), torch.from_numpy(edges).to(device))

    @property
    def metadata(self) -> Metadata:
        """Kinds of nodes and types of edges that there are."""
        return [kind for kind, size in zip(KINDS, self._sizes, strict=True) if size], list(self._entries)

    def edges(self, mask: Tensor | None) -> dict[EdgeType, Tensor]:
        """Return the edges by type, without those whose ``mask`` is 0."""
        return {
            key: edge_index if mask is None else edge_index[:, mask[entries] > 0]
            for key, (entries, edge_index) in self._entries.items()
        }

    def through(
        self, convs: Iterable[nn.Module], layers: list[Tensor], edges: Mapping[EdgeType, Tensor]
    ) -> list[Tensor]:
        """Return the layers with what each module makes of the last, shape ``(n_nodes, d)``; 0 where no edge ends."""
        for conv in convs:
            parts = dict(zip(KINDS, torch.split(layers[-1], self._sizes), strict=True))
            found = conv({kind: parts[kind] for kind in self.metadata[0]}, dict(edges)) if edges else {}
            rows = [(found.get(kind), part) for kind, part in parts.items()]
            layers = [*layers, torch.cat([torch.zeros_like(part) if new is None else new for new, part in rows])]
        return layers
