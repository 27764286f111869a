"""Vectors that stand for the whole hybrid: its lists, of those who come later, too, and nobody's after they left."""

import shutil

import numpy as np
import pytest

import kgrec
from kgrec.errors import ConfigError, UserError
from kgrec.testing import toy_workspace
from kgrec.types import Profile

SETTINGS = ["text.encoder=hashing", "train.distill=true", "train.precision=int8"]
SCORERS = ["popularity", "item-knn", "ease"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("distilled") / "workspace")
    project = kgrec.open(folder, overrides=SETTINGS)
    project.build_graph()
    report = project.train(only=SCORERS)
    assert report.facts["distilled"].endswith("numbers")
    return folder


@pytest.fixture
def both(folder):
    return tuple(kgrec.open(folder, overrides=[*SETTINGS, f"recommend.distilled={on}"]) for on in ("false", "true"))


def test_lists_are_nearly_those_of_all_scorers(both):
    whole, quick = ({u: set(lists["item_id"]) for u, lists in _lists(project)} for project in both)
    assert whole.keys() == quick.keys()
    same = np.mean([len(whole[user] & quick[user]) / len(whole[user]) for user in whole])
    assert same > 0.9
    user = next(iter(whole))
    assert set(both[1].recommend(user, n=5).item_ids) == quick[user]


def _lists(project):
    return ((user, rows) for (user,), rows in project.recommend_many(n=5).group_by("user_id"))


def test_somebody_new_is_scored_from_their_likes(both):
    ranker = both[1].ranker
    history = ranker.seen[[3]].indices.astype(np.int64)
    found = ranker.quick.fused([Profile(history, np.ones(len(history), dtype=np.float32))])[0]
    known = ranker.quick.fused(np.array([3]))[0]
    assert np.corrcoef(found, known)[0, 1] > 0.7
    nothing = [project.ranker.quick.fused([Profile()])[0] for project in both]
    assert np.array_equal(np.argsort(nothing[0]), np.argsort(ranker.fused([Profile()])[0]))  # what is popular


def test_reasons_and_parts_are_of_all_scorers(both):
    user = both[1].dataset.users["user_id"][0]
    parts = both[1].recommend(user, n=3, explain=True).parts
    assert parts
    assert set(parts) <= set(SCORERS)


def test_who_is_forgotten_has_no_vector(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    project = kgrec.open(copy, overrides=SETTINGS)
    n_users = len(project.ranker.distilled.users)
    project.privacy().forget(project.dataset.users["user_id"][0])
    again = kgrec.open(copy, overrides=SETTINGS)
    assert len(again.ranker.distilled.users) == n_users - 1


def test_what_was_not_made_is_said(folder, tmp_path):
    project = kgrec.open(toy_workspace(tmp_path / "plain"), overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    asked = kgrec.open(tmp_path / "plain", overrides=["text.encoder=hashing", "recommend.distilled=true"])
    with pytest.raises(UserError, match="without vectors") as caught:
        asked.recommend_many(n=3)
    assert "train.distill" in caught.value.hint
    secret = kgrec.open(folder, overrides=[*SETTINGS, "train.privacy.epsilon=3"])
    with pytest.raises(ConfigError, match="forbids"):
        secret.train()
