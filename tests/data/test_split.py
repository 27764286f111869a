from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import FeedbackConfig, TrainConfig
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.data.split import (
    interaction_matrix,
    like_threshold,
    like_weights,
    seen_matrix,
    share_of_returns,
    split_validation,
    to_events,
)
from kgrec.errors import ConfigError
from kgrec.plugin.domain import Domain

GENERIC = Domain("generic", "any")


def dataset(rows, n_users=None, n_items=None):
    """Rows: user, item, action, value, time, split."""
    table = pl.DataFrame(
        [(u, i, a, v, t, None, s, "f", k) for k, (u, i, a, v, t, s) in enumerate(rows, 2)],
        schema=dict(INTERACTIONS),
        orient="row",
    )
    n_users = n_users or max((r[0] for r in rows), default=-1) + 1
    n_items = n_items or max((r[1] for r in rows if r[1] is not None), default=-1) + 1
    return Dataset(
        table,
        pl.DataFrame({"user_id": [f"u{k}" for k in range(n_users)]}),
        pl.DataFrame({"item_id": [f"i{k}" for k in range(n_items)]}),
    )


def views(n_users, n_items):
    return [(u, i, "view", None, u + i, "train") for u in range(n_users) for i in range(n_items)]


def pair_set(data, mask):
    return set(data.interactions.filter(pl.Series(mask) & pl.col("item").is_not_null()).select("user", "item").rows())


def test_weights_settings_over_domain_over_built_in():
    data = dataset(
        [
            (0, 0, "view", None, None, "train"),
            (0, 1, "purchase", None, None, "train"),
            (0, 2, "cart", None, None, "train"),
        ]
    )
    domain = Domain("shop", "", action_weights={"purchase": 3.0, "view": 0.5})
    feedback = FeedbackConfig(action_weights={"view": 0.0})
    assert like_weights(data, feedback, domain).tolist() == pytest.approx([0.0, 3.0, 0.7])


def test_a_low_rating_takes_back_what_else_the_user_did_with_the_item():
    data = dataset(
        [
            (0, 0, "purchase", None, 1, "train"),
            (0, 0, "rate", 1.0, 2, "train"),
            (0, 1, "purchase", None, 3, "train"),
            (0, 1, "rate", 5.0, 4, "train"),
            (1, 0, "purchase", None, 5, "train"),
        ]
    )
    assert like_weights(data, FeedbackConfig(), GENERIC).tolist() == [0, 0, 1.5, 1, 1.5]


def test_a_rating_is_a_like_from_sixty_per_cent_of_the_scale():
    stars = [1, 2, 3, 4, 5, None]
    data = dataset([(0, k, "rate", v, None, "train") for k, v in enumerate(stars)])
    assert like_threshold(data, FeedbackConfig()) == pytest.approx(3.4)
    assert like_weights(data, FeedbackConfig(), GENERIC).tolist() == [0, 0, 0, 1, 1, 1]
    assert like_weights(data, FeedbackConfig(like_threshold=3), GENERIC).tolist() == [0, 0, 1, 1, 1, 1]


def test_amounts_of_other_actions_are_no_ratings():
    data = dataset([(0, 0, "purchase", 1.0, None, "train"), (0, 1, "purchase", 500.0, None, "train")])
    assert like_threshold(data, FeedbackConfig()) is None
    assert like_weights(data, FeedbackConfig(), GENERIC).tolist() == [1.5, 1.5]


def test_one_value_only_is_a_like():
    data = dataset([(0, k, "rate", 1.0, None, "train") for k in range(3)])
    assert like_weights(data, FeedbackConfig(), GENERIC).tolist() == [1, 1, 1]


ROW = st.tuples(
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(0, 9)),
    st.sampled_from(["view", "rate", "purchase"]),
    st.sampled_from([None, 1.0, 5.0]),
    st.one_of(st.none(), st.integers(0, 50)),
    st.just("train"),
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(ROW, max_size=60),
    st.lists(ROW, max_size=10),
    st.sampled_from(["ratio", "auto"]),
    st.floats(0.05, 0.45),
    st.integers(1, 6),
)
def test_no_pair_is_fitted_and_held_out(rows, held, kind, fraction, most):
    held = [(*row[:5], "validation") for row in held]
    data = dataset(rows + held, 5, 10)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    config = TrainConfig(split=kind, validation_fraction=fraction, max_validation_users=most)
    split = split_validation(data, weights, config, seed=3)
    assert not (split.fit & split.validation).any()
    assert not pair_set(data, split.fit) & pair_set(data, split.validation)
    assert (weights[split.validation] > 0).all()
    assert data.interactions["item"].filter(pl.Series(split.validation)).null_count() == 0
    assert data.interactions["user"].filter(pl.Series(split.validation)).n_unique() <= most
    fit = interaction_matrix(to_events(data, split.fit, weights), 5, 10)
    validation = interaction_matrix(to_events(data, split.validation, weights), 5, 10)
    assert fit.multiply(validation).nnz == 0
    if held:
        marked = (data.interactions["split"] == "validation").to_numpy()
        assert not (split.validation & ~marked).any()
        assert np.array_equal(split.fit, ~marked)


def test_the_share_is_per_user_and_few_likes_stay():
    rows = views(3, 20) + [(3, i, "view", None, 0, "train") for i in range(2)]
    data = dataset(rows)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(split="ratio", validation_fraction=0.2), 1)
    held = data.interactions.filter(pl.Series(split.validation))["user"].to_numpy()
    assert np.bincount(held, minlength=4).tolist() == [4, 4, 4, 0]
    again = split_validation(data, weights, TrainConfig(split="ratio", validation_fraction=0.2), 1)
    other = split_validation(data, weights, TrainConfig(split="ratio", validation_fraction=0.2), 2)
    assert np.array_equal(split.validation, again.validation)
    assert not np.array_equal(split.validation, other.validation)


def test_the_latest_are_cut_by_time():
    data = dataset([*views(1, 10), (0, 2, "purchase", None, 99, "train")])
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(split="time", validation_fraction=0.2), 1)
    assert pair_set(data, split.validation) == {(0, 2), (0, 9)}
    assert split.validation.sum() == 3  # the view of item 2 leaves the fit part with its purchase
    assert (0, 2) not in pair_set(data, split.fit)


def test_cut_by_time_needs_times():
    data = dataset([(0, k, "view", None, None, "train") for k in range(9)])
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    with pytest.raises(ConfigError, match="no times"):
        split_validation(data, weights, TrainConfig(split="time"), 1)
    assert split_validation(data, weights, TrainConfig(split="auto"), 1).validation.sum() == 1


def test_half_of_the_users_lose_their_latest_where_there_are_times():
    data = dataset([(u, i, "view", None, i, "train") for u in range(40) for i in range(10)])
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(split="auto", validation_fraction=0.2), 1)
    assert 10 <= split.latest.sum() <= 30
    held = pair_set(data, split.validation)
    assert len(held) == 80
    for user in np.flatnonzero(split.latest):
        assert {item for u, item in held if u == user} == {8, 9}
    others = [item for u, item in held if not split.latest[u]]
    assert min(others) < 8
    for kind in ("time", "ratio"):
        assert split_validation(data, weights, TrainConfig(split=kind), 1).latest is None


def test_marked_files_are_the_validation():
    rows = [*views(2, 5), (0, 7, "view", None, 1, "validation"), (0, 1, "view", None, 1, "validation")]
    data = dataset(rows)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(), 1)
    assert pair_set(data, split.validation) == {(0, 7)}
    assert split.fit.sum() == 10


def test_events_are_likes_in_the_order_of_time():
    rows = [
        (0, 1, "rate", 5.0, 30, "train"),
        (0, 2, "rate", 1.0, 20, "train"),
        (1, 0, "view", None, 10, "train"),
        (1, None, "search", None, 5, "train"),
        (1, 2, "view", None, None, "train"),
        (1, 3, "view", None, 1, "train"),
    ]
    data = dataset(rows)
    mask = np.array([True, True, True, True, True, False])
    events = to_events(data, mask, like_weights(data, FeedbackConfig(), GENERIC))
    assert (events.users.tolist(), events.items.tolist()) == ([1, 1, 0], [0, 2, 1])
    assert events.times.tolist() == [10, 10, 30]
    assert [events.action_names[a] for a in events.actions] == ["view", "view", "rate"]
    assert np.isnan(events.values).tolist() == [True, True, False]
    assert events.weights.tolist() == pytest.approx([0.2, 0.2, 1.0])
    assert events.users.dtype == events.items.dtype == events.actions.dtype == np.int64
    assert events.values.dtype == events.weights.dtype == np.float32


def test_no_times_at_all():
    data = dataset([(0, 1, "view", None, None, "train")])
    assert to_events(data, np.array([True]), np.ones(1, np.float32)).times is None


def test_sums_of_repeated_events_are_capped():
    rows = [(0, 0, "view", None, t, "train") for t in range(100)] + [(0, 1, "purchase", None, 1, "train")]
    rows += [(0, 1, "cart", None, 1, "train"), (1, 1, "view", None, 1, "train")]
    data = dataset(rows)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    matrix = interaction_matrix(to_events(data, np.ones(len(rows), bool), weights), 2, 2)
    assert matrix.toarray() == pytest.approx(np.array([[3.0, 2.2], [0.0, 0.2]]))
    assert matrix.dtype == np.float32
    assert matrix.format == "csr"
    assert matrix.has_sorted_indices


def test_seen_counts_everything_touched():
    rows = [
        (0, 1, "rate", 1.0, 1, "train"),
        (0, 1, "view", None, 2, "train"),
        (1, 0, "view", None, 3, "validation"),
        (1, None, "search", None, 4, "train"),
    ]
    seen = seen_matrix(dataset(rows))
    assert seen.dtype == np.bool_
    assert seen.toarray().tolist() == [[False, True], [True, False]]


def test_nothing_to_split():
    data = dataset([], 2, 2)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(), 1)
    assert split.fit.shape == split.validation.shape == (0,)
    assert interaction_matrix(to_events(data, split.fit, weights), 2, 2).nnz == 0


def test_returns_are_those_that_cleaning_dropped_and_those_it_kept():
    rows = [
        (0, 0, "view", None, 1, "train"),
        (0, 0, "purchase", None, 2, "train"),
        (0, 1, "view", None, 3, "train"),
        (0, 1, "view", None, 4, "train"),
    ]
    data = dataset(rows)
    assert share_of_returns(data) == 1 / 4
    assert share_of_returns(dataset([])) == 0
    dropped = pl.DataFrame({"source": ["f"], "line": [6], "reason": ["repeated event"], "row": ["{}"]})
    assert share_of_returns(replace(data, rejects=dropped)) == 2 / 5


def test_only_the_heaviest_action_is_held_out_where_there_is_enough_of_it():
    views = [(u, i, "view", None, i, "train") for u in range(300) for i in range(8)]
    bought = [(u, i, "purchase", None, 10 + i, "train") for u in range(300) for i in (1, 3, 5, 7)]
    data = dataset(views + bought)
    weights = like_weights(data, FeedbackConfig(), GENERIC)
    split = split_validation(data, weights, TrainConfig(split="ratio"), 1)
    held = pair_set(data, split.validation)
    assert len(held) == 300
    assert {item for _, item in held} <= {1, 3, 5, 7}
    few = dataset(views + bought[:400])
    split = split_validation(few, like_weights(few, FeedbackConfig(), GENERIC), TrainConfig(split="ratio"), 1)
    assert {item for _, item in pair_set(few, split.validation)} & {0, 2, 4, 6}
