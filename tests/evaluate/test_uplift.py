"""Uplift: planted effects are found where comparing means is fooled, and lists are worth what they cause."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.data.impressions import times_shown
from kgrec.evaluate.ablation import EvaluationInputs
from kgrec.evaluate.evaluator import run
from kgrec.evaluate.impressions import make_log
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.evaluate.records import KeptRun
from kgrec.evaluate.summary import summarise
from kgrec.evaluate.uplift import average_effect, effect_on_lists, naive_difference
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.report.run_page import report_page

N_USERS, N_ITEMS = 3000, 30


def simulate(seed, effect):
    """Active users and popular items are shown more, and liked more even when not shown.

    Args:
        effect: what showing adds to the probability of a like, shape ``(n_items,)``.
    """
    rng = np.random.default_rng(seed)
    activity, fame = rng.uniform(0.3, 1.7, N_USERS), np.linspace(0.2, 1.8, N_ITEMS)
    propensities = 0.25 * activity[:, None] * fame
    shown = rng.random((N_USERS, N_ITEMS)) < propensities
    anyway = 0.15 * activity[:, None] * fame
    liked = rng.random((N_USERS, N_ITEMS)) < anyway + effect * shown
    return csr_array(shown.astype(float)), csr_array(liked.astype(float)), *[csr_array((N_USERS, N_ITEMS))] * 2


def rng():
    return np.random.default_rng(0)


def test_a_planted_effect_is_found_and_the_difference_of_means_is_not_it():
    for seed in range(3):
        log = make_log(*simulate(seed, np.full(N_ITEMS, 0.1)), clip=0.01)
        found = average_effect(log, rng())
        assert found.uplift.mean == pytest.approx(0.1, abs=0.015)
        assert found.uplift.low - 0.005 <= 0.1 <= found.uplift.high + 0.005
        assert found.unshown.mean == pytest.approx(0.15, abs=0.01)
        assert naive_difference(log) > 0.13


def test_no_effect_is_seen_where_there_is_none():
    log = make_log(*simulate(5, np.zeros(N_ITEMS)), clip=0.01)
    found = average_effect(log, rng()).uplift
    assert found.low < 0 < found.high
    assert naive_difference(log) > 0.03


def test_lists_are_worth_what_they_cause_not_what_they_predict():
    effect = np.where(np.arange(N_ITEMS) % 2 == 0, 0.3, 0.0)
    log = make_log(*simulate(2, effect), clip=0.01)
    causing = np.tile(np.arange(0, 20, 2), (len(log.users), 1))
    popular = np.tile(np.arange(N_ITEMS - 1, N_ITEMS - 20, -2), (len(log.users), 1))  # liked most, but anyway
    worth = effect_on_lists(log, [causing], rng())
    idle = effect_on_lists(log, [popular, popular], rng())
    assert worth.uplift.mean == pytest.approx(0.3, abs=0.03)
    assert abs(idle.uplift.mean) < 0.03
    assert idle.unshown.mean > worth.unshown.mean
    assert worth.n_shown == log.shown[:, list(range(0, 20, 2))].nnz


def test_the_weighted_difference_by_hand():
    shown = csr_array(np.array([[1.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    liked = csr_array(np.array([[1.0, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]]))
    log = make_log(shown, liked, csr_array((3, 4)), csr_array((3, 4)), clip=0.01)
    assert log.users.tolist() == [0, 1]  # who was shown nothing is not in it, and items 2 and 3 neither
    assert log.n_pairs.tolist() == [2, 2]
    e = {(0, 0): 2 * 2 / 3, (0, 1): 2 * 1 / 3, (1, 0): 1 * 2 / 3, (1, 1): 1 * 1 / 3}
    e = {pair: min(value, 0.95) for pair, value in e.items()}
    treated = (1 / e[0, 0]) / (1 / e[0, 0] + 1 / e[0, 1] + 1 / e[1, 0])
    control = (1 / (1 - e[1, 1])) / 4
    found = average_effect(log, rng())
    assert (found.shown.mean, found.unshown.mean) == pytest.approx((treated, control))
    assert naive_difference(log) == pytest.approx(1 / 3 - 1)


def test_known_pairs_do_not_count_and_a_log_without_contrast_says_nothing():
    shown, liked, nothing, _ = simulate(1, np.full(N_ITEMS, 0.1))
    only_shown, only_unshown = csr_array(shown.multiply(liked)), csr_array(liked - liked.multiply(shown))
    assert make_log(shown, only_shown, nothing, nothing, clip=0.01) is None
    assert make_log(shown, only_unshown, nothing, nothing, clip=0.01) is None
    assert make_log(nothing, liked, nothing, nothing, clip=0.01) is None
    log = make_log(shown, liked, csr_array(liked.multiply(np.arange(N_ITEMS)[None, :] < 5)), nothing, clip=0.01)
    assert not log.liked[:, :5].nnz
    assert log.n_pairs.sum() < N_ITEMS * len(log.users)


def shop(seed=0, n_users=250, n_items=24, effect=0.25):
    """A dataset: a first half to learn from, then showings that cause likes, and likes that nobody caused."""
    draws = np.random.default_rng(seed)
    before = draws.random((n_users, n_items)) < 0.2
    shown = (draws.random((n_users, n_items)) < 0.3) & ~before
    liked = (draws.random((n_users, n_items)) < 0.08 + effect * shown) & ~before
    parts = [(before, "like", 0), (shown, "impression", 1_000), (liked, "like", 2_000)]
    tables = []
    for mask, action, start in parts:
        users, items = np.nonzero(mask)
        times = start + np.arange(len(users)) % 900
        tables.append(pl.DataFrame({"user": users, "item": items, "action": action, "time": times}))
    rows = pl.concat(tables).sort("time", maintain_order=True)
    rows = rows.with_columns(value=pl.lit(None), text=pl.lit(None), split=pl.lit("train"), source=pl.lit("x"))
    rows = rows.with_columns(line=pl.int_range(pl.len())).select(list(INTERACTIONS)).cast(pl.Schema(INTERACTIONS))
    people = pl.DataFrame({"user_id": [f"u{k}" for k in range(n_users)]}).with_columns(description=pl.lit(None))
    things = pl.DataFrame({"item_id": [f"i{k}" for k in range(n_items)]}).with_columns(title=pl.lit(None))
    return Dataset(rows, people, things.with_columns(description=pl.lit(None)))


def test_evaluate_tells_the_uplift_of_a_log():
    dataset = shop()
    likes = dataset.interactions.filter(pl.col("action") == "like")["time"]
    later = (likes >= 2_000).sum() / len(likes)
    inputs = EvaluationInputs(
        dataset=dataset,
        config=Config(),
        domain=Domain(name="generic", summary=""),
        manager=load_plugins([]),
        triples=None,
        encode=lambda *_: (None, None),
    )
    plan = EvaluationPlan("time", later + 0.002, (5,), (1,), ("popularity", "ease"))
    evaluation = summarise(run(inputs, plan), plan, inputs.dataset)
    found = evaluation.uplift
    assert found.users > 200
    assert found.everywhere.uplift.low < 0.25 < found.everywhere.uplift.high
    assert found.at["full"][5].uplift.low > 0.1
    assert json.dumps(evaluation.to_dict())
    exposed = times_shown(dataset, (dataset.interactions["time"] >= 1_000).to_numpy())
    shown = dataset.interactions.filter(pl.col("action") == "impression")
    assert exposed.tolist() == [shown.filter(pl.col("item") == k)["user"].n_unique() for k in range(24)]
    page = report_page(KeptRun("x", Path("x.json"), evaluation))
    assert "What showing changes" in page
    assert "top 5 of full" in page
    without = EvaluationPlan("ratio", 0.2, (5,), (1,), ("popularity",))
    assert summarise(run(inputs, without), without, inputs.dataset).uplift is None
