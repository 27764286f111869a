"""Gaps between groups of users: by the definition, against scipy, and on planted differences."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.evaluate.groups import group_gaps
from kgrec.testing import toy_dataset

N = 40


def dataset():
    users = pl.DataFrame(
        {
            "user_id": [f"u{k}" for k in range(N)],
            "gender": ["f", "m"] * (N // 2),
            "age": [str(20 + k) for k in range(N)],  # digits, as a file gives them
            "name": [f"name {k}" for k in range(N)],
        }
    )
    infos = {name: AttributeInfo(None, multi=False) for name in ("gender", "age", "name")}
    return Dataset(toy_dataset().interactions, users, toy_dataset().items, user_attributes=infos)


def gaps(values, seed=0):
    found = group_gaps(dataset(), "ndcg@5", values, np.random.default_rng(seed))
    return {gap.attribute: gap for gap in found}


def test_a_planted_gap_is_found_and_others_are_not():
    values = np.where(np.arange(N) % 2 == 0, 0.75, 0.25)
    found = gaps(values)
    assert {"gender", "age"} <= set(found)
    assert "name" not in found
    gender = found["gender"]
    assert (gender.groups, gender.sizes, gender.gap) == ({"f": 0.75, "m": 0.25}, {"f": 20, "m": 20}, 0.5)
    assert (gender.low, gender.high) == pytest.approx((0.5, 0.5))
    assert gender.p_holm < 0.01
    assert gender.intervals["f"].mean == 0.75
    assert list(found["age"].groups) == ["20 to 32", "33 to 45", "46 to 59"]
    assert found["age"].gap < 0.1
    assert found["age"].p > 0.5


def test_two_groups_equal_scipy():
    values = np.random.default_rng(5).random(N)
    f, m = values[::2], values[1::2]
    found = gaps(values)["gender"]
    d = stats.ttest_ind(f, m).statistic * np.sqrt(2 / 20)  # t is Cohen's d over sqrt(1/n + 1/m)
    assert found.effect == pytest.approx(abs(d))
    draws = {"n_resamples": 5000, "rng": 3}
    exact = stats.permutation_test((f, m), lambda x, y: abs(x.mean() - y.mean()), alternative="greater", **draws)
    assert found.p == pytest.approx(exact.pvalue, abs=0.03)
    b = stats.bootstrap((f, m), lambda x, y: x.mean() - y.mean(), method="percentile", **draws)
    ends = sorted(abs(end) for end in b.confidence_interval)
    assert max(abs(found.low), abs(found.high)) == pytest.approx(ends[1], abs=0.03)


def test_no_gap_where_nobody_differs_and_false_alarms_are_rare():
    assert gaps(np.full(N, 0.5))["gender"].p == 1
    draws = np.random.default_rng(2)
    alarms = [gaps(draws.random(N), seed)["age"].p <= 0.05 for seed in range(40)]
    assert np.mean(alarms) < 0.2


def test_users_who_were_not_tested_do_not_count():
    values = np.where(np.arange(N) % 2 == 0, 0.75, np.nan)
    assert "gender" not in gaps(values)
    assert gaps(np.append(np.full(N - 2, 0.5), [np.nan, np.nan]))["gender"].sizes == {"f": 19, "m": 19}
