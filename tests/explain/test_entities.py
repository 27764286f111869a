"""What comes through entities: exact in every scorer that tells it, and the parts of the score still sum to it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import kgrec
from kgrec.explain.contributions import decompose, through_entities
from kgrec.models import features as through
from kgrec.models.als import ALS
from kgrec.models.ease import EASE
from kgrec.models.features import with_graph_rows
from kgrec.models.gnn.graph import Graph, training_graph
from kgrec.models.gnn.model import Network, NetworkOptions
from kgrec.models.gnn.scorer import GNN
from kgrec.models.gnn.training import scoring_arrays
from kgrec.models.graph_filter import GraphFilter
from kgrec.models.history import History
from kgrec.models.popularity import Popularity
from kgrec.plugin.protocols import BEYOND, EntityScorer
from kgrec.ranking.ranker import Ranker
from kgrec.testing import graph_toy, toy_training_data, toy_workspace
from kgrec.types import Events

OPTIONS = {"regularization": 5.0, "dropout": 0.3, "graph_weight": 1.0}
SMALL = {"embedding_size": 16, "epochs": 12}
MAKERS = {
    "ease": lambda: EASE(**OPTIONS),
    "graph-filter": lambda: GraphFilter(rank=4, graph_weight=0.5),
    "als": lambda: ALS(factors=4, regularization=1.0, iterations=8, n_seeds=2, graph_weight=1.0),
    "gnn": lambda: GNN(**SMALL),
}


@pytest.fixture(scope="module")
def data():
    return graph_toy().data


@pytest.fixture(scope="module")
def fitted(data):
    return {name: make().fit(data, seed=1) for name, make in MAKERS.items()}


@given(seed=st.integers(0, 1000), regularization=st.floats(1, 200), dropout=st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_users_and_entities_together_are_the_weights(seed, regularization, dropout):
    data = graph_toy().data
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random(data.matrix.shape) < 0.3)
    n = len(users)
    ones, nothing = np.ones(n, np.float32), np.full(n, np.nan, np.float32)
    events = Events(users, items, np.zeros(n, np.int64), nothing, ones, None, ("like",))
    data = replace(data, matrix=csr_array((ones, (users, items)), shape=data.matrix.shape), events=events)
    model = EASE(regularization=regularization, dropout=dropout, graph_weight=1.0).fit(data, seed=1)
    rows = with_graph_rows(History.of(data.matrix).matrix, data.triples, 1.0).toarray().astype(np.float64)
    weights = model._weights.astype(np.float64)
    ridge = regularization + dropout / (1 - dropout) * (rows**2).sum(axis=0)
    left = rows - rows @ weights
    n_users = data.n_users
    of_users = rows[:n_users].T @ left[:n_users] / ridge[:, None]
    of_entities = rows[n_users:].T @ left[n_users:] / ridge[:, None]
    both = of_users + of_entities
    np.fill_diagonal(both, 0.0)
    np.testing.assert_allclose(both, weights, atol=1e-3)


def test_through_entities_is_the_sum_over_the_graphs_rows(data, monkeypatch):
    monkeypatch.setattr(through, "MOST", 1000)
    model = EASE(**OPTIONS).fit(data, seed=1)
    rows = with_graph_rows(data.matrix, data.triples, 1.0).toarray().astype(np.float64)[data.n_users :]
    left = rows - rows @ model._weights
    everything = with_graph_rows(data.matrix, data.triples, 1.0).toarray().astype(np.float64)
    ridge = OPTIONS["regularization"] + 0.3 / 0.7 * (everything**2).sum(axis=0)
    history = model._history.rows(np.array([0])).toarray()[0]
    for item in (1, 4, data.n_items - 1):
        strength = np.where(np.arange(data.n_items) == item, 0, history / ridge)
        expected = (rows * strength).sum(axis=1) @ left[:, item]
        told = model.through_entities(0, item)
        assert sum(share.value for share in told) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("rank", [8, 24])
def test_the_graph_filter_without_users_is_what_comes_through_entities(data, monkeypatch, rank):
    monkeypatch.setattr(through, "MOST", 1000)
    model = GraphFilter(rank=rank, graph_weight=0.5, forgetting=0.0).fit(data, seed=1)
    rows = with_graph_rows(History.of(data.matrix).matrix, data.triples, 0.5).toarray().astype(np.float64)
    degrees, of_rows = rows.sum(axis=0), np.maximum(rows.sum(axis=1), 1e-12)
    normalised = rows / np.sqrt(of_rows)[:, None] / np.sqrt(degrees)
    vectors = np.linalg.svd(normalised)[2][:rank].T
    of_graph = normalised[data.n_users :]
    outer = np.linalg.pinv(normalised.T, rcond=1e-5) @ vectors  # U / S
    low = of_graph.T @ outer[data.n_users :] @ vectors.T / np.sqrt(degrees)[:, None] * np.sqrt(degrees)
    history = model._history.rows(np.array([0])).toarray()[0]
    expected = history @ (of_graph.T @ of_graph + 0.3 * low)
    told = [sum(share.value for share in model.through_entities(0, item)) for item in range(data.n_items)]
    np.testing.assert_allclose(told, expected, atol=1e-3)


def test_als_factors_are_the_sum_of_the_terms_of_users_and_entities(data, monkeypatch):
    monkeypatch.setattr(through, "MOST", 1000)
    model = ALS(factors=4, regularization=1.0, iterations=30, n_seeds=2, graph_weight=1.0).fit(data, seed=1)
    everybody = replace(model._graph, nodes=np.where(model._graph.nodes < 0, 10_000, model._graph.nodes))
    users = np.array([0, 5])
    scores = model.score(users)
    for k, user in enumerate(users.tolist()):
        row = model._history.rows(np.array([user]))
        parts = [fold_in.parts(model._confidences(row)) for fold_in in model._folders()]
        for item in range(0, data.n_items, 3):
            told = everybody.through(row.indices.astype(np.int64), parts, item)
            # the last step of the solver is not exact, so neither is this sum
            assert sum(share.value for share in told) == pytest.approx(scores[k, item], abs=5e-3)


def test_gnn_vectors_are_the_item_itself_its_users_and_its_neighbours(data, monkeypatch):
    monkeypatch.setattr(through, "MOST", 1000)
    history = History.of(data.matrix)
    tensors = training_graph(history.matrix, data.triples)
    graph = Graph.of(tensors)
    start = np.random.default_rng(1).standard_normal((graph.n_nodes, 8)).astype(np.float32)
    options = NetworkOptions(
        embedding_size=8, n_layers=3, conv="linear", graph_weight=0.3, use_text=False, seed=1, device="cpu"
    )
    network = Network(tensors, graph, start, options)
    state = {**history.state(), **scoring_arrays(network, graph, history), "best_epoch": np.zeros(1)}
    model = GNN(embedding_size=8).load_state(state)
    passed, inputs = network.linear.passed_by_all(network.start()).numpy(), network().first.detach().numpy()
    weights = network.adjacency.weights(network.linear.scales).forward.detach().numpy()
    n = data.n_users
    for item in range(0, data.n_items, 2):
        entries = slice(graph.indptr[n + item], graph.indptr[n + item + 1])
        of_users = graph.groups[entries] == 0
        messages = weights[entries, None] * passed[graph.indices[entries]]
        rest = inputs[n + item] / (network.n_layers + 1) + messages[of_users].sum(axis=0)
        for user in (0, 3):
            vector = model.compact(np.array([user])).users[0]
            told = sum(share.value for share in model.through_entities(user, item))
            score = model.score(np.array([user]))[0, item]
            assert told + rest @ vector == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_the_parts_still_sum_to_the_score_and_survive_storing(data, fitted, name):
    loaded = MAKERS[name]().load_state(fitted[name].state())
    assert isinstance(loaded, EntityScorer)
    scorers = {name: loaded, "popularity": Popularity().fit(data, seed=1)}
    names = [[f"{kind}{k}" for k in range(n)] for kind, n in zip("ui", data.matrix.shape, strict=True)]
    ranker = Ranker(*names, csr_array(data.matrix.astype(bool)), scorers, {name: 0.8, "popularity": 0.2})
    kinds, nodes = set(), set()
    for user in range(0, data.n_users, 5):
        parts, (total,) = ranker.split(np.array([user]))
        items = np.arange(data.n_items)
        for item, own in zip(items, decompose(ranker, user, items, parts), strict=True):
            told = through_entities(ranker, user, int(item), parts, own)
            assert sum(p.value for p in told) == pytest.approx(total[item], abs=1e-4)
            assert len(told) == len({(p.scorer, p.kind, p.source) for p in told})
            kinds |= {p.kind for p in told}
            nodes |= {p.source for p in told if p.kind == "entity"}
            by_scorer = [sum(p.value for p in given if p.scorer == name) for given in (own, told)]
            assert by_scorer[0] == pytest.approx(by_scorer[1], abs=1e-5)
    assert "entity" in kinds
    assert nodes <= set(range(data.n_items, data.triples.n_nodes))


def test_what_training_learned_of_the_user_goes_through_entities_too(data, fitted):
    sources = {share.source for item in range(data.n_items) for share in fitted["gnn"].through_entities(0, item)}
    assert BEYOND in sources
    assert sources - {BEYOND} <= set(data.matrix[[0]].indices.tolist())


@pytest.mark.parametrize("name", MAKERS)
def test_too_much_to_keep_is_not_kept(data, monkeypatch, name):
    if name == "ease":
        pytest.skip("its weights say all that is needed")
    for room in ("als", "graph_filter", "gnn.explanations"):
        monkeypatch.setattr(f"kgrec.models.{room}.MOST_NUMBERS", 3)
    model = MAKERS[name]().fit(data, seed=1)
    assert model.through_entities(0, 3) == []


@pytest.mark.parametrize("scorer", [EASE, GraphFilter, lambda: ALS(factors=4), lambda: GNN(**SMALL, graph_weight=0.0)])
def test_without_the_graph_nothing_is_said(scorer):
    model = scorer().fit(toy_training_data(), seed=1)
    assert model.through_entities(0, 3) == []
    assert not {"graph.nodes", "message_nodes"} & set(model.state())


def test_explain_names_the_entities(tmp_path):
    overrides = ["text.encoder=hashing", "linking.enabled=false", "train.scorers=['popularity','ease','content']"]
    overrides += ["scorers.ease={regularization=5.0,graph_weight=1.0}", "fusion.weights={ease=0.7,content=0.3}"]
    project = kgrec.open(toy_workspace(tmp_path / "toy"), overrides=overrides)
    project.build_graph()
    project.train()
    assert "ease" in project.ranker.weights
    found = project.explain("u00", project.recommend("u00", 1).item_ids[0])
    entities = [cause for cause in found.contributions if cause.kind == "entity"]
    assert entities
    keys = set(project.graph.nodes.filter(project.graph.nodes["kind"] == "entity")["key"])
    assert {cause.id for cause in entities} <= keys
    assert all(cause.label for cause in entities)
    words = [cause for cause in found.contributions if cause.kind == "text"]
    assert words
    assert all(cause.scorer == "content" and cause.id is None and cause.label for cause in words)
    assert sum(cause.value for cause in found.contributions) == pytest.approx(found.score, abs=1e-4)
