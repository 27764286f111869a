"""Windows lose no entry, keep the order, and never mix users."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kgrec.models.neural import EMPTY, ordered_likes, windows
from kgrec.models.recency import steps_back
from kgrec.models.sequence import latest
from kgrec.testing.toys import training_data

COUNTS = st.lists(st.integers(1, 9), max_size=6)


@given(COUNTS, st.integers(2, 5), st.integers(0, 1))
def test_windows_hold_every_entry_in_order_and_one_user(counts, length, shared):
    users = np.repeat(np.arange(len(counts)), counts)
    found = windows(users, length, length - shared)
    held = found[found != EMPTY]
    assert set(held.tolist()) == set(range(len(users)))
    if not shared:
        assert len(held) == len(users)
    for row in found:
        kept = row[row != EMPTY]
        assert (row[len(row) - len(kept) :] == kept).all()  # filled from the right
        assert (np.diff(kept) == 1).all()
        assert len(set(users[kept].tolist())) == 1


@given(COUNTS, st.integers(2, 5))
def test_windows_that_share_an_entry_hold_every_pair_of_neighbours(counts, length):
    users = np.repeat(np.arange(len(counts)), counts)
    found = windows(users, length, length - 1)
    pairs = {(int(a), int(b)) for row in found for a, b in pairwise(row) if a != EMPTY}
    assert pairs == {(i, i + 1) for i in range(len(users) - 1) if users[i] == users[i + 1]}


def test_an_item_stands_where_it_was_touched_last():
    data = training_data(np.array([0, 0, 1, 0, 0]), np.array([3, 1, 2, 0, 3]), 3, 4)
    steps = steps_back(data.events, data.matrix)
    np.testing.assert_array_equal(ordered_likes(data.matrix, steps).items, [1, 0, 3, 2])
    np.testing.assert_array_equal(latest(data.matrix, steps, 2), [[0, 3], [EMPTY, 2], [EMPTY, EMPTY]])
    np.testing.assert_array_equal(latest(data.matrix, None, 3)[0], [0, 1, 3])
