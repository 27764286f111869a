"""The fused product equals message passing edge by edge, and the matrix it stands for, with all gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.models.gnn.convolution import Propagation
from kgrec.models.gnn.graph import build_graph
from kgrec.models.gnn.layers import Layers, passed_by_all, propagate_layers
from kgrec.models.gnn.propagation import Adjacency, propagate
from kgrec.types import Triples


def random_graph(seed: int, *, n_users: int = 6, n_items: int = 5, n_entities: int = 4, n_relations: int = 3):
    rng = np.random.default_rng(seed)
    likes = csr_array((rng.random((n_users, n_items)) * (rng.random((n_users, n_items)) < 0.5)).astype(np.float32))
    n_nodes, t = n_items + n_entities, int(rng.integers(0, 30))
    triples = Triples(
        rng.integers(0, n_nodes, t),
        rng.integers(0, n_relations, t),
        rng.integers(0, n_nodes, t),
        rng.uniform(0.1, 1.0, t).astype(np.float32),
        n_items,
        n_nodes,
        tuple(f"r{k}" for k in range(n_relations)),
    )
    return build_graph(likes, triples)


def dense(graph, scales):
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    np.add.at(matrix, (rows, graph.indices), graph.values * scales[graph.groups])
    return matrix


def run(graph, seed, *, fused, n_layers=2, device="cpu"):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(graph.n_nodes, 3, generator=generator).to(device).requires_grad_()
    scales = torch.rand(graph.n_groups, generator=generator) + 0.5
    scales[0] = 1.0  # interactions
    scales = scales.to(device).requires_grad_()
    adjacency = Adjacency(graph, device)
    layer, weights = Propagation(adjacency, fused=fused), adjacency.weights(scales)
    out = x
    for _ in range(n_layers):
        out = layer(out, weights)
    (out * torch.linspace(-1, 1, 3, device=device)).square().sum().backward()
    return x, scales, out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_fused_equals_message_passing_with_gradients(seed):
    graph = random_graph(seed)
    x, scales, out = run(graph, seed, fused=True)
    plain_x, plain_scales, plain_out = run(graph, seed, fused=False)
    torch.testing.assert_close(out, plain_out, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, plain_x.grad, rtol=1e-4, atol=1e-4)
    # The scalar of the interactions (group 0) is fixed: nobody asks for its gradient.
    torch.testing.assert_close(scales.grad[1:], plain_scales.grad[1:], rtol=1e-4, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_layer_is_a_product_with_the_matrix(seed):
    graph = random_graph(seed)
    x, scales, out = run(graph, seed, fused=True, n_layers=1)
    np.testing.assert_allclose(
        out.detach(), dense(graph, scales.detach().numpy()) @ x.detach().numpy(), rtol=1e-4, atol=1e-5
    )


def layer_by_layer(ids, kept, texts, weights, adjacency, n_layers):
    wanted = adjacency.n_wanted
    x = first = torch.cat([ids[:wanted] * kept + (0 if texts is None else texts), ids[wanted:]])
    layers = [x]
    for _ in range(n_layers):
        layers.append(propagate(layers[-1], weights, adjacency))
    tops = torch.stack([layer[:wanted] for layer in layers]) / (n_layers + 1)
    return Layers(tops.sum(0), tops[:-1].sum(0), first[:wanted], first.square().sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_all_layers_at_once_equal_layer_by_layer_with_gradients(seed, n_layers, with_texts):
    graph = random_graph(seed, n_entities=seed % 5)
    adjacency = Adjacency(graph)
    found = []
    for way in (propagate_layers, layer_by_layer):
        generator = torch.Generator().manual_seed(seed)
        wanted = graph.n_users + graph.n_items
        ids = torch.randn(graph.n_nodes, 3, generator=generator).requires_grad_()
        texts = torch.randn(wanted, 3, generator=generator).requires_grad_()
        scales = (torch.rand(graph.n_groups, generator=generator) + 0.5).requires_grad_()
        kept = (torch.rand(wanted, 1, generator=generator) < 0.7).float()
        given = (ids, kept, texts if with_texts else None, adjacency.weights(scales), adjacency, n_layers)
        layers = way(*given)
        torch.testing.assert_close(passed_by_all(*given)[:wanted], layers.passed)
        parts = [layers.mean, layers.passed, layers.first, layers.energy.reshape(1)]
        loss = sum((part * torch.randn(part.shape, generator=generator)).sum() for part in parts)
        loss.backward()
        # The scalar of the interactions (group 0) is fixed: nobody asks for its gradient.
        gradients = [ids.grad, scales.grad[1:] if graph.n_groups > 1 else None, texts.grad]
        found.append([*parts, *(gradient for gradient in gradients if gradient is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_entry_has_its_mirror(seed):
    graph = random_graph(seed)
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.indptr))
    np.testing.assert_array_equal(graph.indices[graph.mirror], rows)
    np.testing.assert_array_equal(rows[graph.mirror], graph.indices)
    np.testing.assert_array_equal(graph.mirror[graph.mirror], np.arange(len(rows)))
    np.testing.assert_array_equal(graph.values[graph.mirror], graph.values)
    either = np.sort(np.stack([graph.groups, graph.groups[graph.mirror]]), axis=0)
    np.testing.assert_array_equal(either[1] - either[0], graph.groups > 0)


def test_a_hidden_interaction_carries_nothing():
    graph = random_graph(3)
    adjacency = Adjacency(graph)
    mask = torch.ones(len(graph.indices))
    entry = int(graph.interactions[0])
    mask[[entry, int(graph.mirror[entry])]] = 0.0
    scales = torch.ones(graph.n_groups)
    matrix = dense(graph, scales.numpy())
    row = int(np.searchsorted(graph.indptr, entry, side="right")) - 1
    matrix[row, graph.indices[entry]] = matrix[graph.indices[entry], row] = 0.0
    x = torch.eye(graph.n_nodes)
    out = Propagation(adjacency)(x, adjacency.weights(scales, mask))
    np.testing.assert_allclose(out, matrix, atol=1e-6)


def test_interactions_are_normalised_symmetrically():
    likes = csr_array(np.array([[1.0, 1.0], [0.0, 1.0]], dtype=np.float32))
    graph = build_graph(likes, None)
    np.testing.assert_allclose(graph.history().toarray(), [[1 / np.sqrt(2), 1 / 2], [0, 1 / np.sqrt(2)]], atol=1e-6)
    assert graph.n_groups == 1
    assert graph.n_entities == 0


def test_entities_that_lead_nowhere_are_left_out():
    # Entity 2 joins items 0 and 1; entity 3 hangs on item 0 alone; entities 4 and 5 are a chain that ends.
    triples = Triples(
        np.array([0, 1, 0, 1, 4]),
        np.array([0, 0, 0, 0, 0]),
        np.array([2, 2, 3, 4, 5]),
        np.ones(5, dtype=np.float32),
        2,
        6,
        ("r",),
    )
    graph = build_graph(csr_array(np.ones((1, 2), dtype=np.float32)), triples)
    np.testing.assert_array_equal(graph.entities, [2])
    np.testing.assert_array_equal(graph.features().toarray() > 0, [[True, True]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    graph = random_graph(11)
    x, scales, out = run(graph, 11, fused=True)
    other_x, other_scales, other_out = run(graph, 11, fused=True, device="cuda")
    torch.testing.assert_close(out, other_out.cpu(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, other_x.grad.cpu(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scales.grad, other_scales.grad.cpu(), rtol=1e-4, atol=1e-4)
