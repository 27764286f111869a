"""The scorer of cold items: the contract, the toys of graph and texts, and what it promises of its own."""

from dataclasses import replace

import numpy as np
import pytest

from kgrec.models.cold_items import ColdStart
from kgrec.models.content import learn
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.testing.toys import graph_toy, text_toy
from kgrec.types import Profile


class TestColdStart(ScorerContract):
    solves = ("graph", "text")

    def make(self):
        return ColdStart(regularization=5, content_ridge=1)


class TestColdStartByRegressionAlone(ScorerContract):
    solves = ("graph", "text")

    def make(self):
        return ColdStart(regularization=5, content_ridge=1, nearest=0, max_landmarks=12)


def test_only_items_without_likes_that_have_content_are_scored():
    data = toy_training_data()
    described = replace(
        data, item_text=np.where(np.arange(data.n_items)[:, None] == data.n_items - 1, 0, data.item_text)
    )
    assert np.isnan(ColdStart().fit(described, seed=0).score(np.arange(5))).all()  # the cold one has neither
    toy = text_toy()
    scores = ColdStart().fit(toy.data, seed=0).score(np.arange(4))
    cold = np.bincount(toy.data.matrix.indices, minlength=toy.data.n_items) == 0
    assert np.isfinite(scores[:, cold]).all()
    assert np.isnan(scores[:, ~cold]).all()


def test_new_user_with_the_history_of_an_old_one_gets_the_same_scores():
    toy = graph_toy()
    scorer = ColdStart().fit(toy.data, seed=0)
    row = toy.data.matrix[[3]]
    found = scorer.score_new(Profile(row.indices.astype(np.int64), row.data))
    np.testing.assert_allclose(found, scorer.score(np.array([3]))[0], rtol=1e-5)


def test_contributions_sum_to_the_scores_of_cold_items():
    toy = text_toy()
    scorer = ColdStart().fit(toy.data, seed=0)
    items = np.array([toy.data.n_items - 2, toy.data.n_items - 1])
    scores = scorer.score(np.array([1]))[0, items]
    parts = scorer.contributions(1, items)
    np.testing.assert_allclose(sum(part.values.sum(axis=1) for part in parts), scores, atol=1e-4)


def learned(data):
    warm = np.bincount(data.matrix.indices, minlength=data.n_items) > 0
    return learn(data, data.matrix, warm, np.random.default_rng(0))


def test_kernel_is_positive_and_its_diagonal_one_in_the_mean():
    data = toy_training_data()
    everything = np.arange(data.n_items)
    kernel = learned(data)
    found = kernel.between(everything, everything)
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    assert np.diag(found)[kernel.described].mean() == pytest.approx(1, abs=0.05)
    assert np.linalg.eigvalsh(found.astype(np.float64)).min() > -1e-5


def test_relation_that_tells_who_likes_what_counts_more_than_one_of_no_meaning():
    toy = graph_toy(n=48)
    triples, rng = toy.data.triples, np.random.default_rng(0)
    noise = rng.integers(4, size=48) + triples.n_nodes
    both = replace(
        triples,
        heads=np.concatenate([triples.heads, np.arange(48)]),
        relations=np.concatenate([triples.relations, np.full(48, 2)]),
        tails=np.concatenate([triples.tails, noise]),
        weights=np.ones(len(triples) + 48, dtype=np.float32),
        n_nodes=triples.n_nodes + 4,
        relation_names=(*triples.relation_names, "noise"),
    )
    kernel = learned(replace(toy.data, triples=both))
    everything = np.arange(48)
    found = kernel.between(everything, everything)
    same_taste = np.equal.outer(everything % 2, everything % 2) & ~np.eye(48, dtype=bool)
    same_noise = np.equal.outer(noise, noise) & ~np.equal.outer(everything % 2, everything % 2)
    assert found[same_taste].mean() > 2 * found[same_noise].mean()


def test_without_content_nothing_is_described():
    data = replace(toy_training_data(), item_text=None, triples=None)
    assert not learned(data).described.any()


def test_says_why_it_is_of_no_use():
    data = toy_training_data()
    assert ColdStart.unusable(data) == ""
    assert "neither" in ColdStart.unusable(replace(data, item_text=None, triples=None))
    full = data.matrix.toarray()
    full[0] = 1
    assert "likes" in ColdStart.unusable(replace(data, matrix=type(data.matrix)(full)))


@pytest.mark.parametrize("wrong", [{"content_ridge": 0}, {"neighbours": 0}, {"nearest": -1}])
def test_unusable_option_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ColdStart(**wrong)
