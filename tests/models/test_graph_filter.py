"""The graph filter is the formula, whatever the norms, and large catalogues keep its largest weights."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.models import graph_filter
from kgrec.models.graph_filter import GraphFilter
from kgrec.plugin.protocols import AdditiveScorer, NewUserScorer
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.testing.toys import training_data
from kgrec.types import Profile


class TestGraphFilter(ScorerContract):
    solves = ("checkerboard", "hot_cold")

    def make(self):
        return GraphFilter(rank=4)

    def test_is_additive_and_serves_new_users(self):
        assert isinstance(self.make(), AdditiveScorer)
        assert isinstance(self.make(), NewUserScorer)


class TestGraphFilterWithGraph(ScorerContract):
    solves = ("graph",)

    def make(self):
        return GraphFilter(rank=2, graph_weight=0.5)


def test_each_setting_of_the_grid_can_be_built_and_the_graph_is_tried_where_there_is_one():
    with_graph = GraphFilter.grid(toy_training_data())
    without = GraphFilter.grid(replace(toy_training_data(), triples=None))
    assert [setting for setting in with_graph if "graph_weight" not in setting] == without
    assert all(isinstance(GraphFilter(**setting), GraphFilter) for setting in with_graph)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.3, 0.5, 1.0]),
    st.sampled_from([0.0, 0.4, 0.5]),
    st.sampled_from([0.0, 0.3, 2.0]),
)
def test_the_scores_are_those_of_the_formula(seed, user_norm, item_norm, low_pass):
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((12, 9)) < 0.4)
    data = training_data(users, items, 12, 9)
    rank = 3
    scorer = GraphFilter(rank=rank, low_pass=low_pass, user_norm=user_norm, item_norm=item_norm, forgetting=0.0)
    scores = scorer.fit(data, seed=seed).score(np.arange(12))
    likes = data.matrix.toarray().astype(np.float64)
    of_users, of_items = (np.maximum(likes.sum(axis=axis), 1e-12) for axis in (1, 0))
    normalised = likes * of_users[:, None] ** -user_norm * of_items**-item_norm * (likes > 0)
    _, values, right = np.linalg.svd(normalised, full_matrices=False)
    if values[rank - 1] - values[rank] < 0.1:  # the subspace is then not well defined
        return
    passed = right[:rank].T @ right[:rank] * of_items[None, :] ** item_norm * of_items[:, None] ** -item_norm
    expected = likes @ (normalised.T @ normalised + low_pass * passed)
    known = np.isfinite(scores)
    np.testing.assert_allclose(scores[known], expected[known], rtol=1e-3, atol=1e-3)
    assert (known == ((likes.sum(axis=1) > 0)[:, None] & (likes.sum(axis=0) > 0))).all()


def test_a_large_catalogue_keeps_the_largest_weights_of_each_item(monkeypatch):
    data = toy_training_data()
    whole = GraphFilter(rank=4, forgetting=0.0).fit(data, seed=1)
    monkeypatch.setattr(graph_filter, "DENSE_WEIGHTS", 5)
    monkeypatch.setattr(graph_filter, "KEPT", data.n_items)
    users = np.arange(data.n_users)
    np.testing.assert_allclose(
        GraphFilter(rank=4, forgetting=0.0).fit(data, seed=1).score(users), whole.score(users), atol=1e-5
    )
    monkeypatch.setattr(graph_filter, "KEPT", 2)
    cut = GraphFilter(rank=4, forgetting=0.0).fit(data, seed=1)
    profile = Profile(np.arange(data.n_items), np.full(data.n_items, data.matrix.data.mean()))  # of strength 1 each
    weights = whole.state()["weights"]
    largest = np.argsort(-np.abs(weights), axis=0)[:2]
    expected = np.take_along_axis(weights, largest, axis=0).sum(axis=0)
    liked = np.isfinite(cut.score_new(profile))
    assert cut.score_new(profile)[liked] == pytest.approx(expected[liked], rel=1e-3)
