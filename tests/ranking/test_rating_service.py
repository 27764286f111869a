"""Predicted ratings of a workspace: from Python, as a list, and on the command line."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.errors import DataError, NotFoundError, UserError
from kgrec.models.ratings import RatingModel
from kgrec.ranking.ratings import explicit_ratings
from kgrec.types import Profile, Request

HASHING = ["text.encoder=hashing"]
N_USERS, N_ITEMS = 60, 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Users who rate items of their taste high and others low; nobody rates the last item, user u59 rates one only."""
    root = tmp_path_factory.mktemp("ratings")
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,rating"]
    for user, item in np.argwhere(rng.random((N_USERS - 1, N_ITEMS - 1)) < 0.5):
        value = 3 + (1.5 if user % 2 == item % 2 else -1.5) + 0.4 * rng.standard_normal()
        lines.append(f"u{user},i{item},{np.clip(round(value), 1, 5)}")
    lines += ["u59,i0,5", f"u0,i{N_ITEMS - 1},3"]
    (root / "ratings.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for words in (
        ("init", root / "ws", "--from", root / "ratings.csv"),
        ("build-graph", "-w", root / "ws"),
        ("train", "-w", root / "ws", "--only", "item-knn", "--set", HASHING[0]),
    ):
        code, _, err = command(*words)
        assert code == 0, err
    return root / "ws"


@pytest.fixture
def project(folder):
    return kgrec.open(folder, overrides=HASHING)


def command(*words):
    streams = [TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(word) for word in words])
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


def test_ratings_are_those_of_the_model_and_lie_in_their_intervals(project):
    found = project.predict("u1", ["i1", "i2"])
    model = RatingModel().fit(explicit_ratings(project.dataset), seed=project.config.seed)
    users, items = project.dataset.user_positions(["u1"] * 2), project.dataset.item_positions(["i1", "i2"])
    np.testing.assert_allclose([each.rating for each in found], model.predict(users, items), rtol=1e-4)
    assert found[0].rating > 4 > 2 > found[1].rating
    assert all(1 <= each.low <= each.rating <= each.high <= 5 for each in found)
    wide = project.predict("u1", ["i1", "i2"], level=0.95)
    assert all(w.low <= f.low and f.high <= w.high for w, f in zip(wide, found, strict=True))
    assert project.predict("u59", ["i0"])[0].given == 5


def test_the_model_is_fitted_once(project, folder, monkeypatch):
    first = project.predict("u1", ["i1"])

    def fail(*_, **__):
        raise AssertionError("it is fitted again")

    monkeypatch.setattr(RatingModel, "fit", fail)
    assert kgrec.open(folder, overrides=HASHING).predict("u1", ["i1"]) == first


def test_a_list_by_rating_holds_the_best_rated_unseen_items(project):
    found = project.recommend("u1", n=5, by="rating")
    user = int(project.dataset.user_positions(["u1"])[0])
    own = project.dataset.interactions.filter(project.dataset.interactions["user"] == user)["item"]
    ids = [key for k, key in enumerate(project.dataset.items["item_id"]) if k not in set(own)]
    ratings = {each.item_id: each.rating for each in project.predict("u1", ids)}
    np.testing.assert_allclose(found.scores, sorted(ratings.values(), reverse=True)[:5], rtol=1e-5)
    np.testing.assert_allclose([ratings[key] for key in found.item_ids], found.scores, rtol=1e-5)


def test_what_has_no_rating_says_so(project):
    with pytest.raises(NotFoundError, match="unknown user 'u99'") as caught:
        project.predict("u99", ["i1"])
    assert caught.value.hint
    with pytest.raises(NotFoundError, match="unknown item 'i99'"):
        project.predict("u1", ["i99"])
    with pytest.raises(UserError, match="no share of the cases"):
        project.predict("u1", ["i1"], level=1.0)
    with pytest.raises(UserError, match="users of the data only"):
        project.recommend(Request(None, profile=Profile(np.array([1]), np.ones(1, dtype=np.float32)), by="rating"))
    with pytest.raises(UserError, match="lists by relevance"):
        project.recommend("u1", by="rating", explain=True)


def test_on_the_command_line(folder):
    code, shown, err = command("predict", "u1", "i1", "i2", "-w", folder)
    assert code == 0, err
    assert "80% interval" in shown
    code, shown, _ = command("predict", "u1", "i1", "--level", "0.5", "-w", folder, "-f", "json")
    (record,) = json.loads(shown)
    assert (record["user_id"], record["item_id"], record["level"]) == ("u1", "i1", 0.5)
    code, shown, err = command("recommend", "u1", "--by", "rating", "-n", "3", "-w", folder, "-f", "json")
    assert code == 0, err
    assert len(json.loads(shown)) == 3
    assert command("recommend", "--all", "--by", "rating", "-w", folder)[0] == 2


def test_data_without_ratings(tmp_path):
    (tmp_path / "likes.csv").write_text("user_id,item_id\n" + "".join(f"u{k},i{k % 3}\n" for k in range(9)), "utf-8")
    assert command("init", tmp_path / "ws", "--from", tmp_path / "likes.csv")[0] == 0
    assert command("build-graph", "-w", tmp_path / "ws")[0] == 0
    with pytest.raises(DataError, match="no ratings to learn from"):
        kgrec.open(tmp_path / "ws").predict("u1", ["i1"])
    code, _, err = command("predict", "u1", "i1", "-w", tmp_path / "ws")
    assert code == 5
    assert "no ratings to learn from" in err
    assert "hint: " in err
