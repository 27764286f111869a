"""Kept runs: what is in a record, and how one is named."""

import itertools
import json
import math
import os
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.errors import CorruptArtifactError, NotFoundError, UserError
from kgrec.evaluate.chart_data import distribution
from kgrec.evaluate.lists_record import Counts, ListsRecord
from kgrec.evaluate.plan import EvaluationPlan, RatingsPlan
from kgrec.evaluate.records import RatingsData, RatingsRecord
from kgrec.evaluate.runs import Runs
from kgrec.significance import UNKNOWN
from kgrec.testing import toy_workspace

SETTINGS = ["text.encoder=hashing", "linking.enabled=false"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = toy_workspace(tmp_path_factory.mktemp("ws") / "toy")
    found = kgrec.open(root, overrides=SETTINGS)
    found.build_graph()
    return found


@pytest.fixture(scope="module")
def run(project):
    plan = EvaluationPlan(ks=(3, 5), seeds=(1, 2), only=("popularity", "ease"), examples=3)
    return project.runs.load(project.evaluate(plan).name)


def test_a_record_is_read_as_it_was_written(project, run):
    assert isinstance(run.record, ListsRecord)
    again = project.runs.keep(run.record)
    assert project.runs.load(again.name).record == again.record
    assert {**again.record.to_dict(), "created": run.record.created} == run.record.to_dict()


def test_what_is_not_defined_is_null_in_the_file_and_nan_again(run, tmp_path):
    runs = Runs(tmp_path)
    system = run.record.systems[0]
    system = system.model_copy(update={"metrics": {"auc": UNKNOWN}, "overall": {"gini@5": math.inf}})
    kept = runs.keep(run.record.model_copy(update={"systems": (system,)}))
    written = json.loads(kept.file.read_text(encoding="utf-8"))["systems"][0]
    assert written["metrics"]["auc"] == {"mean": None, "low": None, "high": None, "n": 0}
    assert written["overall"] == {"gini@5": None}
    assert all(math.isnan(value) for value in runs.load().record.systems[0].figure("auc"))
    assert math.isnan(runs.load().record.systems[0].overall["gini@5"])


def test_a_record_holds_the_figures_of_every_user(run):
    people = run.per_user()
    system = run.record.systems[0]
    assert people["system"].unique().to_list() == ["full"]
    for metric in ("ndcg@5", "recall@3", "novelty@5"):
        assert people[metric].mean() == pytest.approx(system.metrics[metric].mean, rel=1e-5)
        assert people[metric].count() == system.metrics[metric].n


def test_examples_are_lists_with_reasons_and_tell_the_hits(run, project):
    examples = run.record.charts.examples
    assert len(examples) == 3
    titles = set(project.dataset.items["title"])
    for example in examples:
        assert len(example.items) == 5
        assert all(item.reason for item in example.items)
        assert {item.title for item in example.items} <= titles
        assert set(example.latest) <= titles
        assert sum(item.hit for item in example.items) <= example.hidden


def test_shares_of_the_charts_sum_to_one(run):
    drawn = run.record.charts
    assert sum(band.items for band in drawn.bands) == pytest.approx(1)
    assert sum(band.hidden_likes for band in drawn.bands) == pytest.approx(1)
    assert sum(band.systems["full"] for band in drawn.bands) == pytest.approx(1)
    assert sum(drawn.categories.liked) == pytest.approx(1)
    assert sum(drawn.categories.systems["full"]) == pytest.approx(1)
    places = drawn.handed_out["full"]
    assert places[0] == (0, 0)
    assert places[-1] == (1, 1)
    assert all(b[1] >= a[1] for a, b in itertools.pairwise(places))


def test_the_same_questions_have_the_same_fingerprint(run, project):
    plan = EvaluationPlan(ks=(5,), seeds=(1, 2), only=("popularity",), examples=0)
    again, other = project.evaluate(plan).record, project.evaluate(replace(plan, seeds=(1,))).record
    assert again.data.test_set == run.record.data.test_set
    assert other.data.test_set != run.record.data.test_set
    assert again.charts.examples == ()


def test_learning_curves_are_kept(project):
    few = kgrec.open(project.workspace.root, overrides=[*SETTINGS, "scorers.mult-vae.epochs=4"])
    done = few.evaluate(EvaluationPlan(ks=(5,), only=("mult-vae",), examples=0))
    (curve,) = done.record.charts.learning
    assert curve.scorer == "mult-vae"
    epochs = [epoch for epoch, _ in curve.points]
    assert epochs == sorted(set(epochs))
    assert len(epochs) > 1
    assert all(0 <= value <= 1 for _, value in curve.points)


def test_how_much_is_known_is_counted():
    from scipy.sparse import csr_array

    likes = csr_array(np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    found = distribution(likes)
    assert found.users == Counts(none=1, median=1.0, most=3, edges=(1, 2, 4), counts=(1, 1))
    assert found.items.none == 1
    assert found.density == pytest.approx(4 / 12)
    assert found.popularity == ((1, 2), (2, 1), (3, 1), (4, 0))


def ratings(mean=3.0):
    data = RatingsData(ratings=1, users=1, items=1, scale=(1, 5), mean=mean)
    return RatingsRecord(plan=RatingsPlan(), data=data, predictors=())


@pytest.fixture
def kept(tmp_path):
    files = []
    for second, letters in ((1, "aaaaaa"), (1, "000000"), (2, "bbbbbb")):
        file = tmp_path / f"20260101-00000{second}-{letters}.json"
        file.write_text(json.dumps(ratings(int(letters, 16)).to_dict()), encoding="utf-8")
        os.utime(file, (1000 + len(files), 1000 + len(files)))
        files.append(file)
    return Runs(tmp_path)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("latest", "bbbbbb"),
        ("latest~1", "000000"),
        ("latest~2", "aaaaaa"),
        ("20260101-000002-bbbbbb", "bbbbbb"),
        ("20260101-000002", "bbbbbb"),
        ("aaaaaa", "aaaaaa"),
    ],
)
def test_a_run_has_several_names(kept, name, letters):
    assert kept.load(name).record.data.mean == int(letters, 16)


@pytest.mark.parametrize(
    ("name", "told", "hint"),
    [
        ("20260101-000002-bbbbbc", "unknown run", "20260101-000002-bbbbbb"),
        ("lates", "unknown run", "'latest'"),
        ("latest~3", "only 3 runs", "kgrec runs"),
        ("20260101", "names 3 runs", "aaaaaa"),
    ],
)
def test_a_wrong_name_is_told_with_what_is_near(kept, name, told, hint):
    with pytest.raises(NotFoundError, match=told) as caught:
        kept.load(name)
    assert hint in caught.value.hint


def test_where_nothing_was_kept(tmp_path):
    runs = Runs(tmp_path / "runs")
    assert runs.names() == []
    with pytest.raises(NotFoundError, match="no run was kept"):
        runs.load()
    with pytest.raises(UserError, match="no file"):
        runs.load("elsewhere.json")


def test_a_record_of_another_place_is_read_by_its_path(kept, tmp_path):
    file = Runs(tmp_path / "else").keep(ratings(), pl.DataFrame({"system": ["full"], "user": [0]})).file
    found = kept.load(str(file))
    assert (found.record.kind, found.per_user().height) == ("ratings", 1)
    file.with_suffix(".parquet").write_bytes(b"rubbish")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        found.per_user()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "no record"),
        ('{"systems": []}', "no record"),
        ('{"format": 1, "kind": "lists", "systems": []}', "another version of kgrec"),
        ('{"format": 2, "kind": "ratings"}', "ratings.plan: Field required"),
        ('{"format": 2, "kind": "weather"}', "weather"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(kept, content, told):
    file = kept.folder / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(CorruptArtifactError, match=told) as caught:
        kept.load(str(file))
    assert "evaluate" in caught.value.hint
