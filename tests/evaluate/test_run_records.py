"""Kept runs: what is in a record, and how one is named."""

import itertools
import json
import os

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.errors import CorruptArtifactError, NotFoundError, UserError
from kgrec.evaluate.chart_data import distribution
from kgrec.evaluate.records import keep, load_run, run_names, runs_folder
from kgrec.testing import toy_workspace

SETTINGS = ["text.encoder=hashing", "linking.enabled=false"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = toy_workspace(tmp_path_factory.mktemp("ws") / "toy")
    found = kgrec.open(root, overrides=SETTINGS)
    found.build_graph()
    return found


@pytest.fixture(scope="module")
def record(project):
    done = project.evaluate("ratio", k=[3, 5], seeds=[1, 2], only=["popularity", "ease"], examples=3)
    return load_run(runs_folder(project.workspace), done.record.stem)


def test_a_record_holds_the_figures_of_every_user(record):
    people = record.per_user()
    system = record.document["systems"][0]
    assert people["system"].unique().to_list() == ["full"]
    for metric in ("ndcg@5", "recall@3", "novelty@5"):
        assert people[metric].mean() == pytest.approx(system["metrics"][metric]["mean"], rel=1e-5)
        assert people[metric].count() == system["metrics"][metric]["n"]


def test_examples_are_lists_with_reasons_and_tell_the_hits(record, project):
    examples = record.document["pictures"]["examples"]
    assert len(examples) == 3
    titles = set(project.dataset.items["title"])
    for example in examples:
        assert len(example["items"]) == 5
        assert all(item["reason"] for item in example["items"])
        assert {item["title"] for item in example["items"]} <= titles
        assert set(example["latest"]) <= titles
        assert sum(item["hit"] for item in example["items"]) <= example["hidden"]


def test_shares_of_the_pictures_sum_to_one(record):
    drawn = record.document["pictures"]
    for share in ("items", "hidden_likes"):
        assert sum(band[share] for band in drawn["bands"]) == pytest.approx(1)
    assert sum(band["systems"]["full"] for band in drawn["bands"]) == pytest.approx(1)
    assert sum(drawn["categories"]["liked"]) == pytest.approx(1)
    assert sum(drawn["categories"]["systems"]["full"]) == pytest.approx(1)
    places = drawn["handed_out"]["full"]
    assert places[0] == [0, 0]
    assert places[-1] == [1, 1]
    assert all(b[1] >= a[1] for a, b in itertools.pairwise(places))


def test_the_same_questions_have_the_same_fingerprint(record, project):
    again = project.evaluate("ratio", k=[5], seeds=[1, 2], only=["popularity"], examples=0).evaluation
    other = project.evaluate("ratio", k=[5], seeds=[1], only=["popularity"], examples=0).evaluation
    assert again.data["test_set"] == record.document["data"]["test_set"]
    assert other.data["test_set"] != record.document["data"]["test_set"]
    assert again.pictures["examples"] == []


def test_learning_curves_are_kept(project):
    few = kgrec.open(project.workspace.root, overrides=[*SETTINGS, "scorers.mult-vae.epochs=4"])
    done = few.evaluate("ratio", k=[5], only=["mult-vae"], examples=0)
    (curve,) = done.evaluation.pictures["learning"]
    assert curve["scorer"] == "mult-vae"
    epochs = [epoch for epoch, _ in curve["points"]]
    assert epochs == sorted(set(epochs))
    assert len(epochs) > 1
    assert all(0 <= value <= 1 for _, value in curve["points"])


def test_how_much_is_known_is_counted():
    from scipy.sparse import csr_array

    likes = csr_array(np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    found = distribution(likes)
    assert found["users"] == {"none": 1, "median": 1.0, "most": 3, "edges": [1, 2, 4], "counts": [1, 1]}
    assert found["items"]["none"] == 1
    assert found["density"] == pytest.approx(4 / 12)
    assert found["popularity"] == [[1, 2], [2, 1], [3, 1], [4, 0]]


@pytest.fixture
def kept(tmp_path):
    files = []
    for second, letters in ((1, "aaaaaa"), (1, "000000"), (2, "bbbbbb")):
        file = tmp_path / f"20260101-00000{second}-{letters}.json"
        file.write_text(json.dumps({"systems": [], "letters": letters}), encoding="utf-8")
        os.utime(file, (1000 + len(files), 1000 + len(files)))
        files.append(file)
    return tmp_path


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
    assert load_run(kept, name).document["letters"] == letters


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
        load_run(kept, name)
    assert hint in caught.value.hint


def test_where_nothing_was_kept(tmp_path):
    assert run_names(tmp_path / "runs") == []
    with pytest.raises(NotFoundError, match="no run was kept"):
        load_run(tmp_path / "runs", "latest")
    with pytest.raises(UserError, match="no file"):
        load_run(tmp_path, "elsewhere.json")


def test_a_record_of_another_place_is_read_by_its_path(kept, tmp_path):
    file = keep(tmp_path / "else", "lists", {"systems": []}, 1.0, pl.DataFrame({"system": ["full"], "user": [0]}))
    found = load_run(kept, str(file))
    assert (found.kind, found.per_user().height) == ("lists", 1)
    file.with_suffix(".parquet").write_bytes(b"rubbish")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        found.per_user()
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(CorruptArtifactError, match="no record"):
        load_run(kept, str(file))
