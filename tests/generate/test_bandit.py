"""Thompson sampling: posteriors are right, no variant starves, and the better one is found."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from kgrec.generate.feedback.bandit import Arm, arms_of, best_probabilities, choose, draw_key, floor_share

COUNTS = st.integers(0, 300)


@settings(max_examples=30, deadline=None)
@given(won=COUNTS, lost=COUNTS)
def test_the_posterior_is_that_of_a_uniform_prior(won, lost):
    alpha, beta = Arm("a", "1", won, lost).posterior
    assert alpha / (alpha + beta) == pytest.approx((won + 1) / (won + lost + 2))  # Laplace's rule of succession
    grid = np.linspace(1e-4, 1 - 1e-4, 2001)
    likelihood = stats.binom.logpmf(won, won + lost, grid)  # prior 1: posterior is the likelihood, normed
    expected = np.exp(likelihood - likelihood.max())
    density = stats.beta.pdf(grid, alpha, beta)
    peak = np.argmax(expected)
    assert density / density[peak] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(counts=st.lists(st.tuples(COUNTS, COUNTS), min_size=2, max_size=2))
def test_the_probability_of_being_best(counts):
    arms = [Arm(str(k), "1", *pair) for k, pair in enumerate(counts)]
    shares = best_probabilities(arms, np.random.default_rng(0))
    assert shares.sum() == pytest.approx(1)
    (a1, b1), (a2, b2) = (arm.posterior for arm in arms)
    mean, wide = a1 / (a1 + b1), 8 * np.sqrt(a1 * b1 / ((a1 + b1) ** 2 * (a1 + b1 + 1)))
    low, high = max(0, mean - wide), min(1, mean + wide)
    exact, _ = integrate.quad(lambda x: stats.beta.pdf(x, a1, b1) * stats.beta.cdf(x, a2, b2), low, high)
    assert shares[0] == pytest.approx(exact, abs=0.04)


@given(n=st.integers(2, 9), trials=st.integers(0, 10**7))
def test_the_floor_falls_and_never_exceeds_an_even_share(n, trials):
    assert 0 < floor_share(n, trials + 1) <= floor_share(n, trials) <= 1 / n


def test_a_variant_that_lost_everything_still_gets_its_share():
    arms = [Arm("good", "1", 900, 100), Arm("bad", "1", 0, 1000)]
    drawn = [choose(arms, draw_key(1, k)).name for k in range(4000)]
    share = drawn.count("bad") / len(drawn)
    assert share == pytest.approx(floor_share(2, 2000), abs=0.005)


def test_a_draw_hangs_on_its_text_alone():
    arms = [Arm("a", "1", 3, 7), Arm("b", "1", 4, 6)]
    names = [choose(arms, draw_key(7, "u", k)).name for k in range(50)]
    assert names == [choose(arms, draw_key(7, "u", k)).name for k in range(50)]
    assert len(set(names)) == 2
    assert choose(arms[:1], draw_key()).name == "a"


def simulated(rates, rounds, delay, seed, policy):
    """Return the regret after each round; what readers did is known ``delay`` rounds later."""
    rng = np.random.default_rng(seed)
    won, lost = np.zeros(len(rates), int), np.zeros(len(rates), int)
    waiting, regret = [], []
    for k in range(rounds):
        arms = [Arm(str(a), "1", int(won[a]), int(lost[a])) for a in range(len(rates))]
        at = int(policy(arms, draw_key(seed, k)).name)
        waiting.append((at, rng.random() < rates[at]))
        regret.append(max(rates) - rates[at])
        if len(waiting) > delay:
            seen, clicked = waiting.pop(0)
            won[seen] += clicked
            lost[seen] += not clicked
    return np.cumsum(regret)


def evenly(arms, rng):
    return arms[int(rng.integers(len(arms)))]


@pytest.mark.parametrize("delay", [0, 200])
def test_the_better_variant_is_found_with_sublinear_regret(delay):
    rates, rounds = (0.06, 0.12, 0.08), 3000
    found = np.mean([simulated(rates, rounds, delay, seed, choose) for seed in range(3)], axis=0)
    even = np.mean([simulated(rates, rounds, delay, seed, evenly) for seed in range(3)], axis=0)
    assert found[-1] < 0.45 * even[-1]
    second_half = found[-1] - found[rounds // 2]
    assert second_half < 0.5 * found[rounds // 2]  # linear regret would grow as much again
    assert second_half < 0.25 * (even[-1] - even[rounds // 2])


def test_arms_are_counted_by_kind_language_model_and_version():
    rows = [
        ("blurb", "en", "m", "main", "v1", 1, 1),
        ("blurb", "en", "m", "main", "v1", 1, 0),
        ("blurb", "en", "m", "main", "v0", 1, 1),  # an earlier text of the prompt
        ("blurb", "zh", "m", "main", "v1", 1, 1),
        ("summary", "en", "m", "main", "v1", 1, 1),
        ("blurb", "en", "template", "main", "v1", 1, 1),
    ]
    names = ["kind", "lang", "asked", "variant", "version", "shown", "clicked"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    arms = arms_of(table, {"main": "v1", "new": "v9"}, kind="blurb", language="en", asked="m", reward="clicked")
    assert arms == [Arm("main", "v1", 1, 1), Arm("new", "v9", 0, 0)]
