"""The fused layers equal torch_geometric's message passing edge by edge, its LGConv, and the matrix they stand for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from torch_geometric.nn import LGConv

from kgrec.models.gnn.graph import Graph, training_graph
from kgrec.models.gnn.layers import Adjacency, LinearConv, Start, gathered
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
    return training_graph(likes, triples)


def dense(graph, scales):
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(matrix, (graph.rows, graph.indices), graph.values * scales[graph.groups])
    return matrix


def drawn(graph, seed, *, n_layers, device="cpu", with_texts=True, fused=True):
    """Return a convolution with drawn scalars, and a drawn start."""
    generator = torch.Generator().manual_seed(seed)
    wanted = graph.n_users + graph.n_items
    conv = LinearConv(Adjacency(graph, device), graph.n_groups, n_layers=n_layers, graph_weight=1.0, fused=fused)
    with torch.no_grad():
        conv.scales[1:] = (torch.rand(graph.n_groups, generator=generator) + 0.5)[1:]
    ids = torch.randn(graph.n_nodes, 3, generator=generator).to(device).requires_grad_()
    texts = torch.randn(wanted, 3, generator=generator).to(device).requires_grad_()
    kept = (torch.rand(wanted, 1, generator=generator) < 0.7).float().to(device)
    return conv, Start(ids, kept, texts if with_texts else None)


def run(conv, start, seed, mask=None):
    """Return layers and the gradients of a drawn function of them."""
    generator = torch.Generator().manual_seed(seed + 1)
    layers = conv(start, mask)
    parts = [layers.mean, layers.passed, layers.first, layers.energy.reshape(1)]
    loss = sum((part * torch.randn(part.shape, generator=generator).to(part.device)).sum() for part in parts)
    loss.backward()
    # The scalar of the interactions (group 0) is fixed: nobody asks for its gradient.
    gradients = [start.ids.grad, conv.scales.grad[1:] if len(conv.scales) > 1 else None]
    gradients += [] if start.texts is None else [start.texts.grad]
    return [*parts, *(gradient for gradient in gradients if gradient is not None)]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_fused_layers_equal_message_passing_with_gradients(seed, n_layers, with_texts):
    graph = Graph.of(random_graph(seed, n_entities=seed % 5))
    found = []
    for fused in (True, False):
        conv, start = drawn(graph, seed, n_layers=n_layers, with_texts=with_texts, fused=fused)
        found.append(run(conv, start, seed))
        passed = conv.passed_by_all(start)[: graph.n_users + graph.n_items]
        torch.testing.assert_close(passed, found[-1][1], rtol=1e-4, atol=1e-5)
    same(*found)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_without_relations_the_layers_are_those_of_lgconv_with_gradients(seed, n_layers):
    likes = random_graph(seed)["user", "likes", "item"]
    matrix = csr_array((likes.edge_weight.numpy(), likes.edge_index.numpy()), shape=(6, 5))
    graph = Graph.of(training_graph(matrix, None))
    edges = torch.from_numpy(np.stack([graph.indices, graph.rows]))
    conv, start = drawn(graph, seed, n_layers=n_layers)
    theirs = LGConv(normalize=False)

    def by_lgconv(given, mask=None):
        layers = [given.joined()]
        for _ in range(n_layers):
            layers.append(theirs(layers[-1], edges, torch.from_numpy(graph.values)))
        return gathered(layers, graph.n_users + graph.n_items)

    by_lgconv.scales = torch.ones(1)
    found = run(conv, start, seed)
    _, again = drawn(graph, seed, n_layers=n_layers)
    same(found, run(by_lgconv, again, seed))


def test_lgconv_normalises_as_the_training_graph_does():
    likes = csr_array((np.random.default_rng(4).random((6, 5)) < 0.5).astype(np.float32))
    graph = Graph.of(training_graph(likes, None))
    edges, x = torch.from_numpy(np.stack([graph.indices, graph.rows])), torch.eye(graph.n_nodes)
    np.testing.assert_allclose(LGConv()(x, edges), dense(graph, np.ones(1)), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_layer_is_a_product_with_the_matrix(seed):
    graph = Graph.of(random_graph(seed))
    conv, start = drawn(graph, seed, n_layers=1)
    first = start.joined().detach().numpy()
    matrix = dense(graph, conv.scales.detach().numpy())
    expected = (first + matrix @ first)[: graph.n_users + graph.n_items] / 2
    np.testing.assert_allclose(conv(start).mean.detach(), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_entry_has_its_mirror(seed):
    graph = Graph.of(random_graph(seed))
    rows = graph.rows
    np.testing.assert_array_equal(graph.indices[graph.mirror], rows)
    np.testing.assert_array_equal(rows[graph.mirror], graph.indices)
    np.testing.assert_array_equal(graph.mirror[graph.mirror], np.arange(len(rows)))
    np.testing.assert_array_equal(graph.values[graph.mirror], graph.values)
    either = np.sort(np.stack([graph.groups, graph.groups[graph.mirror]]), axis=0)
    np.testing.assert_array_equal(either[1] - either[0], graph.groups > 0)


@pytest.mark.parametrize("fused", [True, False])
def test_a_hidden_interaction_carries_nothing(fused):
    graph = Graph.of(random_graph(3))
    mask = torch.ones(len(graph.indices))
    entry = int(graph.interactions[0])
    mask[[entry, int(graph.mirror[entry])]] = 0.0
    conv, start = drawn(graph, 3, n_layers=1, fused=fused)
    matrix = dense(graph, conv.scales.detach().numpy())
    row = graph.rows[entry]
    matrix[row, graph.indices[entry]] = matrix[graph.indices[entry], row] = 0.0
    first = start.joined().detach().numpy()
    expected = (first + matrix @ first)[: graph.n_users + graph.n_items] / 2
    np.testing.assert_allclose(conv(start, mask).mean.detach(), expected, rtol=1e-4, atol=1e-5)


def test_interactions_are_normalised_symmetrically():
    data = training_graph(csr_array(np.array([[1.0, 1.0], [0.0, 1.0]], dtype=np.float32)), None)
    likes = data["user", "likes", "item"]
    np.testing.assert_array_equal(likes.edge_index, [[0, 0, 1], [0, 1, 1]])
    np.testing.assert_allclose(likes.edge_weight, [1 / np.sqrt(2), 1 / 2, 1 / np.sqrt(2)], atol=1e-6)
    assert Graph.of(data).n_groups == 1
    assert data["entity"].num_nodes == 0


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
    data = training_graph(csr_array(np.ones((1, 2), dtype=np.float32)), triples)
    graph = Graph.of(data)
    assert data.edge_types == [("item", "r", "entity"), ("user", "likes", "item")]
    np.testing.assert_array_equal(graph.entities, [2])
    np.testing.assert_array_equal(graph.features().toarray() > 0, [[True, True]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu():
    graph = Graph.of(random_graph(11))
    found = [run(*drawn(graph, 11, n_layers=2, device=device), 11) for device in ("cpu", "cuda")]
    same(found[0], [part.cpu() for part in found[1]])
