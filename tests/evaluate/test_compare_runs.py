"""Two kept runs beside each other, from Python and from the command line."""

import json
import math
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import MissingExtraError, UsageError
from kgrec.evaluate.lists_record import LearningCurve
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan, SimulationPlan
from kgrec.evaluate.records import SimulationRecord
from kgrec.evaluate.runs import APART, PAIRED, TOUCHING, compare_runs, curves, export_run, scalars, settings
from kgrec.report.comparison import comparison_page
from kgrec.testing import toy_workspace

SETTINGS = ["text.encoder=hashing", "linking.enabled=false"]


def command(*words):
    streams = [TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(word) for word in words])
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = toy_workspace(tmp_path_factory.mktemp("ws") / "toy")
    found = kgrec.open(root, overrides=SETTINGS)
    found.build_graph()
    return found


@pytest.fixture(scope="module")
def runs(project):
    """Return runs: popularity, EASE on the same split, EASE on the split of another seed, another protocol, ratings."""
    done = [
        project.evaluate(EvaluationPlan(ks=(3, 5), only=("popularity",), examples=0)),
        project.evaluate(EvaluationPlan(ks=(5,), only=("ease",), examples=0)),
        project.evaluate(EvaluationPlan(ks=(5,), seeds=(7,), only=("ease",), examples=0)),
        project.evaluate(EvaluationPlan("leave-last", ks=(5,), only=("popularity",), examples=0)),
        project.evaluate_ratings(RatingsPlan(folds=2, only=("baseline",))),
    ]
    names = ("popularity", "ease", "other", "last", "ratings")
    return {name: project.runs.load(one.name) for name, one in zip(names, done, strict=True)}


def figure(found, metric):
    return next(f for f in found.figures if f.metric == metric)


def test_the_same_questions_are_compared_user_by_user(runs):
    found = compare_runs(runs["popularity"], runs["ease"])
    assert (found.paired, found.why_not) == (True, "")
    one = figure(found, "ndcg@5")
    people = [runs[name].per_user()["ndcg@5"].to_numpy() for name in ("popularity", "ease")]
    assert one.how == PAIRED
    assert one.difference == pytest.approx(float(np.mean(people[1] - people[0])), abs=1e-6)
    assert one.low <= one.difference <= one.high
    assert 0 < one.p_holm <= 1
    assert not [f for f in found.figures if f.metric == "ndcg@3"]
    changed = {change.what: (change.a, change.b) for change in found.changed}
    assert changed["plan.only"] == (["popularity"], ["ease"])
    assert "fingerprint of the dataset" not in changed


def test_other_questions_are_not(runs):
    found = compare_runs(runs["ease"], runs["other"])
    assert not found.paired
    assert "different users" in found.why_not
    one = figure(found, "ndcg@5")
    assert one.how in (APART, TOUCHING)
    assert one.how == (TOUCHING if one.a[1] <= one.b[2] and one.b[1] <= one.a[2] else APART)
    assert np.isnan(one.p_holm)


def test_runs_without_the_figures_of_every_user_are_not(runs, tmp_path):
    moved = replace(runs["ease"], file=tmp_path / "moved.json")
    assert "not there any more" in compare_runs(runs["popularity"], moved).why_not


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [("ease", "ease", "both names mean"), ("ease", "last", "different questions"), ("ease", "ratings", "judges")],
)
def test_nonsense_is_refused(runs, a, b, told):
    with pytest.raises(UsageError, match=told):
        compare_runs(runs[a], runs[b])


def test_the_page_of_two_runs(runs):
    html = comparison_page(compare_runs(runs["popularity"], runs["ease"]))
    assert "user by user" in html
    assert "plan.only" in html
    assert "<script" not in html
    touching = comparison_page(compare_runs(runs["ease"], runs["other"]))
    assert "cannot be taken user by user" in touching


def test_from_the_command_line(project, runs, tmp_path):
    words = ["-w", project.workspace.root]
    page, out = tmp_path / "two.html", tmp_path / "two.json"
    code, shown, err = command(
        "compare", runs["popularity"].name, runs["ease"].name, *words, "--html", page, "--out", out
    )
    assert code == 0, err
    assert "user by user" in shown
    assert "plan.only" in shown
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    (document,) = json.loads(out.read_text(encoding="utf-8"))
    assert document["paired"] is True
    code, _, err = command("compare", "latst", "latest", *words)
    assert (code, "'latest'" in err) == (3, True), err
    code, _, err = command("compare", "latest", "latest~0", *words)
    assert (code, "both names" in err) == (2, True), err
    code, shown, err = command("runs", *words, "--limit", "2")
    assert (code, "ratings" in shown, runs["ease"].name in shown) == (0, True, False), err
    code, shown, err = command("runs", "show", runs["ease"].name, *words)
    assert (code, "ndcg@5" in shown) == (0, True), err


def test_what_is_exported(runs):
    record = runs["ease"].record
    found = dict(scalars(record))
    mean = record.systems[0].metrics["ndcg@5"]
    assert found["full/ndcg@5"] == mean.mean
    assert found["full/ndcg@5_low"] == mean.low
    assert "full/coverage@5" in found
    assert settings(record)["plan.only"] == "ease"
    curve = LearningCurve(seed=1, scorer="gnn", points=((0, 0.1), (2, math.nan), (3, 0.2)))
    drawn = record.model_copy(update={"charts": record.charts.model_copy(update={"learning": (curve,)})})
    assert list(curves(drawn)) == [("learning/gnn seed 1", [(0, 0.1), (3, 0.2)])]
    loop = SimulationRecord(
        plan=SimulationPlan(),
        users=1,
        items=1,
        start_likes=1,
        scorers=("ease",),
        rounds=(1, 2, 3),
        systems={"mmr:0.3": {"clicks": (2.0, math.nan, 1.0)}},
        intervals={"mmr:0.3": {"clicks": (None, None, None)}},
    )
    assert list(curves(loop)) == [("mmr:0.3/clicks", [(1, 2.0), (3, 1.0)])]


def test_export_to_tensorboard(runs, tmp_path):
    pytest.importorskip("tensorboardX", reason="extra tensorboard is not installed")
    out = export_run(runs["ease"], "tensorboard", tmp_path / "tb")
    (events,) = (out / runs["ease"].name).iterdir()
    content = events.read_bytes()
    assert b"full/ndcg_at_5" in content
    assert b"plan.only" in content


def test_export_to_mlflow(runs, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="extra mlflow is not installed")
    out = export_run(runs["ease"], "mlflow", tmp_path / "ml")
    client = mlflow.MlflowClient(tracking_uri=out.resolve().as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("kgrec").experiment_id])
    mean = runs["ease"].record.systems[0].metrics["ndcg@5"].mean
    assert run.data.metrics["full/ndcg_at_5"] == mean
    assert run.data.params["plan.only"] == "ease"


def test_a_missing_extra_is_named(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError) as caught:
        export_run(runs["ease"], "tensorboard", tmp_path / "tb")
    assert "kgrec[tensorboard]" in caught.value.hint
