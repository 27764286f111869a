"""Figures of showings and clicks: by definition, against scikit-learn, and in an evaluation."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.evaluate.ablation import EvaluationInputs
from kgrec.evaluate.evaluator import run
from kgrec.evaluate.impressions import PooledAuc, Showings, group_figures, measure_clicks
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.evaluate.records import KeptRun
from kgrec.evaluate.summary import summarise
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.report.run_page import report_page


def drawn(seed, *, ties):
    rng = np.random.default_rng(seed)
    n, n_groups = int(rng.integers(1, 40)), int(rng.integers(1, 8))
    groups = np.unique(rng.integers(0, n_groups, n), return_inverse=True)[1]
    scores = rng.integers(0, 4, n).astype(float) if ties else rng.random(n)
    return rng, scores, rng.random(n) < 0.4, groups


def auc(scores, clicked, weights=None):
    weights = np.ones(len(scores)) if weights is None else weights
    return PooledAuc(scores, clicked).of(weights[None])[0]


def auc_of_pairs(scores, clicked):
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[clicked] for b in scores[~clicked]]
    return np.mean(pairs) if pairs else np.nan


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_auc_is_the_share_of_pairs_in_the_right_order(seed, ties):
    rng, scores, clicked, _ = drawn(seed, ties=ties)
    assert auc(scores, clicked) == pytest.approx(auc_of_pairs(scores, clicked), nan_ok=True)
    counts = rng.integers(0, 4, len(scores))
    repeated = auc_of_pairs(np.repeat(scores, counts), np.repeat(clicked, counts))
    assert auc(scores, clicked, counts.astype(float)) == pytest.approx(repeated, nan_ok=True)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_auc_is_that_of_scikit_learn(seed, ties):
    metrics = pytest.importorskip("sklearn.metrics")
    rng, scores, clicked, _ = drawn(seed, ties=ties)
    if 0 < clicked.sum() < len(clicked):
        weights = rng.random(len(scores)) + 0.1
        assert auc(scores, clicked) == pytest.approx(metrics.roc_auc_score(clicked, scores))
        weighted = metrics.roc_auc_score(clicked, scores, sample_weight=weights)
        assert auc(scores, clicked, weights) == pytest.approx(weighted)


def by_definition(scores, clicked):
    """MIND's evaluation script, on the order in which a clicked one comes after others of the same score."""
    order = sorted(range(len(scores)), key=lambda k: (-scores[k], clicked[k]))
    labels = np.array([clicked[k] for k in order], dtype=float)
    found = {"group auc": auc_of_pairs(scores, clicked), "mrr": (labels / np.arange(1, len(labels) + 1)).sum()}
    found["mrr"] /= labels.sum()
    for k in (5, 10):
        discount = 1 / np.log2(np.arange(2, k + 2))
        gained, best = labels[:k], np.sort(labels)[::-1][:k]
        found[f"ndcg@{k}"] = (gained * discount[: len(gained)]).sum() / (best * discount[: len(best)]).sum()
    return found


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_figures_of_groups_are_those_of_mind(seed, ties):
    _, scores, clicked, groups = drawn(seed, ties=ties)
    found = group_figures(scores, clicked, groups)
    for group in range(groups.max() + 1):
        own = groups == group
        if 0 < clicked[own].sum() < own.sum():
            for name, value in by_definition(scores[own], clicked[own]).items():
                assert found[name][group] == pytest.approx(value), name
        else:
            assert all(np.isnan(values[group]) for values in found.values())


def test_intervals_are_over_users():
    rng = np.random.default_rng(0)
    n_users, n = 200, 4_000
    rows = np.sort(rng.integers(0, n_users, n))
    users, rows = np.unique(rows, return_inverse=True)
    clicked = rng.random(n) < 0.2
    good = clicked + rng.normal(0, 1, n)
    shown = Showings(users, np.arange(n), rows, np.arange(n), rows, clicked, "all that a user was shown")
    found = measure_clicks(shown, {"good": [good, good], "none": [np.full(n, np.nan)]}, rng)
    figures = found.systems["good"]
    assert figures["auc"].mean == pytest.approx(auc(good, clicked))
    expected = 0.7602  # of two normal distributions one apart: Phi(1 / sqrt(2))
    assert figures["auc"].low < expected < figures["auc"].high
    assert figures["auc"].high - figures["auc"].low < 0.05
    assert found.systems["none"]["auc"].mean == 0.5
    assert figures["group auc"].n == found.groups <= n_users
    assert figures["mrr"].low < figures["mrr"].mean < figures["mrr"].high


def log(*, both, times):
    """Users who click what they like: items of their own half. The last of the showings are the test."""
    rng = np.random.default_rng(1)
    rows = []
    for user in range(60):
        for item in rng.permutation(20):
            test = item % 5 == user % 5
            liked = (item % 2 == user % 2) and rng.random() < 0.8
            kinds = (["impression"] if both or not liked else []) + (["like"] if liked else [])
            rows += [(user, int(item), kind, 10 * int(test) + int(item) // 10, bool(test)) for kind in kinds]
    table = pl.DataFrame(rows, schema=["user", "item", "action", "time", "test"], orient="row")
    table = table.with_columns(
        pl.col("time") if times else pl.lit(None, dtype=pl.Int64).alias("time"),
        split=pl.when("test").then(pl.lit("test")).otherwise(pl.lit("train")),
        value=pl.lit(None),
        text=pl.lit(None),
        source=pl.lit("x"),
        line=pl.int_range(pl.len()),
    )
    table = table.select(list(INTERACTIONS)).cast(pl.Schema(INTERACTIONS))
    people = pl.DataFrame({"user_id": [f"u{k}" for k in range(60)]}).with_columns(description=pl.lit(None))
    things = pl.DataFrame({"item_id": [f"i{k}" for k in range(20)]}).with_columns(title=pl.lit(None))
    return Dataset(table, people, things.with_columns(description=pl.lit(None)))


@pytest.mark.parametrize(("both", "times"), [(True, True), (False, False)])
def test_evaluate_tells_what_is_clicked_of_what_is_shown(both, times):
    data, domain = log(both=both, times=times), Domain(name="generic", summary="")
    inputs = EvaluationInputs(data, Config(), domain, load_plugins([]), None, lambda *_: (None, None))
    plan = EvaluationPlan("given", ks=(5,), seeds=(1, 2), only=("ease",))
    evaluation = summarise(run(inputs, plan), plan, inputs.dataset)
    found = evaluation.clicks
    assert (found.users, found.shown) == (60, 240)  # four of each user's items are the test, liked or not
    test = inputs.dataset.interactions.filter((pl.col("split") == "test") & (pl.col("action") == "like"))
    assert found.clicked == test.height
    assert found.by == ("what a user was shown at the same time" if times else "all that a user was shown")
    assert found.groups > 60 if times else found.groups <= 60
    assert found.systems["full"]["auc"].mean > 0.8
    assert found.systems["full"]["auc"].low > 0.7
    assert json.dumps(evaluation.to_dict())
    page = report_page(KeptRun("x", Path("x.json"), evaluation))
    assert "What was clicked" in page
    without = EvaluationPlan("ratio", 0.2, (5,), (1,), ("popularity",))
    assert summarise(run(inputs, without), without, inputs.dataset).clicks is None


def test_the_screen_names_auc_its_interval_and_the_groups(capsys):
    from kgrec.cli.views import show_clicks

    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(30), 6)
    clicked = np.tile([True, False, False, False, False, False], 30)
    shown = Showings(np.arange(30), np.arange(6), rows, np.tile(np.arange(6), 30), rows, clicked, "all that a user saw")
    show_clicks(measure_clicks(shown, {"full": [clicked.astype(float)]}, rng))
    printed = capsys.readouterr().out
    assert "1.0000 to 1.0000" in printed
    assert "ndcg@10" in printed
    assert "180 showings to 30 users, 30 clicked" in printed
    show_clicks(None)
    assert capsys.readouterr().out == ""
