"""Re-rankers: what each must do, the pipeline of several, and the whole way from the command line's words to lists."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.errors import ConfigError, NotFoundError, PluginError, UsageError
from kgrec.models.top_k import with_reserved
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.rerank.base import as_they_are, quota
from kgrec.ranking.rerank.pipeline import build, parse, prepare
from kgrec.testing import toy_candidates, toy_rerank_data

REGISTRY = load_plugins().registry("re-ranker")
STRENGTH = 0.4


def reranked(name, data, lists, **options):
    return REGISTRY[name].build(options).prepare(data).rerank(lists)


def pipeline(data, *named, tables=None):
    nothing = csr_array(data.likes.shape, dtype=np.bool_)
    return prepare(build(named, REGISTRY, tables or {}), data, bought=nothing, candidates=20)


def greedy(lists, row, value):
    """Choose ``n`` columns one by one, the plain way."""
    chosen = []
    for _ in range(lists.n):
        others = [c for c in np.flatnonzero(lists.items[row] >= 0) if c not in chosen]
        if others:
            chosen.append(max(others, key=lambda c: value(chosen, c)))
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_mmr_is_the_plain_greedy_choice(seed):
    data = toy_rerank_data(seed)
    lists = toy_candidates(data, seed=seed)
    vectors, relevance = data.vectors("auto"), lists.relevance()
    columns = reranked("mmr", data, lists, strength=STRENGTH)
    for row, items in enumerate(lists.items):

        def value(chosen, c, items=items, row=row):
            near = max((float(vectors[items[c]] @ vectors[items[k]]) for k in chosen), default=0.0)
            return (1 - STRENGTH) * relevance[row, c] - STRENGTH * near

        expected = greedy(lists, row, value)
        assert columns[row, : len(expected)].tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_dpp_is_the_plain_greedy_maximum_of_the_determinant(seed):
    data = toy_rerank_data(seed)
    lists = toy_candidates(data, seed=seed, n=4)  # fewer than the vectors are long: the determinant is not 0
    vectors, relevance = data.vectors("auto").astype(np.float64), lists.relevance()
    columns = reranked("dpp", data, lists, strength=STRENGTH)
    for row, items in enumerate(lists.items):

        def value(chosen, c, items=items, row=row):
            all_of = [*chosen, c]
            own = vectors[items[all_of]]
            cosines = own @ own.T
            np.fill_diagonal(cosines, 1.0)
            volume = math.log(max(np.linalg.det(cosines), 1e-12))
            return (1 - STRENGTH) * relevance[row, all_of].sum() + STRENGTH * volume

        expected = greedy(lists, row, value)
        assert columns[row, : len(expected)].tolist() == expected


def test_calibration_is_the_plain_greedy_choice():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    genres = data.item_groups("genre").matrix.toarray().astype(float)
    genres /= np.maximum(genres.sum(axis=1, keepdims=True), 1)
    history, relevance = lists.liked.toarray() @ genres, lists.relevance()
    columns = reranked("calibrated", data, lists, strength=STRENGTH)
    for row, items in enumerate(lists.items):
        p = history[row] / history[row].sum()

        def value(chosen, c, items=items, row=row, p=p):
            q = genres[items[[*chosen, c]]].mean(axis=0)
            mixed = 0.99 * q + 0.01 * p
            divergence = sum(p[g] * math.log(p[g] / mixed[g]) for g in range(len(p)) if p[g] > 0)
            return (1 - STRENGTH) * relevance[row, c] - STRENGTH * divergence

        expected = greedy(lists, row, value)
        assert columns[row, : len(expected)].tolist() == expected


@given(
    wanted=st.lists(st.booleans(), min_size=1, max_size=12),
    share=st.floats(0, 1),
    n=st.integers(1, 12),
)
def test_quota_holds_in_every_beginning_and_costs_no_more_than_it_must(wanted, share, n):
    mask = np.array([wanted])
    columns = quota(as_they_are(np.where(mask, 1, 0)), mask, share, n)[0]
    assert sorted(columns) == list(range(len(wanted)))
    for p in range(1, min(n, len(wanted)) + 1):
        assert mask[0, columns[:p]].sum() >= min(int(share * p + 1e-9), mask.sum())
    for kind in (True, False):  # neither the wanted nor the others change their order among themselves
        of_kind = [c for c in columns if wanted[c] == kind]
        assert of_kind == sorted(of_kind)


def test_the_popular_the_tail_and_the_cap():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    row = lists.items[0]
    by_popularity = row[reranked("popularity", data, lists, strength=1.0)[0]]
    assert (np.diff(data.popularity[by_popularity]) >= 0).all()
    brands = data.item_groups("brand").matrix.toarray()
    kept = reranked("cap", data, lists, attribute="brand", most=1)[0]
    of_kept = brands[row[kept[kept >= 0]]].sum(axis=0)
    assert of_kept.max() == 1
    assert (of_kept > 0).sum() == (brands[row].sum(axis=0) > 0).sum()


def test_rules_pin_block_and_boost():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    items = lists.items[0]
    steps = {"block": [f"i{items[0]}", "genre=a"], "pin": [f"i{items[7]}"], "boost": {f"i{items[9]}": 5}}
    pinned_genre = data.item_groups("genre").matrix.toarray()[:, 0]
    shown = items[[c for c in reranked("rules", data, lists, **steps)[0] if c >= 0]]
    allowed = [k for k in (items[7], items[9]) if not pinned_genre[k]]
    assert shown[: len(allowed)].tolist() == allowed
    assert items[0] not in shown
    assert not pinned_genre[shown].any()
    with pytest.raises(NotFoundError, match="unknown value 'z'"):
        reranked("rules", data, lists, block=["genre=z"])


def test_bought_and_its_kind_are_dropped():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    shown = reranked("bought", data, lists, attribute="brand")
    brands = data.item_groups("brand").matrix.toarray()
    for row in range(len(lists.users)):
        owned = brands[lists.bought.toarray()[row]].any(axis=0)
        kept = lists.items[row][shown[row][shown[row] >= 0]]
        assert not (brands[kept] & owned).any()


def test_fairness_gives_the_protected_their_share_and_user_groups_parity():
    data = toy_rerank_data()
    lists = toy_candidates(data, n=10)
    columns = reranked(
        "fair", data, lists, attribute="brand", strength=0.0, min_share=0.5, protected=["brand 1", "brand 2"]
    )
    wanted = np.isin(np.arange(data.n_items) % 8, [1, 2]) & (np.arange(data.n_items) < data.n_items - 1)
    for items, row in zip(lists.items, columns, strict=True):
        there = wanted[items[items >= 0]].sum()
        assert wanted[items[row[:10][row[:10] >= 0]]].sum() >= min(there, 5 if (items >= 0).all() else 0)
    with pytest.raises(NotFoundError, match="unknown value 'nobody'"):
        reranked("fair", data, lists, attribute="brand", protected=["nobody"])


def test_exploration_draws_from_behind_the_list_and_anew_with_another_seed():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    columns = reranked("explore", data, lists, share=0.5)[0]
    assert (columns[: lists.n] >= lists.n).sum() == 3
    drawn = [reranked("explore", replace(data, seed=seed), lists, share=0.5)[0].tolist() for seed in range(3)]
    assert len({tuple(row) for row in drawn}) > 1


def test_a_share_that_is_no_whole_number_of_places_holds_on_average():
    data = toy_rerank_data()
    one = toy_candidates(data)
    n_users = 400
    rows = np.zeros(n_users, dtype=np.int64)
    lists = replace(
        one,
        users=np.arange(n_users),
        items=one.items[rows],
        scores=one.scores[rows],
        liked=one.liked[rows],
        bought=one.bought[rows],
        fused=None,
    )
    share = 0.5 / lists.n
    columns = reranked("explore", data, lists, share=share)
    drawn = (columns[:, : lists.n] >= lists.n).sum(axis=1)
    assert set(drawn.tolist()) == {0, 1}
    assert 0.4 < drawn.mean() < 0.6
    np.testing.assert_array_equal(columns, reranked("explore", data, lists, share=share))
    assert (reranked("explore", data, lists, share=1 / lists.n)[:, : lists.n] >= lists.n).sum() == n_users


def test_steps_take_the_order_before_as_what_is_relevant():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    both = pipeline(data, "popularity:1.0", "cap:brand,most=1")
    items, scores = both.apply(lists.items, lists.scores, lists.users, lists.liked, 6)
    popularity = data.popularity[items[0]]
    assert (np.diff(popularity) >= 0).all()
    known = dict(zip(lists.items[0].tolist(), lists.scores[0].tolist(), strict=True))
    assert [known[item] for item in items[0].tolist()] == scores[0].tolist(), "each item keeps its own score"
    untouched = pipeline(data, "mmr:0", "dpp:0")
    same, _ = untouched.apply(lists.items, lists.scores, lists.users, lists.liked, 6)
    np.testing.assert_array_equal(same, lists.items[:, :6])


@pytest.mark.parametrize("bad", [[[0, 0]], [[0, 5]], [[-1, 0]], [[0]]], ids=["twice", "added", "gap", "shape"])
def test_a_reranker_that_adds_is_found_out(bad):
    class Wrong:
        def prepare(self, _data):
            return self

        def rerank(self, _lists):
            return np.array(bad)

    data = toy_rerank_data()
    chain = prepare([("wrong", Wrong())], data, bought=csr_array(data.likes.shape, dtype=np.bool_), candidates=2)
    with pytest.raises(PluginError, match="'wrong'"):
        chain.apply(np.array([[3, 4]]), np.array([[1.0, 0.5]], np.float32), np.array([0]), data.likes[[0]], 2)


def test_words_of_the_command_line():
    assert parse("mmr", REGISTRY) == ("mmr", {})
    assert parse("mmr:0.3,by=text", REGISTRY) == ("mmr", {"strength": 0.3, "by": "text"})
    assert parse("fair:provider,min_share=0.2", REGISTRY) == ("fair", {"attribute": "provider", "min_share": 0.2})
    assert parse("rules:genre=Space", REGISTRY) == ("rules", {"block": "genre=Space"})
    assert parse("mmr:by=text", REGISTRY) == ("mmr", {"by": "text"})
    assert build(["none"], REGISTRY, {}) == []
    with pytest.raises(NotFoundError, match="unknown re-ranker 'mrm'"):
        build(["mrm:0.3"], REGISTRY, {})
    with pytest.raises(UsageError, match="not of the form"):
        parse("mmr:0.3,text", REGISTRY)
    with pytest.raises(ConfigError, match="strength must be less than or equal to 1, not 3"):
        build(["mmr:3"], REGISTRY, {})
    with pytest.raises(NotFoundError, match="unknown re-ranker 'nmr'"):
        build([], REGISTRY, {"nmr": {}})


def test_reserved_items_join_the_candidates_once():
    scores = np.array([[0.1, 0.9, -np.inf, 0.5]], dtype=np.float32)
    items, values = with_reserved(scores, np.array([[1]]), np.array([[0.9]], np.float32), np.array([0, 1, 2]))
    assert items.tolist() == [[1, 0, -1, -1]]
    assert values[0, 1] == np.float32(0.1)


@pytest.mark.parametrize(("first", "second"), [("long-tail:0.3", "novelty:0.4"), ("novelty:0.4", "long-tail:0.3")])
def test_any_order_of_steps_gives_full_lists(first, second):
    data = toy_rerank_data()
    lists = toy_candidates(data)
    items, _ = pipeline(data, first, second).apply(lists.items, lists.scores, lists.users, lists.liked, 6)
    assert (items[0] >= 0).all()
