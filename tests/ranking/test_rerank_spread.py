"""Re-rankers that give variety and coverage at little cost: spread, reach, by-score, popularity by count."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.errors import ConfigError
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.rerank.pipeline import build, prepare
from kgrec.testing import toy_candidates, toy_rerank_data

REGISTRY = load_plugins().registry("re-ranker")
STRENGTH = 0.4


def reranked(name, data, lists, **options):
    return REGISTRY[name].build(options).prepare(data).rerank(lists)


def pipeline(data, *named):
    nothing = csr_array(data.likes.shape, dtype=np.bool_)
    return prepare(build(named, REGISTRY, {}), data, bought=nothing, candidates=20)


def test_spread_finds_sets_nearly_as_good_as_the_best_and_keeps_their_order():
    data = toy_rerank_data()
    lists = toy_candidates(data, c=9, n=4)
    vectors, chance = data.vectors("auto"), lists.chance()
    columns = reranked("spread", data, lists, strength=STRENGTH)
    for row, items in enumerate(lists.items):
        there = np.flatnonzero(items >= 0)

        def value(chosen, row=row, items=items):
            own = vectors[items[list(chosen)]]
            pairs = float((own @ own.T).sum() - (own * own).sum())
            return (1 - STRENGTH) * float(chance[row, list(chosen)].sum()) - STRENGTH * pairs / (lists.n - 1)

        sets = [value(chosen) for chosen in combinations(there, min(lists.n, len(there)))]
        found = columns[row, : lists.n][columns[row, : lists.n] >= 0].tolist()
        assert found == sorted(found)
        if found:
            assert value(found) >= max(sets) - 0.1 * (max(sets) - min(sets))


def test_chance_falls_with_the_place_as_hits_do():
    lists = toy_candidates(toy_rerank_data())
    chance = lists.chance()
    assert chance[0, 0] == 1
    assert chance[0, 19] == pytest.approx(5 / 24)
    assert ((chance == -1) == (lists.items < 0)).all()


def test_count_scale_spares_all_but_the_bestsellers():
    data = replace(toy_rerank_data(), popularity=np.arange(40) ** 2)
    lists = toy_candidates(data)
    by_count = reranked("popularity", data, lists, strength=0.5, scale="count")[0]
    bonus = 1 - data.popularity[lists.items[0]] / data.popularity.max()
    expected = np.argsort(-(0.5 * lists.relevance()[0] + 0.5 * bonus), kind="stable")
    assert by_count.tolist() == expected.tolist()
    with pytest.raises(ConfigError, match="'log' or 'count'"):
        build(["popularity:scale=cuont"], REGISTRY, {})


def test_items_reach_the_users_who_have_them_highest():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    within = np.zeros((40, 10), dtype=np.int32)
    claimed = lists.items[0, 15]
    within[claimed, 0] = 16
    of_first = reranked("reach", replace(data, best_ranks=lambda: within), lists, strength=0.9, users=1)
    assert lists.items[0, of_first[0, 0]] == claimed
    within[claimed, 0] = 15  # somebody else has it higher
    unchanged = reranked("reach", replace(data, best_ranks=lambda: within), lists, strength=0.9, users=1)
    assert unchanged[0].tolist() == list(range(20))
    with pytest.raises(ConfigError, match="nothing is known of other users"):
        pipeline(replace(data, best_ranks=None), "reach")
    with pytest.raises(ConfigError, match="less than or equal to 10"):
        build(["reach:users=11"], REGISTRY, {})


def test_by_score_restores_the_order_of_what_was_chosen():
    data = toy_rerank_data()
    lists = toy_candidates(data)
    arguments = lists.items, lists.scores, lists.users, lists.liked, 6
    chosen, _ = pipeline(data, "popularity:0.8").apply(*arguments)
    items, scores = pipeline(data, "popularity:0.8", "by-score").apply(*arguments)
    np.testing.assert_array_equal(np.sort(items, axis=1), np.sort(chosen, axis=1))
    assert not np.array_equal(items, chosen)
    assert (scores[:, 1:] <= scores[:, :-1]).all()
