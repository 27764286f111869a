"""How far back an item lies, what a decay does to a history, and when one is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.models import recency
from kgrec.models.ease import EASE
from kgrec.models.item_knn import ItemKNN
from kgrec.testing import toy_training_data
from kgrec.testing.toys import training_data


def chain(n_users=40, n_items=12, *, seed=0):
    """Every user walks from item to item in steps of 1; what comes next follows from the last item alone."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(n_items, size=n_users)
    # Ten random items first, then the walk of three.
    walk = (starts[:, None] + np.arange(4)) % n_items
    early = np.array([rng.choice(np.setdiff1d(np.arange(n_items), walk[u]), 3, replace=False) for u in range(n_users)])
    path = np.concatenate([early, walk[:, :3]], axis=1)
    users = np.repeat(np.arange(n_users), path.shape[1])
    times = np.tile(np.arange(path.shape[1]), n_users) * 60
    truth = csr_array((np.ones(n_users), (np.arange(n_users), walk[:, 3])), shape=(n_users, n_items), dtype=np.float32)
    return replace(training_data(users, path.ravel(), n_users, n_items, times=times), validation=truth)


def test_steps_count_the_other_items_since_the_last_event():
    users, items = np.array([0, 0, 1, 0, 0]), np.array([2, 0, 1, 2, 3])
    data = training_data(users, items, 2, 4, times=np.array([1, 2, 3, 4, 5]))
    # User 0: item 3 last, before it item 2 (again), before it item 0.
    assert recency.steps_back(data.events, data.matrix).tolist() == [2, 1, 0, 0]


def test_events_of_one_time_keep_their_order():
    data = training_data(np.zeros(3, dtype=np.int64), np.array([1, 2, 0]), 1, 3, times=np.full(3, 7))
    assert recency.steps_back(data.events, data.matrix).tolist() == [0, 2, 1]


def test_without_times_nothing_is_old():
    data = toy_training_data()
    events = replace(data.events, times=None)
    assert recency.steps_back(events, data.matrix) is None
    assert recency.decayed(data.matrix, None, 0.5) is data.matrix
    assert recency.faded(data.matrix, None, 0.5) is data.matrix


def test_decay_is_a_power_of_the_steps():
    history = csr_array(np.array([[2.0, 0, 1.0], [0, 1.0, 0]], dtype=np.float32))
    result = recency.decayed(history, np.array([2, 0, 1]), 0.5)
    np.testing.assert_allclose(result.toarray(), [[0.5, 0, 1], [0, 0.5, 0]])
    assert recency.decayed(history, np.array([10**6, 0, 0]), 0.1).data.min() > 0


def test_the_last_item_is_heeded_where_it_tells_what_comes_next():
    data = chain()
    scorer = ItemKNN(shrinkage=0).fit(data, seed=1)
    assert scorer.refit_options()["forgetting"] > 0
    refitted = ItemKNN(shrinkage=0, **scorer.refit_options()).fit(replace(data, validation=None), seed=1)
    np.testing.assert_allclose(refitted.score(np.arange(5)), scorer.score(np.arange(5)))


def test_all_items_count_alike_where_nothing_is_held_out():
    assert ItemKNN().fit(replace(chain(), validation=None), seed=1).refit_options() == {"forgetting": 0.0}


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_scores_are_those_of_the_history_as_it_is_remembered(power):
    data = chain()
    whole, scorer = EASE(forgetting=0.0).fit(data, seed=1), EASE(forgetting=power).fit(data, seed=1)
    steps = recency.steps_back(data.events, data.matrix)
    weights = whole.state()["weights"]
    history = data.matrix.astype(np.float32)
    history.data = ((1.0 + steps) ** -power).astype(np.float32)
    expected = history @ weights
    got = scorer.score(np.arange(data.n_users))
    known = np.isfinite(got)
    np.testing.assert_allclose(got[known], expected[known], atol=1e-5)
