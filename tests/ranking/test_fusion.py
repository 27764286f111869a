import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kgrec.models.top_k import top_k
from kgrec.ranking.fusion_weights import Candidates, learn_weights
from kgrec.ranking.score_stats import standardise


@given(npst.arrays(np.float32, (3, 8), elements=st.one_of(st.floats(-100, 100, width=32), st.just(np.nan))))
def test_standard_scores_have_mean_zero_and_deviation_one_or_say_nothing(scores):
    standard = standardise(scores)
    assert standard.dtype == np.float32
    assert np.isfinite(standard).all()
    for row, known in zip(standard, np.isfinite(scores), strict=True):
        assert np.all(row[~known] == 0)
        if row.any():
            assert row[known].mean() == pytest.approx(0, abs=1e-2)
            assert row[known].std() == pytest.approx(1, abs=1e-2)


@given(
    npst.arrays(np.float32, (2, 6), elements=st.floats(-10, 10, width=32)),
    st.floats(0.5, 20),
    st.floats(-5, 5),
)
def test_scale_and_offset_of_a_scorer_do_not_matter(scores, scale, offset):
    shifted = (scores * np.float32(scale) + np.float32(offset)).astype(np.float32)
    spread = scores.std(axis=1) > 0.1
    np.testing.assert_allclose(standardise(scores)[spread], standardise(shifted)[spread], atol=1e-2)


def candidates(rng, quality, n_users=200, n_items=50):
    """Return scorers that see the one relevant item of each user through noise; ``quality`` is its lift, one each."""
    relevant = np.zeros((n_users, n_items), dtype=np.bool_)
    relevant[np.arange(n_users), rng.integers(n_items, size=n_users)] = True
    noise = rng.normal(size=(len(quality), n_users, n_items))
    scores = noise + np.array(quality)[:, None, None] * relevant
    return Candidates(scores.astype(np.float32), relevant, relevant.sum(axis=1))


def test_two_independent_good_scorers_share_and_a_useless_one_gets_nothing():
    rng = np.random.default_rng(0)
    found = candidates(rng, [2.0, 2.0, 0.0])
    weights = learn_weights(["a", "b", "noise"], found, k=10, max_members=3, rng=np.random.default_rng(1))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["a"] > 0.2
    assert weights["b"] > 0.2
    assert weights.get("noise", 0) < 0.1
    blended = found.figures(np.array([weights["a"], weights["b"], weights.get("noise", 0)], dtype=np.float32), 10)
    assert blended.mean() > found.figures(np.array([1, 0, 0], dtype=np.float32), 10).mean()


def test_weights_depend_only_on_data_and_seed():
    found = candidates(np.random.default_rng(3), [1.0, 0.5, 0.7])
    runs = [learn_weights("abc", found, k=5, max_members=2, rng=np.random.default_rng(4)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) <= 2


def test_nobody_to_learn_from_gives_equal_weights():
    nobody = Candidates(np.zeros((2, 0, 1), np.float32), np.zeros((0, 1), np.bool_), np.zeros(0, np.int64))
    assert learn_weights("ab", nobody, k=5, max_members=2, rng=np.random.default_rng(0)) == {"a": 0.5, "b": 0.5}


def test_padding_is_never_recommended():
    scores = np.array([[[1.0, -np.inf, -np.inf]]], dtype=np.float32)
    padded = Candidates(scores, np.array([[False, True, False]]), np.array([1]))
    assert padded.figures(np.ones(1, dtype=np.float32), 3).mean() == 0


@pytest.mark.parametrize("n_likes", [1, 12])
def test_figure_from_ranks_is_that_of_the_lists(n_likes):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1, 50, 30)).astype(np.float32)
    relevant = np.argsort(rng.random((50, 30)), axis=1) < n_likes
    missed = rng.integers(3, size=50)  # held-out likes that are no candidates
    found = Candidates(scores, relevant, relevant.sum(axis=1) + missed)
    best, _ = top_k(scores[0], 5)
    discount = 1 / np.log2(np.arange(2, 7))
    ideal = np.cumsum(discount)[np.minimum(n_likes + missed, 5) - 1]
    expected = np.mean(np.take_along_axis(relevant, best, axis=1) @ discount / ideal)
    assert found.figures(np.ones(1, dtype=np.float32), 5).mean() == pytest.approx(expected)
    assert found.figures(np.ones((1, 50), dtype=np.float32), 5).mean() == pytest.approx(expected)


def test_equal_scores_count_against_a_like():
    flat = Candidates(np.zeros((1, 1, 4), np.float32), np.array([[True, False, False, False]]), np.array([1]))
    assert flat.figures(np.ones(1, dtype=np.float32), 3).mean() == 0
