"""Transitions are counted by direction and distance, and texts stand in where there are few."""

from dataclasses import replace

import numpy as np
import pytest

from kgrec.models.transitions import Transitions, count_transitions
from kgrec.testing import toy_training_data
from kgrec.testing.toys import training_data


def walk(*paths, n_items=5, item_text=None):
    users = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    items = np.concatenate([np.array(path) for path in paths])
    return training_data(users, items, len(paths), n_items, item_text=item_text)


def test_counts_fade_with_the_distance_and_keep_the_direction():
    counts = count_transitions(walk([0, 1, 2], [0, 1]).events, 5, 2, 0.5).toarray()
    expected = np.zeros((5, 5))
    expected[0, 1], expected[1, 2], expected[0, 2] = 2, 1, 0.5
    np.testing.assert_allclose(counts, expected)


def test_users_do_not_run_into_each_other():
    assert count_transitions(walk([0], [1], [2]).events, 5, 3, 1.0).nnz == 0


def test_an_item_does_not_follow_itself():
    counts = count_transitions(walk([0, 0, 0, 1]).events, 5, 1, 1.0)
    assert counts.toarray()[0, 1] == 1
    assert counts.nnz == 1


def test_the_next_item_of_the_others_comes_first():
    data = walk([0, 1, 2], [3, 1, 2], [4, 1], [0, 3])
    scores = Transitions(window=1, backward=0.0, backoff=0.0, forgetting=2.0).fit(data, seed=1).score(np.array([2]))[0]
    assert np.nanargmax(scores) == 2


def test_weights_are_those_of_the_formula():
    text = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]], dtype=np.float32)
    data = walk([0, 2], [0, 2], [0, 3], item_text=text)
    weights = Transitions(window=1, backward=0.0, backoff=2.0, neighbours=1, forgetting=0.5).fit(data, seed=1).state()
    scorer = Transitions().load_state(weights)
    (part,) = scorer.contributions(0, np.array([2, 1]))
    of_item, of_neighbour = part.values[:, part.sources == 0]
    assert of_item == pytest.approx(2 / (3 + 2) * 2**-0.5)  # left three times, twice for item 2; one step back
    assert of_neighbour == pytest.approx(2 / (3 + 2) * 2**-0.5)  # the back-off: item 1 has the text of item 0


def test_without_times_it_says_why_it_is_left_out():
    data = toy_training_data()
    assert Transitions.unusable(data) == ""
    assert "no times" in Transitions.unusable(replace(data, events=replace(data.events, times=None)))
