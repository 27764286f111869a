import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import csr_array

from kgrec.models.ndcg import hits, recall_ndcg
from kgrec.models.top_k import top_k

SCORES = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
    elements=st.one_of(st.floats(-5, 5, width=32), st.just(np.nan), st.just(-np.inf)),
)


@given(SCORES, st.integers(1, 15))
def test_top_k_equals_sorting_each_row(scores, k):
    positions, values = top_k(scores, k)
    assert positions.shape == values.shape == (len(scores), k)
    for row, found, value in zip(scores, positions, values, strict=True):
        usable = sorted((float(s) for s in row if s > -np.inf), reverse=True)[:k]
        taken = found[found >= 0]
        assert value[: len(usable)].tolist() == pytest.approx(usable)
        assert len(taken) == len(usable) == len(set(taken))
        assert np.all(found[len(usable) :] == -1)
        assert np.all(row[taken] == value[: len(taken)])


@pytest.mark.parametrize("k", [1, 20, 200])
@pytest.mark.parametrize("case", ["plain", "holes", "few", "ties", "nothing"])
def test_top_k_of_long_rows_equals_sorting_each_row(case, k):
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(6, 5_003)).astype(np.float32)
    if case == "holes":
        scores[rng.random(scores.shape) < 0.5] = np.nan
        scores[rng.random(scores.shape) < 0.3] = -np.inf
    elif case == "few":
        scores[:, 7:] = -np.inf
    elif case == "ties":
        scores = np.round(scores)
        scores[0] = 1.0
    elif case == "nothing":
        scores[:3] = np.nan
    positions, values = top_k(scores, k)
    usable = np.where(np.isnan(scores), -np.inf, scores)
    np.testing.assert_array_equal(values, -np.sort(-usable, axis=1)[:, :k])
    assert np.all((positions >= 0) == (values > -np.inf))
    np.testing.assert_array_equal(np.take_along_axis(usable, positions, axis=1)[positions >= 0], values[positions >= 0])
    for row in positions:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def test_no_items_give_empty_lists():
    positions, values = top_k(np.zeros((2, 0), dtype=np.float32), 3)
    assert positions.tolist() == [[-1] * 3] * 2
    assert np.all(values == -np.inf)


def reference(top, relevant, k):
    """Recall and NDCG of one list, written as in the textbook."""
    gains = [1.0 if item in relevant else 0.0 for item in top]
    dcg = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return sum(gains) / len(relevant), dcg / ideal


@given(
    npst.arrays(np.float32, (4, 9), elements=st.floats(0, 1, width=32), unique=True),
    npst.arrays(np.bool_, (4, 9)),
    st.integers(1, 9),
)
def test_recall_and_ndcg_equal_the_textbook(scores, truth, k):
    top, _ = top_k(scores, k)
    recall, ndcg = recall_ndcg(top, csr_array(truth))
    for user in range(4):
        relevant = set(np.flatnonzero(truth[user]))
        if not relevant:
            assert np.isnan(recall[user])
            assert np.isnan(ndcg[user])
        else:
            expected = reference(top[user].tolist(), relevant, k)
            assert (recall[user], ndcg[user]) == pytest.approx(expected)


def test_missing_places_are_no_hits():
    truth = csr_array(np.array([[True, False], [False, False]]))
    assert hits(np.array([[0, -1], [-1, -1]]), truth).tolist() == [[True, False], [False, False]]


def test_equal_scores_at_the_last_place_keep_the_order_of_the_positions():
    scores = np.random.default_rng(3).integers(0, 4, (50, 60)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")
    for k in (1, 5, 20, 60):
        np.testing.assert_array_equal(top_k(scores, k)[0], expected[:, :k])
