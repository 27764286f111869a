import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.significance import bootstrap, compare, holm, share


def rng():
    return np.random.default_rng(0)


def test_the_interval_is_that_of_the_normal_for_many_users():
    values = rng().normal(3, 2, size=2000)
    found = bootstrap(np.append(values, np.nan), np.random.default_rng(1), draws=4000)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.n == 2000
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_nobody_has_no_interval():
    assert np.isnan(bootstrap(np.array([np.nan]), rng()).low)
    assert compare(np.array([np.nan]), np.array([1.0]), rng()).n == 0


def test_the_permutation_test_equals_trying_all_signs():
    a, b = np.array([0.9, 0.4, 0.8, 0.7, 0.5, 0.65]), np.array([0.5, 0.45, 0.3, 0.35, 0.6, 0.2])
    d = a - b
    signs = np.array(list(itertools.product([1, -1], repeat=len(d))))
    exact = np.mean(np.abs(signs @ d) >= abs(d.sum()) - 1e-12)
    found = compare(a, b, rng(), draws=20_000)
    assert found.p == pytest.approx(exact, abs=0.01)
    assert found.difference == pytest.approx(d.mean())
    assert found.effect == pytest.approx(d.mean() / d.std(ddof=1))


def test_equal_systems_do_not_differ():
    values = rng().random(50)
    found = compare(values, values, rng())
    assert (found.difference, found.low, found.high, found.p, found.effect) == (0, 0, 0, 1, 0)
    assert found.wins == 0.5


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=1))
def test_wins_are_counted_with_ties_as_half(pairs):
    a, b = (np.array(values) for values in zip(*pairs, strict=True))
    expected = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs) / len(pairs)
    assert compare(a, b, rng(), draws=2).wins == pytest.approx(expected)


def test_false_alarms_are_as_rare_as_promised():
    draws = rng()
    alarms = [compare(draws.random(20), draws.random(20), draws, draws=200).p <= 0.05 for _ in range(300)]
    assert np.mean(alarms) < 0.09


def test_pairs_with_a_gap_are_left_out():
    found = compare(np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, np.nan]), rng())
    assert (found.n, found.difference) == (1, 1.0)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, float("nan")])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(holm([0.01, float("nan")])[1])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p):
    found = holm(p)
    assert all(0 <= q <= 1 and q >= x for q, x in zip(found, p, strict=True))
    assert all(a <= b for (_, a), (_, b) in itertools.pairwise(sorted(zip(p, found, strict=True))))


def test_share_of_a_metric():
    whole = rng().random(500) + 1
    found = share(whole / 4, whole, rng())
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert np.isnan(share(whole, np.zeros(500), rng()).mean)
