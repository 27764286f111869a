"""Differential privacy: the accounting, the sensitivity, the noise, and that nothing else of others is learned from."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.stats import norm

import kgrec
from kgrec.config import PrivacyConfig
from kgrec.errors import UserError
from kgrec.models.ease import EASE
from kgrec.models.item_knn import ItemKNN
from kgrec.models.popularity import Popularity
from kgrec.models.private import COUNTS_SHARE, Guarantee, delta_of, denoised, mu_of, release
from kgrec.ranking.private_training import privately
from kgrec.testing import toy_training_data, toy_workspace

budgets = st.tuples(st.floats(0.01, 50), st.floats(1e-12, 0.1))


@given(budgets)
def test_mu_is_the_largest_that_keeps_the_promise(budget):
    epsilon, delta = budget
    mu = mu_of(epsilon, delta)
    assert mu > 0
    assert delta_of(mu, epsilon) <= delta
    assert delta_of(mu * 1.001, epsilon) > delta


@given(budgets)
def test_it_is_tighter_than_the_conversion_of_zcdp(budget):
    """Bun and Steinke, proposition 1.3: rho-zCDP is (rho + 2 sqrt(rho log(1 / delta)), delta)-private."""
    epsilon, delta = budget
    mu = mu_of(epsilon, delta)
    loose = mu * mu / 2 + 2 * math.sqrt(mu * mu / 2 * math.log(1 / delta))
    assert epsilon <= loose * (1 + 1e-9)


@given(st.floats(0.05, 6), st.floats(0, 8))
def test_delta_is_that_of_two_normal_distributions(mu, epsilon):
    """The hockey-stick divergence of N(mu, 1) from N(0, 1), by integration."""
    x = np.linspace(-12, 12 + mu, 200_001)
    excess = np.maximum(norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x), 0)
    assert delta_of(mu, epsilon) == pytest.approx(np.trapezoid(excess, x), abs=1e-6)


class Silent:
    """Draws no noise, but remembers how much was asked for."""

    def __init__(self):
        self.scales = []

    def normal(self, loc, scale, size):
        self.scales.append(scale)
        return np.zeros(size)


@given(st.integers(0, 2**32), st.floats(1, 40))
def test_one_user_changes_less_than_the_noise_is_made_for(seed, clip):
    rng = np.random.default_rng(seed)
    likes = rng.random((int(rng.integers(2, 9)), 12)) < rng.random()
    guarantee = Guarantee.of(1.0, 1e-5, clip)

    def sums(rows):
        drawn = Silent()
        matrix = csr_array(rows.astype(np.float32))
        release(matrix, guarantee, drawn)
        scaled = rows * np.sqrt(np.minimum(1, clip / np.maximum(rows.sum(axis=1, keepdims=True), 1)))
        return scaled.sum(axis=0), (scaled.T @ scaled)[np.triu_indices(12)], drawn.scales

    (counts, gram, scales), (fewer, smaller, _) = sums(likes), sums(likes[1:])
    spent = sum(
        (change / scale) ** 2
        for change, scale in zip((np.linalg.norm(counts - fewer), np.linalg.norm(gram - smaller)), scales, strict=True)
    )
    assert spent <= guarantee.mu**2 * (1 + 1e-6)


def test_without_the_gram_matrix_the_counts_get_all():
    drawn = Silent()
    matrix = csr_array(np.ones((3, 4), dtype=np.float32))
    guarantee = Guarantee.of(1.0, 1e-5, 4)
    assert release(matrix, guarantee, drawn, with_gram=False).gram is None
    release(matrix, guarantee, drawn)
    assert drawn.scales[0] == pytest.approx(2 / guarantee.mu)
    assert drawn.scales[1] == pytest.approx(2 / guarantee.mu / math.sqrt(COUNTS_SHARE))


def test_noise_alone_is_shrunk_to_nothing_and_a_strong_signal_stays():
    rng = np.random.default_rng(0)
    drawn = np.triu(rng.normal(0, 1, (200, 200)))
    noise = drawn + np.triu(drawn, 1).T
    assert np.abs(denoised(noise, 1.05)).max() < 1
    signal = 300 * np.outer(np.ones(200), np.ones(200)) / 200
    assert np.linalg.norm(denoised(signal + noise, 1.0) - signal) < np.linalg.norm(noise) / 4


def test_nothing_else_of_others_is_learned_from():
    """With the released sums fixed, a change of somebody else's likes changes nobody's scores."""
    data = toy_training_data()
    settings = PrivacyConfig(epsilon=8.0, clip=10)
    first = privately(data, settings, np.random.default_rng(1))
    other = first.matrix.toarray()
    other[1:] = other[:0:-1]
    second = replace(
        first, matrix=csr_array(other), events=replace(first.events, users=first.events.users[::-1].copy())
    )
    for scorer in (Popularity, EASE, ItemKNN):
        one, two = (scorer().fit(found, seed=0).score(np.array([0])) for found in (first, second))
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_the_noise_is_not_the_seed_s():
    data = toy_training_data()
    settings = PrivacyConfig(epsilon=50.0)
    one, two = privately(data, settings).private, privately(data, settings).private
    assert not np.array_equal(one.counts, two.counts)


def test_a_workspace_trains_what_can_be_trained_privately(tmp_path):
    project = kgrec.open(toy_workspace(tmp_path / "w"), overrides=["text.encoder=hashing", "train.privacy.epsilon=20"])
    project.build_graph()
    report = project.train()
    trained = {found.name for found in report.scorers if not found.skipped}
    assert trained == {"popularity", "item-knn", "ease"} == set(project.ranker.scorers)
    assert all("without noise" in found.skipped for found in report.scorers if found.name not in trained)
    assert project.info()["privacy"]["epsilon"] == 20
    assert all(found["ndcg"] is None for found in project.ranker.summary["scorers"].values())
    assert len(project.recommend("u00", n=5)) == 5
    with pytest.raises(UserError, match="privacy"):
        project.predict("u00", ["i00"])
