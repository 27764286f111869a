"""Weights that move with the user: the logit model finds them, they are kept, and figures are honest."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array

from kgrec.models.popularity import Popularity
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.fusion import FARTHEST, Gate, by_user
from kgrec.ranking.fusion_weights import Candidates, conditional_logit, learn_fusion
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.score_stats import standardise
from kgrec.ranking.together import compare_together
from kgrec.testing import toy_training_data
from kgrec.types import Profile


def split_candidates(seed=0, n_users=600, n_items=40):
    """Return two scorers, the first good for the active users, the second for the others, and the users' counts."""
    rng = np.random.default_rng(seed)
    relevant = np.zeros((n_users, n_items), dtype=np.bool_)
    relevant[np.arange(n_users), rng.integers(n_items, size=n_users)] = True
    active = rng.random(n_users) < 0.5
    quality = np.stack([np.where(active, 3.0, 0.3), np.where(active, 0.3, 3.0)])
    scores = rng.normal(size=(2, n_users, n_items)) + quality[:, :, None] * relevant
    counts = np.where(active, 100, 3)
    return Candidates(scores.astype(np.float32), relevant, relevant.sum(axis=1)), counts


def test_each_scorer_counts_for_the_users_it_is_good_for():
    found, counts = split_candidates()
    weights, gate = learn_fusion("ab", found, counts, k=10, max_members=2, rng=np.random.default_rng(1))
    assert sum(weights.values()) == pytest.approx(1)
    assert gate.slopes["a"] > 0.1
    assert gate.slopes["b"] < -0.1
    flat = np.array([weights["a"], weights["b"]], dtype=np.float32)
    moved = by_user("ab", weights, gate, counts)
    assert found.figures(moved, 10).mean() > found.figures(flat, 10).mean() + 0.05


def test_few_users_move_nothing():
    found, counts = split_candidates(n_users=100)
    _, gate = learn_fusion("ab", found, counts, k=10, max_members=2, rng=np.random.default_rng(1))
    assert not gate.slopes


def test_fusion_keeps_to_the_number_of_members_and_depends_only_on_data_and_seed():
    found, counts = split_candidates()
    runs = [learn_fusion("ab", found, counts, k=10, max_members=1, rng=np.random.default_rng(2)) for _ in range(2)]
    assert runs[0] == runs[1]
    weights, gate = runs[0]
    assert len(weights) == 1
    assert set(gate.slopes) == set(weights)


def test_logit_is_at_the_minimum_and_ignores_padding():
    found, counts = split_candidates(n_users=80)
    levels = Gate.of(counts).levels(counts)
    weights, slopes = conditional_logit(found, levels)
    padded = Candidates(
        np.pad(found.scores, ((0, 0), (0, 0), (0, 3)), constant_values=-np.inf),
        np.pad(found.relevant, ((0, 0), (0, 3))),
        found.n_relevant,
    )
    again = conditional_logit(padded, levels)
    np.testing.assert_allclose(np.concatenate(again), np.concatenate([weights, slopes]), atol=0.02)

    def misfit(x):
        utility = np.einsum("su,suc->uc", x[:2, None] + x[2:, None] * levels, found.scores)
        return float(np.mean(np.log(np.exp(utility).sum(axis=1)) - utility[found.relevant]))

    gradient = approx_fprime(np.concatenate([weights, slopes]).astype(np.float64), misfit, 1e-5)
    np.testing.assert_allclose(gradient, 0, atol=5e-3)


def test_logit_of_users_without_a_like_among_the_candidates_says_nothing():
    found, counts = split_candidates(n_users=20)
    nothing = replace(found, relevant=np.zeros_like(found.relevant))
    assert not np.concatenate(conditional_logit(nothing, Gate.of(counts).levels(counts))).any()


def test_levels_are_standard_and_end():
    counts = np.array([1, 10, 100, 1000])
    levels = Gate.of(counts).levels(counts)
    assert levels.mean() == pytest.approx(0, abs=1e-6)
    assert levels.std() == pytest.approx(1, abs=1e-6)
    assert Gate.of(counts).levels(np.array([10**9]))[0] == FARTHEST
    assert np.isfinite(Gate.of(np.full(3, 5)).levels(np.array([5, 6]))).all()


def test_cross_fitted_figure_of_noise_is_not_flattered():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(8, 60, 30)).astype(np.float32)
    relevant = np.zeros((60, 30), dtype=np.bool_)
    relevant[np.arange(60), rng.integers(30, size=60)] = True
    noise = Candidates(scores, relevant, relevant.sum(axis=1))
    names, counts = list("abcdefgh"), np.full(60, 5)
    weights, _ = learn_fusion(names, noise, counts, k=5, max_members=6, rng=np.random.default_rng(0))
    learned_on = noise.figures(np.array([weights.get(name, 0.0) for name in names], dtype=np.float32), 5).mean()
    honest = compare_together(names, noise, counts, k=5, max_members=6, rng=np.random.default_rng(0)).ndcg
    assert honest < learned_on - 0.02


def test_seen_items_do_not_count_for_the_standard():
    scores = np.array([[100.0, 1, 2, 3, np.nan], [5, 5, 5, 5, 7]], dtype=np.float32)
    seen = csr_array(np.array([[1, 0, 0, 0, 1], [0, 0, 0, 0, 1]], dtype=np.bool_))
    standard = standardise(scores, seen)
    np.testing.assert_allclose(standard[0, 1:4], (np.array([1, 2, 3]) - 2) / np.std([1, 2, 3]), rtol=1e-4)
    assert standard[0, 0] == pytest.approx(98 / np.std([1, 2, 3]), rel=1e-4)
    assert standard[0, 4] == 0
    assert not standard[1].any()


def test_ranker_moves_the_weights_and_keeps_the_gate(tmp_path):
    data = toy_training_data()
    scorers = {"popularity": Popularity().fit(data, seed=1)}
    seen = data.matrix.astype(np.bool_)
    counts = np.diff(seen.indptr)
    gate = replace(Gate.of(counts), slopes={"popularity": 0.5})
    ids = [str(k) for k in range(data.n_users)], [str(k) for k in range(data.n_items)]
    ranker = Ranker(*ids, seen, scorers, {"popularity": 1.0}, gate=gate)
    users = np.arange(data.n_users)
    part = ranker.split(users)[0]["popularity"]
    expected = standardise(scorers["popularity"].score(users), seen) * (1 + 0.5 * gate.levels(counts))[:, None]
    np.testing.assert_allclose(part, expected, rtol=1e-5)
    row = data.matrix[[0]]
    new = ranker.split([Profile(row.indices.astype(np.int64), row.data)])[0]["popularity"]
    np.testing.assert_allclose(new[0], part[0], rtol=1e-5)
    ranker.save(tmp_path)
    loaded = Ranker.load(tmp_path, load_plugins([]).registry("scorer"))
    assert loaded.gate == gate
    np.testing.assert_array_equal(loaded.split(users)[0]["popularity"], part)
