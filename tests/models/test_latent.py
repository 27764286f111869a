"""The latent generator: its samples lie where users turn to, differ as they should, and name real items."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.models.latent import Latent, described, log_likelihoods
from kgrec.testing import toy_training_data
from kgrec.testing.toys import training_data

SMALL = {"size": 8, "hidden_size": 16, "latent_size": 4, "epochs": 12, "learning_rate": 0.01, "draws": 8}


@pytest.fixture(scope="module")
def latent():
    return Latent(**SMALL).fit(toy_training_data(), seed=1)


@pytest.fixture(scope="module")
def two_tastes():
    """Users who like items around two texts each, of four: what comes next is near one of the two, never between."""
    rng = np.random.default_rng(0)
    kinds = np.arange(80) % 4
    texts = (np.eye(4, 8)[kinds] + 0.15 * rng.standard_normal((80, 8))).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    own = [np.flatnonzero(np.isin(kinds, (user % 4, (user + 1) % 4))) for user in range(60)]
    items = np.concatenate([rng.choice(mine, 14, replace=False) for mine in own])
    data = training_data(np.repeat(np.arange(60), 14), items, 60, 80, item_text=texts)
    options = {**SMALL, "epochs": 40, "ordered": False, "hidden_size": 32}
    return Latent(**options).fit(data, seed=2), kinds


def test_samples_are_unit_vectors_that_depend_on_seed_and_user_alone(latent):
    users = np.array([0, 3, 5])
    found = latent.sample(users, 6, seed=4)
    assert found.shape == (3, 6, latent.item_vectors.shape[1])
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(latent.sample(users[[1]], 6, seed=4)[0], found[1], rtol=1e-4, atol=1e-6)
    assert not np.allclose(latent.sample(users, 6, seed=5), found)


def test_without_spread_all_samples_are_the_middle_and_with_more_they_lie_apart(latent):
    users = np.arange(8)
    middle = latent.sample(users, 5, seed=1, spread=0.0)
    np.testing.assert_allclose(middle, np.repeat(middle[:, :1], 5, axis=1), rtol=1e-5, atol=1e-6)

    def apart(spread):
        samples = latent.sample(users, 16, seed=1, spread=spread)
        return 1 - np.einsum("usd,utd->ust", samples, samples).mean()

    assert apart(0.0) < apart(1.0) < apart(4.0)


def test_samples_fall_on_both_tastes_and_on_no_other(two_tastes):
    latent, kinds = two_tastes
    lesser = []
    for user in range(12):
        items = latent.nearest(latent.sample(np.array([user]), 64, seed=3)[0], 1)[:, 0]
        shares = np.bincount(kinds[items], minlength=4) / len(items)
        pair = [user % 4, (user + 1) % 4]
        assert shares[pair].sum() > 0.9
        lesser.append(shares[pair].min())
    assert min(lesser) > 0, "one taste is forgotten"
    assert np.mean(lesser) > 0.15


def test_nearest_names_real_items_and_leaves_out_what_it_is_told_to(latent):
    samples = latent.sample(np.array([2]), 3, seed=1)[0]
    found = latent.nearest(samples, 4)
    cosines = samples @ latent.item_vectors.T
    known = latent.item_vectors.any(axis=1)
    np.testing.assert_array_equal(found[:, 0], np.where(known, cosines, -np.inf).argmax(axis=1))
    fewer = latent.nearest(samples, 4, without=found[0])
    assert not set(fewer.ravel().tolist()) & set(found[0].tolist())
    assert latent.nearest(samples, 10_000).shape == (3, int(known.sum()))


def test_scores_are_log_likelihoods_over_items_with_text(latent):
    scores = latent.score(np.arange(4))
    np.testing.assert_allclose(np.exp(scores).sum(axis=1, where=np.isfinite(scores)), 1, rtol=1e-4)


def test_who_is_unknown_is_not_sampled(latent):
    nobody = latent.sample(np.array([10_000]), 3, seed=1)
    assert not nobody.any()


def test_mean_and_spread_of_a_history():
    items = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)
    state = {
        "items": items,
        "attention": np.array([1, 1, 0], dtype=np.float32),
        "project": np.eye(2, dtype=np.float32),
        "attend": np.zeros(2, dtype=np.float32),
        "mean": np.zeros(2, dtype=np.float32),
        "own_words": np.array([1.0], dtype=np.float32),
    }
    rows = csr_array(np.array([[3, 1, 5], [0, 0, 2]], dtype=np.float32))
    found = described(state, rows, np.zeros((2, 2), dtype=np.float32))
    deviation = np.sqrt(0.75 * 0.25)
    np.testing.assert_allclose(found.vectors, [[0.75, 0.25, deviation, deviation], [0, 0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(np.exp(found.logs), [[3, 1, 0, 0], [0, 0, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(found.members[0, :2], items[:2])
    words = described(state, rows, np.array([[0, 0], [0, 2]], dtype=np.float32))
    np.testing.assert_allclose(words.vectors[1], [0, 1, 0.01, 0.01], rtol=1e-5)
    np.testing.assert_array_equal(words.members[1, -1], [0, 1])


def test_many_items_are_scored_in_blocks_of_users(latent, monkeypatch):
    vectors = latent._histories(np.arange(9))
    whole = log_likelihoods(latent.state(), vectors)
    monkeypatch.setattr("kgrec.models.latent.AT_ONCE", 1)
    np.testing.assert_allclose(log_likelihoods(latent.state(), vectors), whole, rtol=1e-5)
