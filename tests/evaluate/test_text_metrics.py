"""Figures of texts: bounds, symmetries, and cases with a provable answer."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgrec.evaluate.text_metrics import different, distinct, likeness, picked, self_bleu, tokens

WORDS = st.lists(
    st.sampled_from(["the", "red", "cat", "sat", "on", "a", "mat", "海", "边", "1984"]), min_size=1, max_size=8
)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.lists(WORDS.map(" ".join), min_size=2, max_size=6)


@CALM
@given(TEXTS, st.integers(1, 3))
def test_distinct_lies_between_0_and_1_and_falls_when_all_is_said_twice(texts, n):
    once, twice = distinct(texts, n), distinct([*texts, *texts], n)
    if np.isnan(once):
        assert np.isnan(twice)
        return
    assert 0 < once <= 1
    assert twice == pytest.approx(once / 2)


@CALM
@given(TEXTS)
def test_different_pairs_are_counted(texts):
    n = len(texts)
    pairs = [texts[i] != texts[j] for i in range(n) for j in range(n) if i != j]
    assert different(texts) == pytest.approx(np.mean(pairs))
    assert np.isnan(different(texts[:1]))


@CALM
@given(st.integers(1, 7), st.data())
def test_who_is_picked_out(g, data):
    values = st.lists(st.integers(0, 3), min_size=g * g, max_size=g * g)
    similarity = np.array(data.draw(values), dtype=float).reshape(g, g)
    found = picked(similarity)
    for i, row in enumerate(similarity):
        best = [j for j in range(g) if row[j] == row.max()]
        assert found[i] == pytest.approx(1 / len(best) if i in best else 0.0)
    order = np.array(data.draw(st.permutations(range(g))))
    assert picked(similarity[order][:, order]).sum() == pytest.approx(found.sum())


def test_chance_is_one_in_ten():
    assert picked(np.zeros((10, 10))).mean() == pytest.approx(0.1)
    assert picked(np.eye(10)).tolist() == [1.0] * 10


@CALM  # the first Chinese word loads a dictionary
@given(TEXTS, TEXTS)
def test_likeness_is_a_cosine(profiles, texts):
    found = likeness(profiles, texts)
    assert found.shape == (len(profiles), len(texts))
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
    assert np.allclose(likeness(profiles, texts[::-1]), found[:, ::-1])


def test_a_text_is_most_like_the_profile_that_shares_its_rare_words():
    profiles = ["drama Alien Blade Runner", "drama Casablanca Vertigo", "drama Amelie Delicatessen"]
    texts = ["You liked Alien: also a drama.", "You liked Vertigo: also a drama.", "A drama."]
    found = likeness(profiles, texts)
    assert found[:2].argmax(axis=0).tolist()[:2] == [0, 1]
    assert picked(found)[:2].tolist() == [1.0, 1.0]
    assert np.allclose(found[:, 2], 0)  # what all profiles have tells nobody apart


def test_self_bleu_of_the_same_and_of_nothing_in_common():
    pytest.importorskip("sacrebleu")
    same = self_bleu(["the red cat sat on the mat today"] * 3, "en")
    apart = self_bleu(["the red cat sat on the mat", "quantum flux over green oceans"], "en")
    assert same == pytest.approx([1.0] * 3)
    assert (apart < 0.1).all()
    assert np.isnan(self_bleu(["alone"], "en")).all()
    assert self_bleu(["红色的猫坐在垫子上"] * 2, "zh") == pytest.approx([1.0, 1.0])


@CALM
@given(TEXTS)
def test_self_bleu_lies_between_0_and_1(texts):
    found = self_bleu(texts, "en")
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_words_and_characters():
    assert tokens("《银河来信》 is Ada's 2nd film") == ["银", "河", "来", "信", "is", "ada's", "2nd", "film"]
    assert distinct([], 1) != distinct([], 1)
