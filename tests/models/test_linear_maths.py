"""The linear scorers against plain references: closed forms, block products, graph features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from kgrec.errors import DataError
from kgrec.models import ease
from kgrec.models.als import ALS, ManyFactorALS
from kgrec.models.content import Content
from kgrec.models.ease import EASE, Ridge, gram, pruned, solve
from kgrec.models.factors import FoldIn
from kgrec.models.features import centred, graph_features, with_graph_rows
from kgrec.models.history import History, strength
from kgrec.models.item_knn import ItemKNN
from kgrec.testing import graph_toy, toy_training_data
from kgrec.types import Events, TrainingData, Triples

seeds = st.integers(0, 10_000)


def draw(seed, n_users=30, n_items=12, share=0.25):
    rng = np.random.default_rng(seed)
    dense = (rng.random((n_users, n_items)) < share) * (0.5 + rng.random((n_users, n_items)))
    return csr_array(dense.astype(np.float32))


def as_data(matrix, **more):
    pairs = matrix.tocoo()
    n = matrix.nnz
    events = Events(
        pairs.row.astype(np.int64),
        pairs.col.astype(np.int64),
        np.zeros(n, np.int64),
        np.full(n, np.nan, np.float32),
        pairs.data,
        None,
        ("like",),
    )
    return TrainingData(matrix, events, **more)


def reference_ease(g, ridge, dropout=0.0):
    """Steck 2019 and 2020, column by column: regress each item on all others."""
    g = g.astype(np.float64)
    penalised = g + np.diag(ridge + dropout / (1 - dropout) * np.diag(g))
    weights = np.zeros_like(g)
    for item in range(len(g)):
        others = np.delete(np.arange(len(g)), item)
        weights[others, item] = np.linalg.solve(penalised[np.ix_(others, others)], g[others, item])
    return weights


@settings(deadline=None, max_examples=25)
@given(seed=seeds, ridge=st.floats(0.5, 50), dropout=st.floats(0, 0.8))
def test_ease_is_the_regression_of_each_item_on_all_others(seed, ridge, dropout):
    g = gram(draw(seed), None)
    expected = reference_ease(g, ridge, dropout)
    np.testing.assert_allclose(solve(g, Ridge(ridge, dropout / (1 - dropout))), expected, atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, with_texts=st.booleans())
def test_local_ease_with_all_neighbours_is_ease(seed, with_texts):
    rows = draw(seed)
    texts = centred(np.random.default_rng(seed).standard_normal((12, 5)).astype(np.float32))[0] if with_texts else None
    local = ease.fit_local(rows, texts, Ridge(3.0, 0.25), 11, np.random.default_rng(0)).toarray()
    g = gram(rows, texts)
    # An item of cosine 0 or less is no neighbour, so the comparison holds where all are above.
    if (g > 0).all():
        np.testing.assert_allclose(local, reference_ease(g, 3.0, 0.2), atol=1e-4)
    assert not np.diagonal(local).any()
    assert np.isfinite(local).all()


def test_local_ease_equals_ease_on_dense_likes():
    rows = draw(3, n_users=200, share=0.5)
    local = ease.fit_local(rows, None, Ridge(3.0, 0.0), 11, np.random.default_rng(0)).toarray()
    np.testing.assert_allclose(local, reference_ease(gram(rows, None), 3.0), atol=1e-4)


def test_local_ease_in_small_blocks_is_the_same(monkeypatch):
    rows = draw(5, n_users=60, n_items=25)
    whole = ease.fit_local(rows, None, Ridge(3.0, 0.0), 6, np.random.default_rng(0)).toarray()
    monkeypatch.setattr(ease, "SYSTEM_ENTRIES", 100)
    assert (np.diff(csr_array(whole.T).indptr) <= 6).all()
    parts = ease.fit_local(rows, None, Ridge(3.0, 0.0), 6, np.random.default_rng(0)).toarray()
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_local_ease_keeps_the_diagonal_where_long_rows_of_the_gram_matrix_are_cut(monkeypatch):
    # An item liked weakly, by people who like the others strongly: the others' entries exceed its own.
    rows = csr_array(np.array([[0.1, 3.0, 3.0], [0.1, 3.0, 0.0], [0.1, 0.0, 3.0]], dtype=np.float32))
    seen = []
    monkeypatch.setattr(ease, "GRAM_ENTRIES", 6)
    monkeypatch.setattr(ease, "_nearest", lambda gram, *rest: seen.append(rest[1]) or gram)
    monkeypatch.setattr(ease, "_regress", lambda near, *_: near)
    ease.fit_local(rows, None, Ridge(3.0, 0.0), 2, np.random.default_rng(0))
    np.testing.assert_allclose(seen[0], [0.03, 18.0, 18.0], rtol=1e-5)


def test_singular_matrix_is_an_error_with_a_hint():
    with pytest.raises(DataError) as error:
        solve(-np.ones((4, 4), dtype=np.float32), Ridge(0.001))
    assert "regularization" in error.value.hint


def test_pruned_weights_are_the_largest_of_each_column():
    weights = np.random.default_rng(0).standard_normal((9, 9)).astype(np.float32)
    kept = pruned(weights, 4).toarray()
    for column in range(9):
        largest = np.argsort(-np.abs(weights[:, column]))[:4]
        assert set(np.flatnonzero(kept[:, column])) == set(largest)
    np.testing.assert_array_equal(kept[kept != 0], weights[kept != 0])


@settings(deadline=None, max_examples=25)
@given(seed=seeds, regularization=st.floats(0.5, 20), alpha=st.floats(0.2, 40))
def test_fold_in_solves_the_weighted_least_squares(seed, regularization, alpha):
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((12, 4)).astype(np.float32)
    confidences = draw(seed, n_users=8) * np.float32(alpha)
    users = FoldIn(items, regularization).users(confidences)
    for user in range(8):
        c = confidences[[user]].toarray()[0].astype(np.float64)
        weight = np.where(c > 0, c, 1.0)
        left = items.T.astype(np.float64) @ (weight[:, None] * items) + regularization * np.eye(4)
        np.testing.assert_allclose(users[user], np.linalg.solve(left, items.T @ c), rtol=2e-3, atol=2e-3)


def test_als_lowers_its_loss_with_iterations():
    data = as_data(draw(1, n_users=60, n_items=20))

    def loss(iterations):
        model = ALS(factors=4, regularization=1.0, alpha=5.0, iterations=iterations, n_seeds=1).fit(data, seed=0)
        state = model.state()
        liked = History.of(data.matrix).matrix.toarray()
        confidence = np.where(liked > 0, 5.0 * liked, 1.0)
        error = (confidence * ((liked > 0) - state["users"] @ state["items"].T) ** 2).sum()
        return error + (state["users"] ** 2).sum() + (state["items"] ** 2).sum()

    assert loss(10) < loss(3) < loss(1)


def test_als_does_not_depend_on_the_number_of_threads():
    data, users = toy_training_data(), np.arange(24)
    with threadpool_limits(1):
        one = ALS(factors=4).fit(data, seed=3).score(users)
    with threadpool_limits(2):
        two = ALS(factors=4).fit(data, seed=3).score(users)
    np.testing.assert_allclose(one, two, atol=1e-6, equal_nan=True)


def test_als_averages_its_runs():
    data, users = toy_training_data(), np.arange(20)
    state = ALS(factors=3, n_seeds=2).fit(data, seed=3).state()
    runs = [state["users"][:, part] @ (2 * state["items"][:, part]).T for part in (slice(0, 3), slice(3, 6))]
    scores = ALS(factors=3, n_seeds=2).fit(data, seed=3).score(users)
    known = np.isfinite(scores)
    np.testing.assert_allclose(scores[known], ((runs[0] + runs[1]) / 2)[users][known], atol=1e-5)


@pytest.mark.parametrize("make", [lambda w: ALS(factors=2, graph_weight=w), lambda w: EASE(graph_weight=w)])
def test_the_graph_lets_items_without_likes_be_scored(make):
    data = graph_toy().data
    cold = np.array([data.n_items - 2, data.n_items - 1])
    assert np.isnan(make(0.0).fit(data, seed=0).score(np.arange(4))[:, cold]).all()
    scores = make(1.0).fit(data, seed=0).score(np.arange(data.n_users))[:, cold]
    own = np.take_along_axis(scores, (np.arange(data.n_users) % 2)[:, None], axis=1)[:, 0]
    other = np.take_along_axis(scores, 1 - (np.arange(data.n_users) % 2)[:, None], axis=1)[:, 0]
    assert own.mean() > other.mean() + 0.01


def test_equal_weights_become_strength_one_and_repeats_are_damped():
    np.testing.assert_allclose(strength(np.full(3, 0.2, np.float32), 0.2), 1.0)
    assert 1 < strength(np.array([100.0], np.float32), 1.0)[0] < 10


def test_knn_is_the_shrunk_cosine():
    matrix = csr_array((draw(2).toarray() > 0).astype(np.float32))
    dense = matrix.toarray().astype(np.float64)
    norms = np.linalg.norm(dense, axis=0)
    expected = dense.T @ dense / (np.outer(norms, norms) + 2.0)
    np.fill_diagonal(expected, 0)
    scores = ItemKNN(neighbours=12, shrinkage=2.0).fit(as_data(matrix), seed=0).score(np.arange(30))
    known = np.isfinite(scores)
    np.testing.assert_allclose(scores[known], (dense @ expected)[known], atol=1e-5)


TRIPLES = Triples(
    heads=np.array([0, 1, 0, 5, 5, 0, 2, 6]),
    relations=np.array([0, 0, 0, 1, 1, 1, 0, 0]),
    tails=np.array([4, 4, 4, 0, 1, 4, 3, 5]),
    weights=np.array([1, 0.5, 1, 1, 1, 1, 1, 1], dtype=np.float32),
    n_items=4,
    n_nodes=7,
    relation_names=("genre", "made"),
)


def test_graph_features_are_relation_direction_neighbour():
    features = graph_features(TRIPLES, max_share=1.0)
    kinds = set(zip(features.relations.tolist(), features.inverse.tolist(), features.entities.tolist(), strict=True))
    # Entity 4 through "genre" of items 0 and 1; entity 5 "made" items 0 and 1; all else has one item only.
    assert kinds == {(0, False, 4), (1, True, 5)}
    np.testing.assert_array_equal(features.matrix.toarray(), [[1, 1], [0.5, 1], [0, 0], [0, 0]])
    np.testing.assert_allclose(features.idf(), np.log([2, 2]))


def test_triples_between_items_give_features_to_both():
    features = graph_features(TRIPLES, min_df=1, max_share=1.0)
    kinds = list(zip(features.relations.tolist(), features.inverse.tolist(), features.entities.tolist(), strict=True))
    assert features.matrix.toarray()[2, kinds.index((0, False, 3))] == 1  # item 2 -> item 3
    assert features.matrix.toarray()[3, kinds.index((0, True, 2))] == 1


def test_graph_rows_come_after_the_users_and_nothing_without_graph():
    matrix = draw(0, n_items=4)
    stacked = with_graph_rows(matrix, TRIPLES, 0.5)
    np.testing.assert_array_equal(stacked[:30].toarray(), matrix.toarray())
    facts = np.log(2) * np.array([[1, 1], [0.5, 1], [0, 0], [0, 0]])
    lengths = np.sqrt((facts**2).sum(axis=1, keepdims=True))
    drawn = facts / np.sqrt(np.maximum(lengths, 1e-9))  # an item of length n has the length sqrt(n) now
    expected = 0.5 * drawn * np.sqrt((facts**2).sum() / (drawn**2).sum())
    np.testing.assert_allclose(stacked[30:].toarray(), expected.T, rtol=1e-5)
    assert with_graph_rows(matrix, None, 0.5) is matrix
    assert with_graph_rows(matrix, TRIPLES, 0.0) is matrix


def test_centring_leaves_missing_texts_at_zero_and_rows_at_unit_length():
    vectors = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32) + 5
    vectors[2] = 0
    result, mean = centred(vectors)
    assert not result[2].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(result, 2, axis=0), axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(mean, np.delete(vectors, 2, axis=0).mean(axis=0), rtol=1e-5)


def test_content_is_the_mean_cosine_and_nan_without_text():
    rng = np.random.default_rng(0)
    texts = rng.standard_normal((6, 4)).astype(np.float32)
    texts[5] = 0
    matrix = csr_array(np.array([[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]], dtype=np.float32))
    scores = Content(nearest=0.0).fit(as_data(matrix, item_text=texts), seed=0).score(np.arange(2))
    z = centred(texts)[0]
    np.testing.assert_allclose(scores[0, :5], z[:5] @ (z[0] + z[1]) / 2, atol=1e-6)
    assert np.isnan(scores[:, 5]).all()
    assert np.isnan(scores[1]).all()  # all that is known of this user has no text


def test_scorers_load_without_implicit_and_torch():
    import subprocess
    import sys

    code = (
        "import sys, kgrec.models.als, kgrec.models.ease, kgrec.models.content, kgrec.models.popularity;"
        "assert not {'implicit', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_large_catalogues_get_more_factors_and_large_matrices_fewer_runs():
    data = toy_training_data()
    wide = TrainingData(csr_array((3, 10_001), dtype=np.float32), data.events)
    assert {setting["factors"] for setting in ManyFactorALS.grid(wide)} == {512}
    assert {setting["factors"] for setting in ManyFactorALS.grid(data)} == {256}
    heavy = TrainingData(csr_array(np.ones((700, 500), dtype=np.float32)), data.events)
    assert {setting["n_seeds"] for setting in [*ManyFactorALS.grid(heavy), *ALS.grid(heavy)]} == {1}
