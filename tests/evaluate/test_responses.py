"""Rates and means of feedback: intervals that hold, readers as the unit."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from kgrec.evaluate.responses import measure, rate, wilson


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_is_the_score_interval(n, share):
    won = round(share * n)
    found, expected = wilson(won, n), binomtest(won, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_no_trials_no_rate():
    assert wilson(0, 0).n == rate(np.array([]), np.array([]), np.random.default_rng(0)).n == 0


def test_readers_who_do_the_same_each_time_make_it_less_sure():
    rng = np.random.default_rng(0)
    clicked = (rng.random(100) < 0.3).astype(float)
    alone = rate(clicked, np.ones(100), rng)
    alike = rate(clicked * 20, np.full(100, 20.0), rng)
    assert alike.mean == pytest.approx(alone.mean)
    width = alike.high - alike.low
    assert width == pytest.approx(alone.high - alone.low, rel=0.2)
    as_if_apart = wilson(clicked.sum() * 20, 2000)
    assert width > 3 * (as_if_apart.high - as_if_apart.low)


def test_never_clicked_is_not_certain():
    found = rate(np.zeros(50), np.full(50, 4.0), np.random.default_rng(0))
    assert (found.mean, found.low) == (0, 0)
    assert 0.03 < found.high < 0.15
    few = rate(np.array([1.0, 2.0]), np.array([2.0, 4.0]), np.random.default_rng(0))
    assert few.high - few.low > 0.5


def test_intervals_hold_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        liking = rng.beta(2, 8, size=60)  # readers differ
        shown = rng.integers(1, 6, size=60)
        found = rate(rng.binomial(shown, liking).astype(float), shown.astype(float), rng)
        held += found.low <= 0.2 <= found.high
    assert held / 200 > 0.9


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "unit": [f"u{k % 40}" for k in range(n)],
            "kind": ["blurb"] * n,
            "lang": ["en"] * n,
            "model": ["m" if k % 2 else "template" for k in range(n)],
            "asked": ["m"] * n,
            "fallback": [k % 2 == 0 for k in range(n)],
            "variant": ["main" if k % 3 else "short" for k in range(n)],
            "version": ["12345678"] * n,
            "shown": [1] * n,
            "clicked": rng.integers(2, size=n),
            "converted": [0] * n,
            "value": [0.0] * n,
            "dwell": [float(k) if k % 5 == 0 else None for k in range(n)],
            "rating": [None] * n,
            "edited": [0] * n,
            "faulty": [0] * n,
        },
        schema_overrides={"rating": pl.Float64, "dwell": pl.Float64},
    )


def test_groups_and_what_is_not_known():
    groups = measure(table(), seed=1)
    assert [g.to_dict() for g in groups] == [g.to_dict() for g in measure(table(), seed=1)]
    labels = {group.by: [] for group in groups}
    for group in groups:
        labels[group.by].append(group.label)
    assert labels["all"] == ["all"]
    assert sorted(labels["model"]) == ["m", "template (stepped in)"]
    assert labels["variant"] == ["blurb.en · m · main@12345678", "blurb.en · m · short@12345678"]
    for by in labels:
        assert sum(group.shown for group in groups if group.by == by) == 60
    everything = groups[0]
    assert (everything.readers, everything.enough) == (40, True)
    assert everything.dwell.mean == pytest.approx(np.mean(range(0, 60, 5)))
    assert everything.to_dict()["rating"] is None
    assert everything.conversion.high > 0
    assert not next(group for group in groups if group.label.endswith("short@12345678")).enough


def test_nothing_on_record():
    (group,) = measure(table().clear(), seed=1)
    assert (group.shown, group.ctr.n, group.enough) == (0, 0, False)
