"""Predictors of ratings: the contract that each keeps, and the formulae behind them against plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.artifacts import load_arrays, save_arrays
from kgrec.errors import DataError
from kgrec.models.ratings import Biases, Factors, Neighbours, RatingModel, Ratings, Side, folds

N_USERS, N_ITEMS = 61, 41
QUICK = {"factors": lambda: Factors(factors=2, rounds=30, burn_in=10, features=4)}
MAKE = {
    "baseline": Biases,
    "item neighbours": Neighbours,
    "user neighbours": lambda: Neighbours(by="users"),
    **QUICK,
    "with intervals": lambda: RatingModel(factors=2, rounds=30, burn_in=10, features=4),
}


def planted(seed=0, noise=0.1, share=0.5):
    """Return ratings of two opposite tastes on top of biases; the last user and item have none."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((N_USERS - 1, N_ITEMS - 1)) < share)
    taste, kind = rng.choice([-1.0, 1.0], N_USERS), rng.choice([-1.0, 1.0], N_ITEMS)
    biases = 0.4 * rng.standard_normal(N_USERS), 0.4 * rng.standard_normal(N_ITEMS)
    values = 3 + biases[0][users] + biases[1][items] + taste[users] * kind[items]
    values = np.clip(values + noise * rng.standard_normal(len(values)), 1, 5)
    return Ratings.of(users, items, values, n_users=N_USERS, n_items=N_ITEMS)


@pytest.fixture(scope="module", params=list(MAKE))
def fitted(request):
    ratings = planted()
    return MAKE[request.param], ratings, MAKE[request.param]().fit(ratings, seed=1)


def everything():
    return np.repeat(np.arange(N_USERS), N_ITEMS), np.tile(np.arange(N_ITEMS), N_USERS)


def test_predictions_are_finite_float32_within_the_scale_for_everybody(fitted):
    _, _, predictor = fitted
    found = predictor.predict(*everything())
    assert found.dtype == np.float32
    assert found.shape == (N_USERS * N_ITEMS,)
    assert np.isfinite(found).all()
    assert found.min() >= 1
    assert found.max() <= 5


def test_one_by_one_equals_all_at_once_in_any_order(fitted):
    _, _, predictor = fitted
    users, items = everything()
    whole = predictor.predict(users, items)
    some = np.random.default_rng(3).integers(len(users), size=40)
    np.testing.assert_allclose(predictor.predict(users[some], items[some]), whole[some], atol=1e-5)
    for k in some[:5]:
        alone = predictor.predict(users[[k]], items[[k]])
        np.testing.assert_allclose(alone, whole[[k]], atol=1e-5)
    assert predictor.predict(users[:0], items[:0]).shape == (0,)


def test_same_seed_same_predictions_and_global_random_state_untouched(fitted):
    make, ratings, predictor = fitted
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = make().fit(ratings, seed=1)
    np.testing.assert_array_equal(again.predict(*everything()), predictor.predict(*everything()))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_state_goes_through_a_file(fitted, tmp_path):
    make, _, predictor = fitted
    save_arrays(tmp_path / "state.safetensors", predictor.state())
    again = make().load_state(load_arrays(tmp_path / "state.safetensors"))
    np.testing.assert_array_equal(again.predict(*everything()), predictor.predict(*everything()))


def test_unknown_positions_are_refused(fitted):
    _, _, predictor = fitted
    with pytest.raises(ValueError, match="but there are 61"):
        predictor.predict(np.array([N_USERS]), np.array([0]))
    with pytest.raises(ValueError, match="but there are 41"):
        predictor.predict(np.array([0]), np.array([-1]))


def test_two_ratings_and_everybody_else_unknown(fitted):
    make, _, _ = fitted
    few = Ratings.of([0, 1], [0, 0], [1, 5], n_users=3, n_items=2)
    found = make().fit(few, seed=1).predict(np.array([0, 1, 2]), np.array([0, 0, 1]))
    assert np.isfinite(found).all()
    assert 1 <= found[2] <= 5


def test_what_is_planted_is_found():
    ratings = planted()
    held = folds(len(ratings), 5, 4) == 0
    known, asked = ratings.where(~held), ratings.where(held)

    def rmse(predictor):
        error = predictor.fit(known, seed=2).predict(asked.users, asked.items) - asked.values
        return float(np.sqrt(np.mean(error**2)))

    found = {name: rmse(make()) for name, make in MAKE.items()}
    constant = float(np.std(asked.values))
    assert found["baseline"] < 0.95 * constant
    assert found["item neighbours"] < 0.7 * found["baseline"]
    assert found["user neighbours"] < 0.7 * found["baseline"]
    assert found["factors"] < 0.2  # the noise is 0.1
    assert found["with intervals"] == found["factors"]


def test_the_scale_makes_no_difference_to_factors():
    ratings = planted()
    tenfold = Ratings.of(ratings.users, ratings.items, 10 * ratings.values - 30, n_users=N_USERS, n_items=N_ITEMS)
    pairs = everything()
    plain, wide = (QUICK["factors"]().fit(r, seed=1).predict(*pairs) for r in (ratings, tenfold))
    np.testing.assert_allclose(np.clip(wide / 10 + 3, 1, 5), plain, atol=1e-3)


def test_what_was_rated_tells_of_taste_even_where_the_values_do_not():
    """Everybody rates only what he likes, so the value of a new user's few ratings says little, the choice a lot."""
    rng = np.random.default_rng(5)
    taste, kind = rng.integers(2, size=200), rng.integers(2, size=60)
    match = taste[:, None] == kind[None, :]
    users, items = np.nonzero(rng.random(match.shape) < np.where(match, 0.2, 0.03))
    values = np.where(match[users, items], 4.5, 2.5) + rng.standard_normal(len(users))
    ratings = Ratings.of(users, items, values, n_users=200, n_items=60)
    held = folds(len(ratings), 5, 0) == 0
    asked = ratings.where(held)

    def rmse(features):
        found = Factors(factors=2, features=features, rounds=60).fit(ratings.where(~held), seed=1)
        return np.sqrt(np.mean((found.predict(asked.users, asked.items) - asked.values) ** 2))

    assert rmse(3) < 0.99 * rmse(0)


@pytest.mark.parametrize("by", ["users", "items"])
def test_neighbourhoods_are_what_the_formula_says(by):
    ratings = planted(noise=0.5, share=0.3)
    options = {"neighbours": 7, "shrinkage": 0.5, "damping": 0.2}
    found = Neighbours(by=by, **options).fit(ratings, seed=0).predict(*everything())
    baseline = Biases().fit(ratings)
    deviations, rated = np.zeros((N_USERS, N_ITEMS)), np.zeros((N_USERS, N_ITEMS))
    rated[ratings.users, ratings.items] = 1
    left = ratings.values - baseline.raw(ratings.users, ratings.items)
    deviations[ratings.users, ratings.items] = left
    if by == "items":
        deviations, rated = deviations.T, rated.T
    unit = deviations / np.sqrt(np.mean(left**2))
    dots = unit @ unit.T
    norms = np.sqrt((unit**2).sum(axis=1))
    similar = dots / (np.outer(norms, norms) + 0.5)
    np.fill_diagonal(similar, 0)
    expected = np.zeros(deviations.shape)
    for row, column in np.ndindex(deviations.shape):
        weights = np.maximum(similar[row], 0) * rated[:, column]
        weights[np.argsort(weights)[:-7]] = 0
        expected[row, column] = weights @ deviations[:, column] / (weights.sum() + 0.2)
    expected = expected if by == "users" else expected.T
    users, items = everything()
    np.testing.assert_allclose(
        found, np.clip(baseline.raw(users, items) + expected.ravel(), ratings.low, ratings.high), atol=1e-4
    )


def test_the_draws_have_the_mean_and_spread_of_the_exact_posterior():
    rng = np.random.default_rng(0)
    ratings = planted().where(planted().users < 3)
    matrix = ratings.matrix(ratings.values - 3)[:3]
    others = rng.standard_normal((N_ITEMS, 3))
    side = Side.start(np.zeros((3, 0)), 3, rng)
    side.precision, side.mean = np.array([[2.0, 0.3, 0], [0.3, 1.0, 0.1], [0, 0.1, 3.0]]), np.array([0.5, -0.2, 0.1])
    draws = []
    for _ in range(4000):
        error = side.draw_rows(matrix, others, 1.7, rng)
        draws.append(side.rows.copy())
    loads = np.c_[others[:, :2], np.ones(N_ITEMS)]
    of_row = matrix[[1]].tocoo()
    z, target = loads[of_row.col], of_row.data - others[of_row.col, 2]
    covariance = np.linalg.inv(side.precision + 1.7 * z.T @ z)
    mean = covariance @ (side.precision @ side.mean + 1.7 * z.T @ target)
    drawn = np.stack(draws)[:, 1]
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=4 * np.sqrt(covariance.max() / 4000))
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.1 * covariance.max())
    entries = matrix.tocoo()
    predicted = (side.rows[entries.row] * loads[entries.col]).sum(axis=1) + others[entries.col, 2]
    assert error == pytest.approx(float(np.square(entries.data - predicted).sum()), rel=1e-4)


def test_intervals_hold_the_share_of_new_ratings_that_they_promise():
    ratings = planted(noise=0.6, share=0.9)
    shares, widths = [], []
    for seed in range(6):
        held = folds(len(ratings), 4, 100 + seed) == 0
        asked = ratings.where(held)
        model = MAKE["with intervals"]().fit(ratings.where(~held), seed=seed)
        found = [model.intervals(asked.users, asked.items, level) for level in (0.5, 0.8)]
        shares.append([np.mean((low <= asked.values) & (asked.values <= high)) for low, high in found])
        widths.append([np.mean(high - low) for low, high in found])
        values = model.predict(asked.users, asked.items)
        assert all((low <= values).all() and (values <= high).all() for low, high in found)
    half, most = np.mean(shares, axis=0)
    assert half == pytest.approx(0.5, abs=0.05)
    assert most == pytest.approx(0.8, abs=0.05)
    assert np.mean(widths, axis=0)[1] < 3  # of 4: the scale goes from 1 to 5


def test_too_few_ratings_give_the_whole_scale():
    few = Ratings.of([0, 1, 1], [0, 0, 1], [1, 5, 3], n_users=3, n_items=2)
    low, high = RatingModel(factors=1, rounds=3).fit(few).intervals(np.array([2]), np.array([1]), 0.8)
    assert (low.tolist(), high.tolist()) == ([1.0], [5.0])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from([1.0, 2.0, 2.5, 5.0])), min_size=2, max_size=40
    ).filter(lambda rows: len({value for *_, value in rows}) > 1)
)
def test_of_several_ratings_of_a_pair_the_last_counts(rows):
    users, items, values = (np.array(column) for column in zip(*rows, strict=True))
    ratings = Ratings.of(users, items, values, n_users=5, n_items=4)
    expected = {(user, item): value for user, item, value in rows}
    got = zip(ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), strict=True)
    assert {(user, item): value for user, item, value in got} == expected
    assert len(ratings) == len(expected)
    assert np.isfinite(Biases().fit(ratings).predict(users, items)).all()


def test_what_cannot_be_rated_is_told():
    with pytest.raises(DataError, match="fewer than two distinct values") as caught:
        Ratings.of([0, 1], [0, 0], [5, 5], n_users=2, n_items=1)
    assert "value" in caught.value.hint
    with pytest.raises(DataError, match="not a finite number"):
        Ratings.of([0, 1], [0, 0], [5, np.nan], n_users=2, n_items=1)


def test_folds_are_as_equal_as_can_be():
    found = folds(103, 5, 1)
    assert sorted(np.bincount(found)) == [20, 20, 21, 21, 21]
    assert (found != folds(103, 5, 2)).any()
