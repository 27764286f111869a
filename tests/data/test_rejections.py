"""What was shown, and what of it was turned down."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import FeedbackConfig
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.data.impressions import pair_matrix, rejected_matrix, touched
from kgrec.data.split import like_threshold, like_weights, seen_matrix, share_of_returns
from kgrec.plugin.domain import ACTIONS, AGAINST, DEFAULT_ACTION_WEIGHTS, Domain

GENERIC = Domain("generic", "any")
NOTHING = FeedbackConfig()


def dataset(rows, n_users=4, n_items=5):
    """Rows: user, item, action, value."""
    table = pl.DataFrame(
        [(u, i, a, v, None, None, "train", "f", k) for k, (u, i, a, v) in enumerate(rows, 2)],
        schema=dict(INTERACTIONS),
        orient="row",
    )
    users = pl.DataFrame({"user_id": [f"u{k}" for k in range(n_users)]})
    return Dataset(table, users, pl.DataFrame({"item_id": [f"i{k}" for k in range(n_items)]}))


def rejected(data, feedback=NOTHING, mask=None):
    mask = np.ones(data.interactions.height, dtype=np.bool_) if mask is None else mask
    weights = like_weights(data, feedback, GENERIC)
    found = rejected_matrix(data, mask, weights, feedback, like_threshold(data, feedback))
    assert found.dtype == np.float32
    assert set(found.data.tolist()) <= {1.0}
    return set(zip(*(part.tolist() for part in found.nonzero()), strict=True))


def test_impression_without_a_click_rejects_and_a_click_makes_good():
    data = dataset([(0, 0, "impression", None), (0, 1, "impression", None), (0, 1, "click", None)])
    assert rejected(data) == {(0, 0)}


def test_only_the_rows_of_the_mask_count():
    data = dataset([(0, 1, "impression", None), (0, 1, "click", None), (1, 2, "impression", None)])
    assert rejected(data, mask=np.array([True, False, False])) == {(0, 1)}
    assert rejected(data, mask=np.array([False, True, False])) == set()


@pytest.mark.parametrize(("on", "pairs"), [(False, set()), (True, {(0, 0), (1, 1)})])
def test_low_ratings_reject_only_where_the_settings_say_so(on, pairs):
    data = dataset([(0, 0, "rate", 1.0), (0, 1, "rate", 5.0), (1, 1, "rate", 2.0), (1, 2, "rate", None)])
    assert rejected(data, FeedbackConfig(low_ratings_reject=on)) == pairs


def test_what_was_only_shown_is_not_seen_and_no_return():
    data = dataset([(0, 0, "impression", None), (0, 0, "impression", None), (0, 1, "view", None)])
    assert seen_matrix(data).nonzero()[1].tolist() == [1]
    assert share_of_returns(data) == 0.0
    assert pair_matrix(data.interactions, data).toarray()[0].tolist() == [2, 1, 0, 0, 0]
    assert touched(data.interactions).height == 1


def test_impressions_weigh_nothing_unless_settings_say_otherwise():
    assert DEFAULT_ACTION_WEIGHTS["impression"] == 0
    data = dataset([(0, 0, "impression", None)])
    assert rejected(data, FeedbackConfig(action_weights={"impression": 0.1})) == set()


ROWS = st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(ACTIONS), st.sampled_from([None, 1.0, 3.0, 5.0]))


@settings(deadline=None)
@given(rows=st.lists(ROWS, max_size=30), low=st.booleans())
def test_no_pair_is_liked_and_rejected(rows, low):
    data = dataset(rows)
    feedback = FeedbackConfig(low_ratings_reject=low)
    weights = like_weights(data, feedback, GENERIC)
    liked = set(data.interactions.filter(pl.Series(weights) > 0).select("user", "item").rows())
    found = rejected(data, feedback)
    assert not found & liked
    shown = set(
        data.interactions.filter(pl.col("action").is_in(["impression", *AGAINST])).select("user", "item").rows()
    )
    assert shown - liked <= found
    if not low:
        assert found == shown - liked
