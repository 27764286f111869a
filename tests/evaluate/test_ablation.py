"""Ablations take away what they say, and only that; slices cover the test; the report adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.item_features import item_categories, list_features
from kgrec.evaluate.ablation import EvaluationInputs, graph_utilisation, shuffle_tails, systems
from kgrec.evaluate.evaluator import run
from kgrec.evaluate.groups import head, make_slices, slice_ndcg
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.evaluate.summary import summarise
from kgrec.evaluate.test_set import TestSet
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_dataset
from kgrec.types import Triples

DOMAIN = Domain(name="generic", summary="")


def graph_of(dataset):
    """The toy's genres as triples."""
    genres = dataset.items["genres"].to_list()
    names = sorted({g for row in genres for g in row})
    pairs = [(item, dataset.n_items + names.index(g)) for item, row in enumerate(genres) for g in row]
    heads, tails = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    zeros, ones = np.zeros(len(heads), dtype=np.int64), np.ones(len(heads), dtype=np.float32)
    return Triples(heads, zeros, tails, ones, dataset.n_items, dataset.n_items + len(names), ("has_genre",))


def texts(dataset, split, names):
    """One vector a genre, so texts tell as much as the graph."""
    matrix = item_categories(dataset)[1]
    return np.asarray(matrix.todense(), dtype=np.float32), None


@given(st.integers(0, 40), st.integers(1, 4), st.integers(0, 5))
def test_shuffling_keeps_all_counts_and_stays_within_relations(n, n_relations, seed):
    rng = np.random.default_rng(seed)
    relations = rng.integers(n_relations, size=n)
    tails = 100 * relations + rng.integers(10, size=n)
    triples = Triples(np.arange(n), relations, tails, np.ones(n, np.float32), n, 1000, ("r",) * n_relations)
    found = shuffle_tails(triples, np.random.default_rng(seed))
    assert found.heads is triples.heads
    for relation in range(n_relations):
        of = relations == relation
        assert sorted(found.tails[of]) == sorted(tails[of])
    np.testing.assert_array_equal(triples.tails, tails)


def test_shuffling_destroys():
    n = 500
    tails = np.arange(n)
    triples = Triples(np.arange(n), np.arange(n) % 2, tails, np.ones(n, np.float32), n, n, ("a", "b"))
    assert (shuffle_tails(triples, np.random.default_rng(0)).tails == tails).mean() < 0.02


def test_the_systems_differ_in_one_thing_each():
    registry = load_plugins([]).registry("scorer")
    found = {s.name: s for s in systems(registry, ["ease", "content"], graph=True, text=True)}
    assert next(iter(found)) == "full"
    assert found["without graph"].graph == "none"
    assert found["without graph"].text
    assert found["without text"].graph == "true"
    assert not found["without text"].text
    assert found["without collaborative"].scorers == ("content",)
    assert found["only ease"].alone == "ease"
    plain = [s.name for s in systems(registry, ["ease"], graph=False, text=False)]
    assert plain == ["full"]


def test_graph_utilisation_is_the_relative_drop():
    true, destroyed = np.array([0.4, 0.6, np.nan]), np.array([0.3, 0.45, 0.9])
    found = graph_utilisation(true, destroyed, np.random.default_rng(0))
    assert found.mean == pytest.approx(0.25)
    assert found.low <= found.mean <= found.high


def evaluated(**options):
    dataset = toy_dataset()
    seen = []

    def encode(part, split, names):
        seen.append((part.interactions.height, names))
        return texts(part, split, names)

    inputs = EvaluationInputs(dataset, Config(), DOMAIN, load_plugins([]), graph_of(dataset), encode)
    plan = EvaluationPlan(ks=(3, 5), only=("popularity", "ease", "content"), **options)
    rounds = run(inputs, plan)
    return summarise(rounds, plan, dataset), rounds, seen, dataset


def test_ablations_on_the_toy_add_up():
    evaluation, rounds, seen, dataset = evaluated(ablate=True, seeds=(1, 2))
    names = [s.name for s in evaluation.systems]
    assert names[:5] == ["full", "without graph", "shuffled graph", "without text", "without collaborative"]
    assert [c.system for c in evaluation.comparisons if not c.by] == names[1:]
    figures = {s.name: s.metrics["ndcg@5"].mean for s in evaluation.systems}
    for comparison in evaluation.comparisons:
        if not comparison.by:
            assert comparison.paired.difference == pytest.approx(figures["full"] - figures[comparison.system])
            assert comparison.p_holm >= comparison.paired.p
    assert figures["full"] > figures["only popularity"]
    assert set(evaluation.graph_utilisation) == {"without graph", "shuffled graph"}
    assert all(height < dataset.interactions.height for height, _ in seen)  # texts of test rows are out of reach
    assert {names for _, names in seen} == {True, False}
    assert all(len(s.seeds["ndcg@5"]) == 2 for s in evaluation.systems)
    assert len(rounds) == 2
    document = evaluation.to_dict()
    assert document["plan"]["split"] == "ratio"
    assert document["systems"][0]["metrics"]["ndcg@5"]["n"] == 30


def test_the_same_seed_gives_the_same_figures():
    first, second = (evaluated(seeds=(5,))[0].to_dict() for _ in range(2))
    for document in (first, second):
        for system in document["systems"]:
            system.pop("seconds")
    assert first == second


def test_cold_items_are_ranked_among_themselves_and_among_all():
    evaluation, rounds, *_ = evaluated(split="cold-item")
    (found,) = rounds
    top = found.judged[0].result.top
    assert found.test_set.candidates[top[top >= 0]].all()
    full = evaluation.systems[0].metrics
    assert full["ndcg@5 among all items"].mean <= full["ndcg@5"].mean


def make_test_set(known, popularity, truth):
    n_users, n_items = truth.shape
    history = np.zeros((n_users, 30))
    for user, count in enumerate(known):
        history[user, :count] = 1
    history, truth = csr_array(history[:, : max(n_items, 30)]), csr_array(truth)
    empty = csr_array(truth.shape, dtype=bool)
    nothing = np.zeros((n_users, 0), int)
    return TestSet(np.arange(n_users), truth, empty, history, None, np.array(popularity), n_users, nothing)


def test_slices_cover_every_user_and_every_test_like_once():
    truth = np.eye(4, dtype=bool)[:, [0, 1, 2, 3]]
    asked = make_test_set([0, 2, 10, 25], [0, 2, 6, 40], truth)
    slices = make_slices(asked)
    users = sum(s.users.astype(int) for s in slices if s.by == "user activity")
    items = sum(s.items.astype(int) for s in slices if s.by == "item popularity")
    assert users.tolist() == [1, 1, 1, 1]
    assert items.tolist() == [1, 1, 1, 1]
    top = np.array([[0, 1], [0, 1], [0, 1], [0, 1]])
    by_name = {s.name: slice_ndcg(top, asked, s, 2) for s in slices}
    assert np.nanmean(by_name["cold (no likes)"]) == 1
    assert np.isnan(by_name["cold (no likes)"][1:]).all()
    assert np.nanmean(by_name["more than 20 likes"]) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_the_head_is_the_fewest_items_with_half_of_all_likes(counts):
    popularity = np.array(counts)
    marked = head(popularity)
    if not popularity.sum():
        assert not marked.any()
    else:
        assert popularity[marked].sum() >= popularity.sum() / 2
        assert popularity[marked].sum() - popularity[marked].min() < popularity.sum() / 2


def test_the_attribute_that_sorts_items_is_found():
    name, matrix = item_categories(toy_dataset())
    assert name == "genres"
    assert matrix.shape[0] == 24
    assert matrix.sum() == toy_dataset().items["genres"].list.len().sum()
    assert list_features(None, matrix).shape == matrix.shape
    assert list_features(None, None) is None
