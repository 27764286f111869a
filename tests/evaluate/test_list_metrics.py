"""Figures beyond accuracy: each against its definition, written with loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import csr_array

from kgrec.evaluate import metrics

N_ITEMS = 8


@st.composite
def tops(draw, k=4, n_users=3):
    """Lists without repetitions, some shorter than ``k``."""
    rows = []
    for _ in range(n_users):
        items = draw(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=k, unique=True))
        rows.append(items + [-1] * (k - len(items)))
    return np.array(rows, dtype=np.int64)


def listed(row):
    return [int(i) for i in row if i >= 0]


@given(tops())
def test_coverage_and_gini(top):
    counts = sorted(int((top == i).sum()) for i in range(N_ITEMS))
    assert metrics.coverage(top, N_ITEMS) == sum(c > 0 for c in counts) / N_ITEMS
    pairs = sum(abs(a - b) for a in counts for b in counts)  # half the relative mean absolute difference
    assert metrics.gini(top, N_ITEMS) == pytest.approx(pairs / (2 * N_ITEMS * sum(counts)))


def test_gini_of_equal_and_of_one_sided_lists():
    assert metrics.gini(np.array([[0, 1], [2, 3]]), 4) == pytest.approx(0)
    assert metrics.gini(np.array([[0], [0], [0]]), 4) == pytest.approx(0.75)
    assert np.isnan(metrics.gini(np.array([[-1]]), 4))


@given(tops(), npst.arrays(np.int64, N_ITEMS, elements=st.integers(0, 30)))
def test_novelty_and_popularity(top, popularity):
    novelty, arp = metrics.novelty(top, popularity, 30), metrics.recommended_popularity(top, popularity)
    for row, bits, mean in zip(top, novelty, arp, strict=True):
        items = listed(row)
        assert mean == pytest.approx(sum(popularity[i] for i in items) / len(items))
        assert bits == pytest.approx(sum(-math.log2((popularity[i] + 1) / 31) for i in items) / len(items))


@given(tops(), npst.arrays(np.float32, (N_ITEMS, 3), elements=st.sampled_from([0.0, 1.0, -1.0, 2.0])))
def test_diversity(top, features):
    norms = np.linalg.norm(features, axis=1)
    for row, found in zip(top, metrics.diversity(top, features), strict=True):
        pairs = list(itertools.combinations([i for i in listed(row) if norms[i] > 0], 2))
        if not pairs:
            assert np.isnan(found)
        else:
            cosines = [features[a] @ features[b] / (norms[a] * norms[b]) for a, b in pairs]
            assert found == pytest.approx(1 - sum(cosines) / len(pairs), abs=1e-5)


@given(tops(), tops(), npst.arrays(np.bool_, (3, 4)))
def test_serendipity(top, obvious, hit):
    hit &= top >= 0
    for row, good, known, found in zip(top, hit, obvious, metrics.serendipity(top, hit, obvious), strict=True):
        surprising = [i for i, g in zip(row, good, strict=True) if g and i not in listed(known)]
        assert found == len(surprising) / 4


@given(
    tops(),
    npst.arrays(np.float32, (3, N_ITEMS), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0])),
    npst.arrays(np.bool_, (N_ITEMS, 3)),
)
def test_miscalibration(top, history, categories):
    found = metrics.miscalibration(top, csr_array(history), csr_array(categories))

    def distribution(weights):
        total = np.zeros(3)
        for item, weight in weights:
            if categories[item].any():
                total += weight * categories[item] / categories[item].sum()
        return total / total.sum() if total.sum() else None

    for row, past, value in zip(top, history, found, strict=True):
        p = distribution(list(enumerate(past)))
        q = distribution([(i, 1.0) for i in listed(row)])
        if p is None or q is None:
            assert np.isnan(value)
        else:
            mixed = 0.99 * q + 0.01 * p
            assert value == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, mixed, strict=True) if a > 0))


def test_a_list_like_the_history_is_calibrated():
    categories = csr_array(np.eye(2, dtype=bool)[[0, 1, 0, 1]])
    history = csr_array(np.array([[1.0, 1.0, 0.0, 0.0]]))
    even, uneven = np.array([[2, 3]]), np.array([[2, 0]])
    assert metrics.miscalibration(even, history, categories)[0] == pytest.approx(0)
    assert metrics.miscalibration(uneven, history, categories)[0] > 1


@given(tops(), npst.arrays(np.int64, N_ITEMS, elements=st.integers(0, 30)), npst.arrays(np.bool_, (3, N_ITEMS)))
def test_popularity_lift(top, popularity, liked):
    found = metrics.popularity_lift(top, popularity, csr_array(liked))
    for row, likes, lift in zip(top, liked, found, strict=True):
        own = [popularity[i] for i in np.flatnonzero(likes)]
        if not sum(own):
            assert np.isnan(lift)
        else:
            listed_mean = np.mean([popularity[i] for i in listed(row)])
            assert lift == pytest.approx((listed_mean - np.mean(own)) / np.mean(own))


@given(tops(), npst.arrays(np.float64, N_ITEMS, elements=st.sampled_from([np.nan, 0.0, 86_400.0, 5e6])))
def test_age(top, appeared):
    now = 40 * 86_400.0
    for row, found in zip(top, metrics.age(top, appeared, now), strict=True):
        ages = [max((now - appeared[i]) / 86_400, 0.0) for i in listed(row) if not math.isnan(appeared[i])]
        assert found == pytest.approx(sum(ages) / len(ages) if ages else math.nan, nan_ok=True)
