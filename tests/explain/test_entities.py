"""What comes through entities: exact in EASE, and the parts of the score still sum to it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import kgrec
from kgrec.explain.decompose import decompose, through_entities
from kgrec.models import ease_entities
from kgrec.models.ease import EASE
from kgrec.models.features import with_graph_rows
from kgrec.models.history import History
from kgrec.models.popularity import Popularity
from kgrec.plugin.additive import EntityScorer
from kgrec.ranking.ranker import Ranker
from kgrec.testing import graph_toy, toy_training_data, toy_workspace
from kgrec.types import Events

OPTIONS = {"regularization": 5.0, "dropout": 0.3, "graph_weight": 1.0}


@pytest.fixture(scope="module")
def data():
    return graph_toy().data


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
    monkeypatch.setattr(ease_entities, "MOST", 1000)
    model = EASE(**OPTIONS).fit(data, seed=1)
    assert isinstance(model, EntityScorer)
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
        assert {share.entity for share in told} <= set(range(data.n_items, data.triples.n_nodes))


def test_the_parts_still_sum_to_the_score_and_survive_storing(data):
    loaded = EASE(**OPTIONS).load_state(EASE(**OPTIONS).fit(data, seed=1).state())
    scorers = {"ease": loaded, "popularity": Popularity().fit(data, seed=1)}
    names = [[f"{kind}{k}" for k in range(n)] for kind, n in zip("ui", data.matrix.shape, strict=True)]
    ranker = Ranker(*names, csr_array(data.matrix.astype(bool)), scorers, {"ease": 0.8, "popularity": 0.2})
    kinds = set()
    for user in range(0, data.n_users, 5):
        parts = ranker.parts(np.array([user]))
        total = ranker.fused(parts, np.array([user]))[0]
        items = np.arange(data.n_items)
        for item, own in zip(items, decompose(ranker, user, items, parts), strict=True):
            told = through_entities(ranker, user, int(item), parts, own)
            assert sum(p.value for p in told) == pytest.approx(total[item], abs=1e-4)
            kinds |= {p.kind for p in told}
            by_scorer = [sum(p.value for p in given if p.scorer == "ease") for given in (own, told)]
            assert by_scorer[0] == pytest.approx(by_scorer[1], abs=1e-6)
    assert "entity" in kinds


def test_without_the_graph_nothing_is_said():
    data = toy_training_data()
    assert EASE().fit(data, seed=1).through_entities(0, 3) == []
    assert "fact_nodes" not in EASE().fit(data, seed=1).state()


def test_explain_names_the_entities(tmp_path):
    overrides = ["text.encoder=hashing", "linking.enabled=false", "train.scorers=['popularity','ease']"]
    overrides.append("scorers.ease={regularization=5.0,graph_weight=1.0}")
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
    assert sum(cause.value for cause in found.contributions) == pytest.approx(found.score, abs=1e-4)
