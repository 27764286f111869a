"""RMSE and MAE of predicted ratings: the figures, the folds, and the command."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.errors import DataError, NotFoundError, UsageError
from kgrec.evaluate.plan import RatingsPlan
from kgrec.evaluate.ratings import PredictorErrors, run_ratings, summarise_ratings
from kgrec.evaluate.records import RatingsData
from kgrec.models.ratings import Biases
from kgrec.ranking.ratings import explicit_ratings

QUICK = ("baseline", "item-neighbours")


def dataset(rows, n_users=40, n_items=25):
    """Return a dataset of ``(user, item, action, value, split)`` rows."""
    names = ("user", "item", "action", "value", "split")
    table = pl.DataFrame(rows, schema=list(names), orient="row")
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in INTERACTIONS.items() if name not in names]
    table = table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in INTERACTIONS.items())
    users = pl.DataFrame({"user_id": [f"u{k}" for k in range(n_users)]})
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(n_items)]})
    return Dataset(table, users, items)


def rated(seed=0, split=lambda _: "train"):
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((40, 25)) < 0.4)
    high = rng.normal(0, 0.7, 40)
    return [
        (int(u), int(i), "rate", float(np.clip(round(3 + high[u] + rng.normal(0, 0.8)), 1, 5)), split(k))
        for k, (u, i) in enumerate(pairs)
    ]


def test_ratings_are_rows_that_rate_with_a_value_and_the_latest_counts():
    rows = [
        (0, 0, "rate", 2.0, "train"),
        (0, 0, "rate", 5.0, "train"),
        (1, 0, "view", 3.0, "train"),
        (1, 1, "rate", None, "train"),
        (2, 1, "rate", 1.0, "test"),
        (2, 2, "rate", 3.0, "validation"),
    ]
    ratings = explicit_ratings(dataset(rows))
    assert list(zip(ratings.users, ratings.items, ratings.values, strict=True)) == [(0, 0, 5.0), (2, 2, 3.0)]


def test_data_without_ratings_says_so():
    with pytest.raises(DataError, match="no ratings to learn from"):
        run_ratings(dataset([(0, 0, "like", None, "train"), (1, 0, "rate", 4.0, "train")]), RatingsPlan())


def test_rmse_and_mae_are_those_of_predictions_made_by_hand():
    data = dataset(rated())
    judged, counts = run_ratings(data, RatingsPlan(folds=4, seeds=(7,), only=QUICK))
    found = summarise_ratings(judged, counts, RatingsPlan(folds=4, seeds=(7,), only=QUICK))
    ratings = explicit_ratings(data)
    fold = np.random.default_rng([7, 17]).permutation(len(ratings)) % 4
    errors = []
    for k in range(4):
        known, asked = ratings.where(fold != k), ratings.where(fold == k)
        errors.append(Biases().fit(known).predict(asked.users, asked.items) - asked.values)
    baseline = found.predictors[0]
    every = np.concatenate(errors).astype(np.float64)
    assert len(every) == len(ratings) == counts.ratings
    assert baseline.rmse.mean == pytest.approx(np.sqrt(np.mean(every**2)), rel=1e-6)
    assert baseline.mae.mean == pytest.approx(np.abs(every).mean(), rel=1e-6)
    np.testing.assert_allclose(
        baseline.rmse_by_fold, [np.sqrt(np.mean(e.astype(float) ** 2)) for e in errors], rtol=1e-5
    )
    assert baseline.rmse.low < baseline.rmse.mean < baseline.rmse.high
    assert json.dumps(found.to_dict())


def test_the_lead_is_the_difference_and_a_large_one_is_sure():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 30, 200)
    good = PredictorErrors("good", counts * rng.uniform(0.5, 1.0, 200), counts * 0.6, counts)
    bad = PredictorErrors("bad", counts * rng.uniform(0.9, 1.6, 200), counts * 0.9, counts)
    same = PredictorErrors("same", good.squared.copy(), good.absolute.copy(), counts)
    data = RatingsData(ratings=1, users=1, items=1, scale=(1, 5), mean=3.0)
    found = summarise_ratings([bad, same, good], data, RatingsPlan())
    lead, none = found.comparisons
    rmse = {p.name: p.rmse.mean for p in found.predictors}
    assert lead.rmse_difference == pytest.approx(rmse["bad"] - rmse["good"])
    assert lead.mse_difference.low > 0
    assert lead.p_holm < 0.01
    assert none.rmse_difference == 0
    assert none.p_holm > 0.9


def test_given_rows_are_predicted_but_not_pairs_that_are_known():
    rows = rated(split=lambda k: "test" if k % 5 == 0 else "train")
    known = next(row for row in rows if row[4] == "train")
    rows.append((*known[:4], "test"))
    judged, counts = run_ratings(dataset(rows), RatingsPlan(split="given", only=("baseline",)))
    assert counts.predicted == judged[0].counts.sum() == sum(row[4] == "test" for row in rows) - 1


@pytest.mark.parametrize(
    ("plan", "error", "says"),
    [
        (RatingsPlan(only=("knn",)), NotFoundError, "unknown predictor of ratings 'knn'"),
        (RatingsPlan(split="time"), NotFoundError, "unknown split 'time'"),
        (RatingsPlan(folds=1), UsageError, "1 folds"),
        (RatingsPlan(folds=10_000), DataError, "cannot be cut into 10000 folds"),
        (RatingsPlan(split="given"), UsageError, "no file is marked for testing"),
    ],
)
def test_plans_that_cannot_be(plan, error, says):
    with pytest.raises(error, match=says):
        run_ratings(dataset(rated()), plan)


def command(*words):
    streams = [TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(word) for word in words])
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("ratings")
    lines = [f"u{u},i{i},{value}" for u, i, _, value, _ in rated()]
    (root / "ratings.csv").write_text("\n".join(["user_id,item_id,rating", *lines]) + "\n", encoding="utf-8")
    for words in (("init", root / "ws", "--from", root / "ratings.csv"), ("build-graph", "-w", root / "ws")):
        code, _, err = command(*words)
        assert code == 0, err
    return root / "ws"


def test_the_command_shows_a_table_and_writes_json(workspace, tmp_path):
    out = tmp_path / "report.json"
    words = ("evaluate", "-w", workspace, "--ratings", "--folds", "3", "--only", ",".join(QUICK), "--out", out)
    code, shown, err = command(*words)
    assert code == 0, err
    assert "RMSE" in shown
    assert "RMSE minus that of item-neighbours" in shown
    assert "3 folds" in shown
    (document,) = json.loads(out.read_text(encoding="utf-8"))
    assert [p["name"] for p in document["predictors"]] == list(QUICK)
    assert document["predictors"][0]["rmse"]["mean"] < 1.2
    code, shown, err = command(*words[:-2], "--format", "json")
    assert code == 0, err
    assert json.loads(shown)[0]["data"]["ratings"] == document["data"]["ratings"]
    assert sorted((workspace / "artifacts" / "runs").glob("*.json"))


def test_all_predictors_from_python(workspace):
    found = kgrec.open(workspace).evaluate_ratings(RatingsPlan(folds=2))
    names = [p.name for p in found.record.predictors]
    assert names == ["baseline", "user-neighbours", "item-neighbours", "factors"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ablate",), "--ablate takes scorers away"),
        (("--split", "time"), "--ratings knows no split time"),
        (("--only", "ease"), "unknown predictor of ratings 'ease'"),
        (("--split", "given"), "no file is marked for testing"),
    ],
)
def test_what_does_not_go_with_ratings(workspace, words, says):
    code, _, err = command("evaluate", "-w", workspace, "--ratings", *words)
    assert code in (2, 3)
    assert says in err


def test_a_workspace_without_ratings(tmp_path):
    (tmp_path / "likes.csv").write_text("user_id,item_id\n" + "".join(f"u{k},i{k % 3}\n" for k in range(9)), "utf-8")
    assert command("init", tmp_path / "ws", "--from", tmp_path / "likes.csv")[0] == 0
    assert command("build-graph", "-w", tmp_path / "ws")[0] == 0
    code, _, err = command("evaluate", "-w", tmp_path / "ws", "--ratings")
    assert code == 5
    assert "no ratings to learn from" in err
    assert "hint: " in err
