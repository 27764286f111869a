"""The parts of a fused score sum to it, for every built-in scorer that claims to split."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.explain.contributions import BASELINE, WHOLE, by_history, decompose
from kgrec.explain.counterfactual import Removal, counterfactual, deletion
from kgrec.explain.path_quality import entity_popularity, fidelity, linking_recency, type_diversity
from kgrec.explain.reasons import Route, Step, Stop
from kgrec.explain.why import Explanation, picture
from kgrec.graph.drawing import to_svg
from kgrec.graph.paths import PathFinder
from kgrec.models.als import ALS
from kgrec.models.content import Content
from kgrec.models.ease import EASE
from kgrec.models.gnn.scorer import GNN
from kgrec.models.graph_filter import GraphFilter
from kgrec.models.item_knn import ItemKNN
from kgrec.models.popularity import Popularity
from kgrec.models.transitions import Transitions
from kgrec.plugin.protocols import Contribution
from kgrec.ranking.cold import ColdPlacement
from kgrec.ranking.ranker import Ranker
from kgrec.testing import toy_training_data
from kgrec.types import Profile, Triples

MAKERS = {
    "popularity": Popularity,
    "item-knn": ItemKNN,
    "ease": EASE,
    "als": lambda: ALS(factors=4, iterations=2),
    "content": Content,
    "transitions": Transitions,
    "graph-filter": GraphFilter,
    "gnn": lambda: GNN(embedding_size=8, epochs=6),
}


@pytest.fixture(scope="module")
def data():
    return toy_training_data()


def ranker_of(data, scorers, cold=None):
    seen = csr_array(data.matrix.astype(bool))
    names = [f"i{k}" for k in range(data.n_items)]
    weights = {name: 1 / len(scorers) for name in scorers}
    fallback = {"popularity": Popularity().fit(data, seed=1)}
    users = [f"u{k}" for k in range(data.n_users)]
    return Ranker(users, names, seen, {**fallback, **scorers}, weights, cold=cold)


def check_sums(ranker, data):
    items = np.arange(data.n_items)
    for user in range(data.n_users):
        parts, (total,) = ranker.split(np.array([user]))
        split = decompose(ranker, user, items, parts)
        np.testing.assert_allclose([sum(p.value for p in own) for own in split], total, atol=1e-4)
        yield split


@pytest.mark.parametrize("name", MAKERS)
def test_parts_of_every_scorer_sum_to_the_score(data, name):
    ranker = ranker_of(data, {name: MAKERS[name]().fit(data, seed=1)})
    kinds = {p.kind for split in check_sums(ranker, data) for own in split for p in own}
    assert WHOLE not in kinds
    assert kinds - {BASELINE}


@pytest.mark.parametrize("name", MAKERS)
def test_parts_of_somebody_new_sum_to_the_score_too(data, name):
    ranker = ranker_of(data, {name: MAKERS[name]().fit(data, seed=1)})
    words = None if data.user_text is None else data.user_text[0]
    profile = Profile(np.array([0, 2]), np.array([1.0, 0.5], np.float32), text_vector=words)
    parts, (total,) = ranker.split([profile])
    items = np.arange(data.n_items)
    kinds = set()
    for item, own in zip(items, decompose(ranker, None, items, parts, profile), strict=True):
        assert sum(p.value for p in own) == pytest.approx(total[item], abs=1e-4)
        kinds |= {p.kind for p in own}
        assert {p.source for p in own if p.kind == "item"} <= {0, 2}
    assert WHOLE not in kinds
    assert {p.kind for own in decompose(ranker, None, items, parts) for p in own} <= {WHOLE}


def test_parts_sum_to_the_score_of_a_fusion_with_cold_items(data):
    scorers = {name: MAKERS[name]().fit(data, seed=1) for name in ("ease", "content")}
    cold = ColdPlacement(np.array([1, data.n_items - 1, 2]), ("content",), 0.3)
    assert list(check_sums(ranker_of(data, scorers, cold), data))


class Liar(Popularity):
    """Claims a split that does not sum to its score."""

    def contributions(self, user, items):
        return [Contribution("popularity", np.array([-1]), np.full((len(items), 1), 1e3))]


class Silent(Popularity):
    """Cannot be split."""

    contributions = None


@pytest.mark.parametrize("kind", [Liar, Silent])
def test_who_cannot_split_or_splits_wrongly_is_said_to_be_whole(data, kind):
    scorer = kind().fit(data, seed=1)
    if kind is Silent:
        scorer = SimpleNamespace(score=scorer.score)
    ranker = ranker_of(data, {"a": scorer})
    parts = ranker.split(np.array([0]))[0]
    (own,) = decompose(ranker, 0, np.array([3]), parts)
    assert [(p.kind, p.value) for p in own] == [(WHOLE, pytest.approx(float(parts["a"][0, 3])))]


def test_what_the_second_stage_adds_is_a_part_of_its_own(data):
    ranker = ranker_of(data, {"a": Popularity().fit(data, seed=1)})
    parts = ranker.split(np.array([0]))[0]
    parts["second-stage"] = np.full_like(parts["a"], 0.5)
    (own,) = decompose(ranker, 0, np.array([3]), parts)
    assert [(p.kind, p.value) for p in own if p.scorer == "second-stage"] == [(WHOLE, 0.5)]
    assert sum(p.value for p in own) == pytest.approx(float(parts["a"][0, 3]) + 0.5, abs=1e-5)


def test_a_counterfactual_is_verified_and_minimal(data):
    ranker = ranker_of(data, {"ease": EASE().fit(data, seed=1)})
    row = data.matrix[[0]]
    profile = Profile(row.indices.astype(np.int64), row.data)
    (scores,) = ranker.fused([profile])
    scores[row.indices] = -np.inf
    item = int(np.argmax(scores))
    removal = Removal(ranker, profile, csr_array(row), item)
    speaks = by_history(decompose(ranker, 0, np.array([item]), ranker.split(np.array([0]))[0])[0], data.n_items)
    found = counterfactual(removal, speaks, 1)
    if found is None:
        every = [np.array([one]) for one in profile.items]
        assert (removal.ranks(every) == 1).all()
        return
    assert (found.before, removal.ranks([found.items])[0]) == (1, found.after)
    assert found.after > 1
    fewer = [np.delete(found.items, k) for k in range(len(found.items))]
    assert (removal.ranks(fewer) == 1).all()


def test_a_deletion_needs_enough_others(data):
    ranker = ranker_of(data, {"ease": EASE().fit(data, seed=1)})
    profile = Profile(np.array([0, 2, 3]), np.ones(3, np.float32))
    removal = Removal(ranker, profile, ranker.seen_at_training([profile]), 4)
    rng = np.random.default_rng(0)
    assert deletion(removal, np.array([0, 2]), rng) is None
    falls = deletion(removal, np.array([0]), rng, draws=3)
    assert falls is not None
    assert np.isfinite(falls).all()


def test_a_path_over_two_entities():
    edges = np.array([(0, 0, 3), (4, 1, 3), (1, 0, 4), (2, 0, 5)])
    heads, relations, tails = edges.T
    graph = Triples(heads, relations, tails, np.ones(4, np.float32), 3, 6, ("set_in", "contains"))
    (path,) = PathFinder(graph).routes(np.array([0]), np.ones(1), 1)
    assert path.nodes == (0, 3, 4, 1)
    assert (path.relations, path.forward) == (("set_in", "contains", "set_in"), (True, False, False))
    assert not PathFinder(graph).routes(np.array([0]), np.ones(1), 1, bridged=False)
    assert not PathFinder(graph).routes(np.array([0]), np.ones(1), 2)


def test_figures_of_path_quality():
    recency = linking_recency(np.array([30, 10, 20]), beta=0.5)
    np.testing.assert_allclose(recency, [1.0, 0.0, 0.25 / 0.625])
    assert linking_recency(np.array([5, 5])).tolist() == [1.0, 1.0]
    assert not len(entity_popularity(np.zeros(0, np.int64)))
    assert fidelity([True, False]) == 0.5
    assert type_diversity([("a", "b"), ("a", "b"), ("c", "c")]) == pytest.approx(2 / 3)


def test_paths_are_drawn():
    stops = (
        Stop("user", "u", "u"),
        Stop("item", "a", "Alien"),
        Stop("entity", "e", "Scott"),
        Stop("item", "b", "Cube"),
    )
    steps = (Step("like", "liked", True), Step("by", "directed by", True), Step("by", "director of", False))
    other = (stops[0], stops[1], Stop("entity", "g", "Horror"), stops[3])
    paths = (Route(stops, steps, 1.0, 0.5), Route(other, steps, 0.5, 0.5))
    found = Explanation("u", "b", "Cube", 1.0, 1, 10, 9, (), paths, "")
    svg = to_svg(picture(found))
    assert all(name in svg for name in ("Alien", "Scott", "Horror", "Cube", "directed by"))
