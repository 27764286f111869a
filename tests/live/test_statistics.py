"""Drawn lists, what they tell of other policies, and results that hold at all times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import ExperimentConfig
from kgrec.live.bandits import explore_by
from kgrec.live.experiments import compare, radius, uneven
from kgrec.live.off_policy import off_policy
from kgrec.live.placements import assign, draw, propensities, temper


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(0.05, 1))
def test_propensities_of_all_orders_of_two_places_sum_to_one(scores, explore):
    logits = temper(np.sort(np.array(scores))[::-1], explore)
    total = sum(
        propensities(logits, np.array([a, b])).prod() for a in range(len(scores)) for b in range(len(scores)) if a != b
    )
    assert total == pytest.approx(1.0, rel=1e-6)


def test_draws_follow_their_propensities():
    scores, rng = np.array([2.0, 1.0, 0.0, -1.0]), np.random.default_rng(0)
    drawn = [draw(scores, 2, 1.0, rng) for _ in range(4_000)]
    first = np.array([each.order[0] for each in drawn])
    told = {int(each.order[0]): each.propensities[0] for each in drawn}
    for item, probability in told.items():
        assert (first == item).mean() == pytest.approx(probability, abs=0.03)
    assert draw(scores, 3, 0.0, rng).order.tolist() == [0, 1, 2]


@pytest.mark.parametrize("policy", ["thompson", "linucb"])
def test_draws_of_policies_that_learn_follow_the_chances_they_log(policy):
    scores = np.array([1.0, 0.8, 0.3, 0.0])
    known = np.array([[0, 4.0], [9, 4.0], [2, 2.0], [0, 0.0]]) if policy == "thompson" else np.full((4, 2), 0.3)
    rng = np.random.default_rng(0)
    drawn = [explore_by(policy, scores, known, 2, 0.5, rng) for _ in range(1_500)]
    first = np.array([each.order[0] for each in drawn])
    for item in range(4):
        logged = [each.propensities[0] for each in drawn if each.order[0] == item]
        if logged:
            assert (first == item).mean() == pytest.approx(np.mean(logged), abs=0.05)
    assert (first == 1).mean() > 0.4 or policy == "linucb"


def simulated(rng, lists=6_000):
    """Lists of 2 of 4 items drawn at temperature 1; the true value of temperature 0.4 is found by drawing it."""
    scores, clicks = np.array([1.5, 1.0, 0.2, -0.5]), np.array([0.1, 0.4, 0.3, 0.05])
    logged, target = np.ones((lists, 2)), np.ones((lists, 2))
    rewards = np.zeros((lists, 2))
    for row in range(lists):
        made = draw(scores, 2, 1.0, rng)
        rewards[row] = rng.random(2) < clicks[made.order]
        logged[row] = made.propensities
        target[row] = propensities(temper(scores, 0.4), made.order)
    truth = np.mean([clicks[draw(scores, 2, 0.4, rng).order].sum() for _ in range(20_000)])
    return rewards, logged, target, float(truth)


def test_estimates_find_the_truth_from_lists_of_another_policy():
    inside = {"ips": 0, "snips": 0, "dr": 0}
    for seed in range(12):
        rewards, logged, target, truth = simulated(np.random.default_rng(seed), 1_500)
        found = off_policy(
            rewards, logged, target, expected=np.full((1_500, 2), 0.25), policy_value=np.full(1_500, 0.5)
        )
        for name, estimate in found.items():
            inside[name] += estimate.low <= truth <= estimate.high
            assert estimate.value == pytest.approx(truth, abs=0.1)
            assert estimate.effective < 1_500
    assert min(inside.values()) >= 10


def test_daily_peeking_for_a_month_finds_hardly_anything_where_nothing_is():
    """With intervals for a fixed number of users about a third of these would."""
    alarms = fixed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        taste = rng.beta(2, 8, size=(2, 1_500))
        seen = np.zeros((2, 1_500))
        clicked = np.zeros((2, 1_500))
        alarm = late = False
        for day in range(1, 31):
            come = rng.random((2, 1_500)) < 0.1
            come[:, day * 50 :] = False  # users arrive over time
            seen += come
            clicked += come & (rng.random((2, 1_500)) < taste)
            outcomes = {}
            for arm, name in enumerate("ab"):
                there = seen[arm] > 0
                outcomes[name] = (clicked[arm][there] / seen[arm][there], seen[arm][there].astype(int))
            second = compare("aa", "click", outcomes).variants[1]
            alarm |= second.verdict in ("better", "worse")
            if second.low is not None:
                rates = [outcomes[name][0] for name in "ab"]
                spread = np.sqrt(sum(rate.var() / len(rate) for rate in rates))
                late |= abs(second.difference) > 1.96 * spread
        alarms += alarm
        fixed += late
    assert alarms / 200 <= 0.05
    assert fixed / 200 > 0.1


def test_a_real_difference_is_found():
    rng = np.random.default_rng(3)
    outcomes = {
        name: ((rng.random(4_000) < rate).astype(float), np.ones(4_000, dtype=int))
        for name, rate in (("a", 0.2), ("b", 0.3), ("c", 0.2))
    }
    result = compare("real", "click", outcomes)
    assert [variant.verdict for variant in result.variants] == ["", "better", "open"]
    assert not result.uneven
    assert result.variants[1].low < 0.1 < result.variants[1].high


def test_groups_of_the_wrong_size_raise_an_alarm_and_others_hardly_ever():
    rng = np.random.default_rng(5)
    assert uneven([5_000, 5_600])
    false = sum(uneven([int(n), 4_000 - int(n)]) for n in rng.binomial(4_000, 0.5, size=500))
    assert false <= 2


def test_intervals_shrink_with_users():
    widths = [radius(0.2, n) for n in (50, 500, 5_000, 50_000)]
    assert widths == sorted(widths, reverse=True)


def test_assignment_is_even_and_independent_between_experiments():
    one, two = (ExperimentConfig(placement="p", variants={"a": "p", "b": "q"}) for _ in range(2))
    users = [f"user-{k}" for k in range(4_000)]
    first, second = ([assign(name, each, user) for user in users] for name, each in (("one", one), ("two", two)))
    assert abs(first.count("a") - 2_000) < 130
    both = sum(a == b for a, b in zip(first, second, strict=True))
    assert abs(both - 2_000) < 130
