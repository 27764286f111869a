"""Typed paths: the rare shared entity wins, directions are told, and nothing depends on the order of edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.graph.paths import PathFinder
from kgrec.types import Triples

NAMES = ("directed_by", "has_genre", "sequel_of", "stars_in")


def triples(edges, n_items, n_nodes):
    heads, relations, tails, weights = (np.array(c) for c in zip(*edges, strict=True)) if edges else [np.zeros(0)] * 4
    return Triples(
        heads.astype(np.int64),
        relations.astype(np.int64),
        tails.astype(np.int64),
        weights.astype(np.float32),
        n_items,
        n_nodes,
        NAMES,
    )


# Items 0..5; director 6 made 0 and 1; genre 7 has all; actor 8 stars in 2 and 3 (stated from the actor).
FILMS = triples(
    [
        (0, 0, 6, 1.0),
        (1, 0, 6, 1.0),
        *[(i, 1, 7, 1.0) for i in range(6)],
        (8, 3, 2, 1.0),
        (8, 3, 3, 1.0),
        (5, 2, 4, 1.0),
    ],
    6,
    9,
)


def test_rare_entity_comes_first():
    (paths,) = PathFinder(FILMS).best(np.array([0, 2]), None, np.array([1]), 3)
    best, genre = paths
    assert (best.nodes, best.relations, best.forward) == ((0, 6, 1), ("directed_by", "directed_by"), (True, False))
    assert best.weight == pytest.approx(np.log(7 / 3))
    assert (genre.nodes[1], genre.support) == (7, 2)
    assert genre.weight == pytest.approx(np.log(7 / 7) * (1 + np.log(2)))


def test_relations_stated_from_the_entity_are_told_so():
    (path, _) = PathFinder(FILMS).best(np.array([2]), None, np.array([3]), 10)[0]
    assert (path.nodes, path.relations, path.forward) == ((2, 8, 3), ("stars_in", "stars_in"), (False, True))


def test_direct_edge_in_both_directions():
    forward = PathFinder(FILMS).best(np.array([5]), None, np.array([4]), 1)[0][0]
    assert (forward.nodes, forward.relations, forward.forward) == ((5, 4), ("sequel_of",), (True,))
    backward = PathFinder(FILMS).best(np.array([4]), None, np.array([5]), 1)[0][0]
    assert (backward.nodes, backward.relations, backward.forward) == ((4, 5), ("sequel_of",), (False,))


def test_liked_most_is_named_and_different_relations_count_half():
    graph = triples([(0, 0, 4, 1.0), (1, 0, 4, 1.0), (2, 3, 4, 1.0), (3, 0, 4, 1.0)], 10, 11)
    (path,) = PathFinder(graph).best(np.array([0, 1]), np.array([1.0, 2.0]), np.array([3]), 5)[0]
    assert (path.nodes, path.support) == ((1, 4, 3), 2)
    (mixed,) = PathFinder(graph).best(np.array([0]), None, np.array([2]), 5)[0]
    assert mixed.relations == ("directed_by", "stars_in")
    (same,) = PathFinder(graph).best(np.array([0]), None, np.array([3]), 5)[0]
    assert mixed.weight == pytest.approx(same.weight / 2)


def test_nothing_to_tell():
    finder = PathFinder(FILMS)
    assert finder.best(np.zeros(0, np.int64), None, np.array([1, 2])) == [[], []]
    assert finder.best(np.array([1]), None, np.zeros(0, np.int64)) == []
    assert finder.best(np.array([1]), None, np.array([1])) == [[]]
    assert PathFinder(triples([], 3, 3)).best(np.array([0]), None, np.array([1])) == [[]]


def brute(graph, history, candidate):
    """All (liked, middle, candidate) there are, by looking at every pair of edges."""
    ends = [
        *zip(graph.heads, graph.relations, graph.tails, strict=False),
        *zip(graph.tails, graph.relations, graph.heads, strict=False),
    ]
    near = {}
    for a, _, b in ends:
        near.setdefault(int(a), set()).add(int(b))
    return {
        m for h in history for m in near.get(h, set()) - {h} & near.get(candidate, set()) if m not in (h, candidate)
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_finds_every_shared_node_and_no_other(data):
    n_items, n_nodes = 5, 9
    node = st.integers(0, n_nodes - 1)
    edges = data.draw(st.lists(st.tuples(node, st.integers(0, 3), node, st.sampled_from([1.0, 0.5])), max_size=25))
    graph = triples(edges, n_items, n_nodes)
    history = data.draw(st.lists(st.integers(0, 4), unique=True, min_size=1))
    candidates = data.draw(st.lists(st.integers(0, 4), unique=True, min_size=1))
    found = PathFinder(graph).best(np.array(history), None, np.array(candidates), 50)
    liked = [h for h in history if h not in candidates]
    stated = {(int(h), NAMES[r], int(t)) for h, r, t in zip(graph.heads, graph.relations, graph.tails, strict=False)}
    for candidate, paths in zip(candidates, found, strict=True):
        middles = [p.nodes[1] for p in paths if len(p.nodes) == 3]
        assert len(set(middles)) == len(middles)
        assert set(middles) == brute(graph, liked, candidate)
        assert [p.weight for p in paths] == sorted((p.weight for p in paths), reverse=True)
        for path in paths:
            assert path.nodes[0] in liked
            assert path.nodes[-1] == candidate
            for (a, b), relation, forward in zip(
                zip(path.nodes, path.nodes[1:], strict=False), path.relations, path.forward, strict=True
            ):
                assert ((a, relation, b) if forward else (b, relation, a)) in stated


def test_fast_on_a_million_edges():
    rng = np.random.default_rng(0)
    n = 1_000_000
    graph = Triples(
        rng.integers(0, 50_000, n),
        rng.integers(0, 4, n),
        50_000 + (60_000 * rng.random(n) ** 3).astype(np.int64),
        np.ones(n, np.float32),
        50_000,
        110_000,
        NAMES,
    )
    finder = PathFinder(graph)
    found = finder.best(rng.choice(50_000, 500, replace=False), None, rng.choice(50_000, 20, replace=False), 3)
    assert all(len(paths) == 3 for paths in found)
