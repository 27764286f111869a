"""Splits: nothing that is tested on may be fitted on, whatever the data looks like."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.data.split import like_weights, pair_numbers
from kgrec.errors import ConfigError, DataError, NotFoundError, UsageError
from kgrec.evaluate.splits import PROTOCOLS, Holdout, check, fit_part, hold_out, hold_out_fold
from kgrec.evaluate.test_set import make_test_set
from kgrec.plugin.domain import Domain
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset

DOMAIN = Domain(name="generic", summary="")
CONFIG = Config()
OWN = [name for name in PROTOCOLS if name != "given"]


def make(rows):
    """A dataset from rows ``(user, item, value, time, split)``."""
    columns = ("user", "item", "value", "time", "split")
    table = pl.DataFrame(rows, schema=list(columns), orient="row")
    table = table.with_columns(action=pl.lit("rate"), text=pl.lit(None), source=pl.lit("x"))
    table = table.with_columns(line=pl.int_range(pl.len()))
    users = pl.DataFrame({"user_id": [f"u{k}" for k in range(6)], "description": [None] * 6})
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(8)], "title": [None] * 8, "description": [None] * 8})
    return Dataset(table.select(list(INTERACTIONS)).cast(pl.Schema(INTERACTIONS)), users, items)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.one_of(st.integers(0, 7), st.none()),
        st.sampled_from([1.0, 4.0, 5.0]),
        st.one_of(st.integers(1, 40), st.none()),
        st.sampled_from(["train", "train", "validation", "test"]),
    ),
    min_size=1,
    max_size=60,
)


def split(dataset, name, **options):
    return hold_out(dataset, CONFIG.feedback, DOMAIN, name, **{"seed": 3, **options})


@given(ROWS, st.sampled_from(list(PROTOCOLS)), st.integers(0, 3))
def test_no_test_pair_reaches_anything_that_is_fitted(rows, name, seed):
    dataset = make(rows)
    try:
        dataset, held = split(dataset, name, seed=seed, fraction=0.3)
    except (ConfigError, DataError):
        return  # too little data for this protocol
    pairs = pair_numbers(dataset)
    assert not set(pairs[held.test]) & set(pairs[held.fit])
    assert (like_weights(dataset, CONFIG.feedback, DOMAIN)[held.test] > 0).all()
    fit = fit_part(dataset, held)
    assert not set(pair_numbers(fit)) & set(pairs[held.test])
    tested = dataset.interactions.filter(pl.Series(held.test))
    if name == "time":
        assert fit.interactions["time"].max() < tested["time"].min()
    if name == "cold-item":
        assert not set(fit.interactions["item"]) & set(np.flatnonzero(held.candidates))
        assert set(tested["item"]) <= set(np.flatnonzero(held.candidates))
    if name == "cold-user":
        assert not set(fit.interactions["user"]) & set(tested["user"])
    if name == "leave-last":
        assert tested["item"].n_unique() <= tested.height
        assert tested.group_by("user").agg(pl.col("item").n_unique())["item"].max() == 1
    if name == "given":
        assert set(tested["split"]) == {"test"}
        assert "test" not in set(fit.interactions["split"])
    else:
        assert "test" not in set(dataset.interactions["split"])


@pytest.mark.parametrize("name", OWN)
def test_the_matrices_of_training_do_not_know_the_answers(name):
    dataset, held = split(toy_dataset(), name)
    weights = like_weights(dataset, CONFIG.feedback, DOMAIN)
    whole = prepare(dataset, CONFIG, DOMAIN, triples=None, item_text=None, user_text=None, device="cpu")
    fit = fit_part(dataset, held)
    training = prepare(fit, CONFIG, DOMAIN, triples=None, item_text=None, user_text=None, device="cpu")
    settings = {"k": 5, "include_seen": False, "features": None, "categories": None}
    test_set = make_test_set(dataset, held, weights, training, **settings)
    assert test_set.truth.nnz > 0
    assert test_set.truth.multiply(test_set.masked).nnz == 0
    assert test_set.truth.multiply(test_set.history).nnz == 0
    if name == "cold-item":
        assert not test_set.popularity[held.candidates].any()
    with pytest.raises(DataError, match="leaks"):
        make_test_set(dataset, held, weights, whole, **settings)


def test_a_leak_is_found():
    dataset = toy_dataset()
    liked = np.ones(dataset.interactions.height, dtype=bool)
    everything = Holdout("ratio", liked, liked)
    with pytest.raises(DataError, match="both parts"):
        check(dataset, everything, liked)
    times = dataset.interactions["time"].to_numpy()
    early = times < np.median(times)
    backwards = Holdout("time", ~early & (dataset.interactions["item"].is_not_null().to_numpy()), early)
    pairs = pair_numbers(dataset)
    backwards = replace(backwards, test=early & ~np.isin(pairs, pairs[backwards.fit]))
    with pytest.raises(DataError, match="came after"):
        check(dataset, backwards, liked)


def test_a_share_of_each_users_likes_is_held_out_and_drawn_by_the_seed():
    rows = [(user, item, 5.0, None, "train") for user in range(6) for item in range(8 - user % 2)]
    rows.append((0, 7, 1.0, None, "train"))
    _, first = split(make(rows), "ratio", fraction=0.25)
    _, again = split(make(rows), "ratio", fraction=0.25)
    _, other = split(make(rows), "ratio", fraction=0.25, seed=4)
    np.testing.assert_array_equal(first.test, again.test)
    assert (first.test != other.test).any()
    users = np.array([r[0] for r in rows])
    assert set(np.bincount(users[first.test])) == {2}


def test_the_last_like_is_left_out():
    rows = [(user, item, 5.0, 10 * item + user, "train") for user in range(6) for item in range(5)]
    rows += [(user, 7, 1.0, 900, "train") for user in range(6)]  # later, but no like
    dataset, held = split(make(rows), "leave-last")
    tested = dataset.interactions.filter(pl.Series(held.test))
    assert tested["item"].to_list() == [4] * 6


def test_rows_without_a_time_are_in_neither_part_of_a_cut_by_time():
    rows = [(u, i, 5.0, 10 * i + u, "train") for u in range(6) for i in range(6)] + [(0, 7, 5.0, None, "train")]
    dataset, held = split(make(rows), "time")
    unknown = dataset.interactions["time"].is_null().to_numpy()
    assert not (held.fit & unknown).any()
    assert not (held.test & unknown).any()
    assert held.facts["without_time"] == 1


@given(ROWS, st.integers(2, 6), st.integers(0, 3))
def test_each_liked_pair_is_held_out_in_one_fold(rows, folds, seed):
    dataset = make([row for row in rows if row[4] == "train"])
    liked = like_weights(dataset, CONFIG.feedback, DOMAIN) > 0
    liked &= dataset.interactions["item"].is_not_null().to_numpy()
    pairs, users = pair_numbers(dataset), dataset.interactions["user"].to_numpy()
    tested = []
    for fold in range(folds):
        fit, test = hold_out_fold(dataset, pairs, liked, fold, folds, seed)
        assert not set(pairs[fit]) & set(pairs[test])
        np.testing.assert_array_equal(fit, ~np.isin(pairs, pairs[test]))
        tested.append(set(pairs[test]))
    assert sorted(pair for fold in tested for pair in fold) == sorted(set(pairs[liked]))
    for user in set(users[liked]):
        sizes = [len(fold & set(pairs[liked & (users == user)])) for fold in tested]
        assert max(sizes) - min(sizes) <= 1


def test_folds_are_drawn_by_the_seed_and_there_are_at_least_two():
    rows = [(user, item, 5.0, None, "train") for user in range(6) for item in range(8)]
    first, again, other = (split(make(rows), "k-fold", seed=seed, fold=1)[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.test, again.test)
    assert (first.test != other.test).any()
    assert first.facts["fold"] == 2
    with pytest.raises(UsageError, match="fold"):
        split(make(rows), "k-fold", folds=1)


def test_given_rows_that_are_known_before_are_not_tested_on():
    rows = [(0, i, 5.0, None, "train") for i in range(4)] + [(0, 3, 5.0, None, "test"), (0, 5, 5.0, None, "test")]
    dataset, held = split(make(rows), "given")
    assert dataset.interactions.filter(pl.Series(held.test))["item"].to_list() == [5]
    assert held.facts["known_before"] == 1


def test_what_cannot_be_split_says_what_to_do():
    no_times = make([(u, i, 5.0, None, "train") for u in range(6) for i in range(5)])
    for name in ("time", "leave-last", "given"):
        with pytest.raises(ConfigError) as error:
            split(no_times, name)
        assert "ratio" in error.value.hint
    with pytest.raises(NotFoundError, match="ratoi"):
        split(no_times, "ratoi")
    with pytest.raises(UsageError, match=r"0\.9"):
        split(no_times, "ratio", fraction=0.9)
    with pytest.raises(DataError, match="no like"):
        split(make([(0, 0, 5.0, None, "train")]), "ratio")


def test_rows_marked_test_are_hidden_from_the_workspace():
    dataset = make([(0, 0, 5.0, None, "train"), (0, 1, 5.0, None, "test")])
    assert dataset.without_test().interactions["item"].to_list() == [0]
    assert dataset.without_test().without_test().n_items == 8
