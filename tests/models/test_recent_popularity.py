"""Recent popularity: half-lives, users' own moments, and never what came after them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.models.recent_popularity import DAY, RecentPopularity
from kgrec.types import Events, TrainingData

USERS, ITEMS = 5, 6


def data_of(rows):
    """Likes ``(user, item, day)`` in the order of time."""
    rows = sorted(rows, key=lambda row: row[2])
    users, items, days = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    ones = np.ones(len(rows), dtype=np.float32)
    times = (days * DAY).astype(np.int64)
    events = Events(users, items, np.zeros(len(rows), np.int64), ones * np.nan, ones, times, ("like",))
    return TrainingData(csr_array((ones, (users, items)), shape=(USERS, ITEMS)), events)


def test_a_like_counts_half_after_the_half_life():
    data = data_of([(0, 0, 0), (1, 1, 10), (2, 2, 20)])
    scorer = RecentPopularity(half_life_days=10).fit(data, seed=0).at_end()
    np.testing.assert_allclose(np.expm1(scorer.score(np.array([0]))[0][:4]), [0.25, 0.5, 1.0, 0.0], rtol=0.01)


def test_users_are_asked_at_their_own_moments():
    """Item 1 trends while user 0 is there, item 2 much later, while user 4 is."""
    early, late = [(u, 1, u) for u in range(1, 4)], [(u, 2, 300 + u) for u in range(1, 4)]
    scorer = RecentPopularity(half_life_days=20).fit(data_of([*early, (0, 0, 5), *late, (4, 0, 310)]), seed=0)
    then, now = scorer.score(np.array([0, 4]))
    assert then[1] > then[2] == 0
    assert now[2] > now[1]
    at_end = scorer.at_end()
    assert at_end.compact(np.array([0])) is not None
    assert scorer.compact(np.array([0])) is None
    np.testing.assert_array_equal(at_end.score(np.array([0]))[0], at_end.score(np.array([4]))[0])
    assert [setting["half_life_days"] for setting in RecentPopularity.grid(data_of([(0, 0, 0), (1, 1, 64)]))] == [
        16,
        4,
        1,
    ]


LIKES = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 60)), min_size=2, max_size=40
)


@given(LIKES, st.integers(0, USERS - 1), st.integers(0, ITEMS - 1))
def test_nothing_that_came_after_a_user_counts(rows, user, planted):
    """What others do later may change what it likes: the lists of users before are the same."""
    rows = [*rows, (user, 0, 30), (USERS - 1, 0, 60)]
    last = max(day for who, _, day in rows if who == user)
    changed = [(u, planted if day >= last and u != user else item, day) for u, item, day in rows]
    before, after = (RecentPopularity(half_life_days=5).fit(data_of(r), seed=0) for r in (rows, changed))
    np.testing.assert_allclose(before.score(np.array([user])), after.score(np.array([user])), rtol=1e-5)
    zero = before.score(np.array([user]))[0] == 0
    known = {item for _, item, day in rows if day < last}
    assert set(np.flatnonzero(~zero)) <= known


def test_without_times_it_is_not_used():
    data = data_of([(0, 0, 1), (1, 1, 1)])
    assert "one moment" in RecentPopularity.unusable(data)
