"""Debiased figures: the definition, and that they find the truth in a simulation where the propensities are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import csr_array

from kgrec.evaluate.metrics import accuracy
from kgrec.evaluate.test_set import TestSet
from kgrec.evaluate.uplift import compare_debiased, weighed_ndcg, weighed_recall
from kgrec.models.top_k import top_k

N_ITEMS = 7
SCORES = npst.arrays(np.float32, (3, N_ITEMS), elements=st.floats(0, 1, width=32), unique=True)
TRUTH = npst.arrays(np.bool_, (3, N_ITEMS))
WEIGHTS = npst.arrays(np.float64, N_ITEMS, elements=st.floats(1, 20))


@given(SCORES, TRUTH, WEIGHTS, st.integers(1, N_ITEMS))
def test_figures_by_the_definition(scores, truth, weights, k):
    top = top_k(scores, k)[0]
    recall, ndcg = weighed_recall(top, csr_array(truth), weights), weighed_ndcg(top, csr_array(truth), weights)
    for user in range(3):
        liked = set(np.flatnonzero(truth[user]))
        gains = [weights[i] if i in liked else 0.0 for i in top[user]]
        best = sorted((weights[i] for i in liked), reverse=True)[:k]
        assert recall[0][user] == pytest.approx(sum(gains))
        assert recall[1][user] == pytest.approx(sum(weights[i] for i in liked))
        assert ndcg[0][user] == pytest.approx(sum(g / math.log2(p + 2) for p, g in enumerate(gains)))
        assert ndcg[1][user] == pytest.approx(sum(g / math.log2(p + 2) for p, g in enumerate(best)))


@given(SCORES, npst.arrays(np.int64, 3, elements=st.integers(0, N_ITEMS - 1)))
def test_with_equal_weights_and_one_like_each_they_are_the_usual_figures(scores, liked):
    truth = csr_array(np.eye(N_ITEMS)[liked])
    top = top_k(scores, 3)[0]
    usual = accuracy(top, truth, [3])
    for name, measure in (("recall@3", weighed_recall), ("ndcg@3", weighed_ndcg)):
        part, whole = measure(top, truth, np.full(N_ITEMS, 4.0))
        assert part.sum() / whole.sum() == pytest.approx(usual[name].mean())


def simulate(seed, n_users=1500, n_items=40):
    """Likes that do not depend on popularity, observed by item propensities, and lists of the items most seen."""
    rng = np.random.default_rng(seed)
    propensities = np.linspace(1.0, 0.05, n_items)
    likes = rng.random((n_users, n_items)) < 0.3
    observed = likes & (rng.random(likes.shape) < propensities)
    top = np.tile(np.arange(10), (n_users, 1))
    return likes, observed, top, propensities


def make_test_set(observed, propensities):
    truth = csr_array(observed.astype(np.float32))
    kept = np.flatnonzero(np.diff(truth.indptr))
    truth = csr_array(truth[kept])
    empty, nobody = csr_array(truth.shape), np.zeros((len(kept), 10), dtype=np.int64)
    popularity = np.asarray(observed.sum(axis=0), dtype=np.int64)
    return TestSet(kept, truth, empty, empty, None, popularity, len(kept), nobody, inverse=1 / propensities)


def test_snips_finds_the_true_recall_and_the_naive_figure_does_not():
    for seed in range(3):
        likes, observed, top, propensities = simulate(seed)
        asked = make_test_set(observed, propensities)
        true = likes[:, :10].sum() / likes.sum()
        found = compare_debiased({"full": [top[asked.users]]}, [asked], 10, np.random.default_rng(0))
        recall, ndcg = found
        assert (recall.metric, ndcg.metric) == ("recall@10", "ndcg@10")
        assert recall.naive.mean > true + 0.1
        assert recall.debiased.mean == pytest.approx(true, abs=0.02)
        assert recall.debiased.low <= true <= recall.debiased.high
        assert recall.difference.mean == pytest.approx(recall.debiased.mean - recall.naive.mean)
        assert recall.difference.low < recall.difference.mean < recall.difference.high < 0
        assert 0 < recall.effective < 1


def test_snips_is_unbiased_over_many_draws():
    errors, naive = [], []
    for seed in range(60):
        likes, observed, top, propensities = simulate(seed, n_users=200)
        true = likes[:, :10].sum() / likes.sum()
        truth = csr_array(observed.astype(np.float32))
        part, whole = weighed_recall(top, truth, 1 / propensities)
        errors.append(part.sum() / whole.sum() - true)
        part, whole = weighed_recall(top, truth, np.ones(len(propensities)))
        naive.append(part.sum() / whole.sum() - true)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors)) + 0.003
    assert np.mean(naive) > 0.1


def test_seeds_are_pooled_and_without_propensities_there_is_nothing():
    _, observed, top, propensities = simulate(1, n_users=100)
    asked = make_test_set(observed, propensities)
    lists = top[asked.users]
    once = compare_debiased({"full": [lists]}, [asked], 10, np.random.default_rng(0))
    twice = compare_debiased({"full": [lists, lists]}, [asked, asked], 10, np.random.default_rng(0))
    assert twice[0].debiased == once[0].debiased
    assert compare_debiased({"full": [lists]}, [replace(asked, inverse=None)], 10, np.random.default_rng(0)) == []
