"""All layers of the network as one step of autograd, so that nothing is written down that is not asked for.

A chain of single layers writes arrays of all nodes for every slice, sum and scaling between them. Here a backward pass
holds one gradient, adds to it in place, and the last layer is only made where it is wanted: at users and items, not at
the entities, often many times as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kgrec.models.gnn.propagation import Adjacency, Weights


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


def propagate_layers(
    ids: Tensor, kept: Tensor, texts: Tensor | None, weights: Weights, adjacency: Adjacency, n_layers: int
) -> Layers:
    """Propagate ``n_layers`` times; the layers are those of :func:`kgrec.models.gnn.propagation.propagate`.

    Args:
        ids: id embeddings, shape ``(n_nodes, d)``.
        kept: factor of the id embedding of each wanted node, shape ``(w, 1)``, without gradient; of others it is 1.
        texts: what the text of each wanted node adds, shape ``(w, d)``, or None.
        weights: of the entries.
        adjacency: what is propagated over; its ``n_wanted`` is ``w``.
        n_layers: how often.
    """
    texts = ids.new_zeros(()) if texts is None else texts
    return Layers(*_Layers.apply(ids, weights.scales, texts, kept, weights, adjacency, n_layers))  # type: ignore[no-untyped-call]


@torch.no_grad()
def passed_by_all(
    ids: Tensor, kept: Tensor, texts: Tensor | None, weights: Weights, adjacency: Adjacency, n_layers: int
) -> Tensor:
    """Return what :attr:`Layers.passed` holds, of all nodes, shape ``(n_nodes, d)``; arguments as before."""
    x = _first(ids, kept, ids.new_zeros(()) if texts is None else texts)
    passed = x / (n_layers + 1)
    for _ in range(n_layers - 1):
        x = adjacency.product(weights.forward, x)
        passed += x / (n_layers + 1)
    return passed


def _first(ids: Tensor, kept: Tensor, texts: Tensor) -> Tensor:
    x = ids.detach().clone()
    x[: len(kept)].mul_(kept).add_(texts)
    return x


class _Layers(torch.autograd.Function):
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
        x = _first(ids, kept, texts)
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
