"""Scorers on plain frames: what they recommend, how well, and through scikit-learn's model selection."""

import doctest

import numpy as np
import polars as pl
import pytest

import kgrec
import kgrec.plugin
from kgrec import errors, estimators, frames, types
from kgrec.errors import ConfigError, DataError, NotFoundError, UsageError
from kgrec.estimators import ALS, EASE, Estimator, HoldOutLikes, estimator
from kgrec.graph.neighbourhood import Neighbourhood
from kgrec.models.ease import EASE as Scorer
from kgrec.plugin import files, spec
from kgrec.plugin.generation import Interest
from kgrec.plugin.manager import load_plugins
from kgrec.text.profile import UserProfile
from kgrec.types import TrainingData

PAIRS = [(u, i) for u in range(24) for i in range(16) if u % 2 == i % 2 and (u // 2 + i // 2) % 4]
LOG = pl.DataFrame({"user_id": [1000 + u for u, _ in PAIRS], "item_id": [f"item {i:02d}" for _, i in PAIRS]})
TIMED = LOG.with_columns(at=pl.int_range(pl.len()) * 3600)
ALONE = ("content", "feedback", "cold-items", "interest", "latent")


@pytest.mark.parametrize("module", [errors, estimators, files, frames, spec, types])
def test_what_the_docstrings_show_is_so(module):
    done = doctest.testmod(module)
    assert done.attempted
    assert done.failed == 0


@pytest.mark.parametrize("name", sorted(load_plugins().registry("scorer")))
def test_every_scorer_learns_from_a_frame_or_says_what_it_lacks(name):
    options = {"epochs": 2} if name in ("gnn", "mult-vae", "sequence", "latent") else {}
    made = estimator(name)(time="at", **options)
    if name in ALONE:
        with pytest.raises(DataError, match=f"{name} cannot learn from interactions alone: "):
            made.fit(TIMED)
        return
    found = made.fit(TIMED).recommend([1000, 1003], 3)
    assert found.schema["user"] == pl.Int64
    assert found["user"].to_list() == [1000] * 3 + [1003] * 3
    assert found["rank"].to_list() == [1, 2, 3] * 2
    seen = set(LOG.rows())
    assert not any(row in seen for row in found.select("user", "item").rows())


def test_scores_are_those_of_the_scorer_and_ids_are_kept():
    fitted = EASE(regularization=20).fit(LOG, None)
    data = TrainingData.from_frame(LOG)
    direct = Scorer(regularization=20).fit(data, seed=42).score(np.arange(data.n_users))
    pairs = pl.DataFrame({"user_id": [1003, 1000, 5, 1003], "item_id": ["item 01", "item 04", "item 04", "nothing"]})
    users, items = fitted.users.to_list(), fitted.items.to_list()
    expected = [direct[users.index(1003), items.index("item 01")], direct[users.index(1000), items.index("item 04")]]
    np.testing.assert_allclose(fitted.predict(pairs), [*expected, np.nan, np.nan])
    best = fitted.recommend(1000, 2, include_seen=True)
    row = direct[users.index(1000)]
    assert best["item"].to_list() == [items[k] for k in np.argsort(-row, kind="stable")[:2]]


def test_the_score_is_the_ndcg_of_what_was_held_out():
    fit, held = next(HoldOutLikes(4, seed=3).split(LOG))
    trained = EASE(top=5).fit(LOG[fit])
    assert trained.score(LOG[held]) > 0.7
    assert 0 <= trained.score(pl.DataFrame({"user": [1000], "item": ["unheard of"]})) < 0.01
    assert np.isnan(trained.score(pl.DataFrame({"user": [1], "item": ["item 01"]})))


def test_it_goes_through_scikit_learns_model_selection():
    selection = pytest.importorskip("sklearn.model_selection")
    search = selection.GridSearchCV(EASE(), {"regularization": [1.0, 100.0]}, cv=HoldOutLikes(3))
    search.fit(LOG)
    assert search.best_score_ > 0.5
    assert isinstance(search.best_estimator_, Estimator)
    assert len(search.predict(LOG[:4])) == 4
    scores = selection.cross_val_score(ALS(factors=8), LOG, cv=HoldOutLikes(3))
    assert len(scores) == 3


def test_folds_are_of_each_user_and_every_row_is_tested_once():
    log = pl.concat([LOG, pl.DataFrame({"user_id": [1], "item_id": ["item 00"]})])
    splits = list(HoldOutLikes(3, seed=1).split(log))
    tested = np.sort(np.concatenate([test for _, test in splits]))
    assert tested.tolist() == list(range(LOG.height)), "the user with one row is never tested"
    for fit, test in splits:
        assert set(fit) | set(test) == set(range(log.height))
        counts = log[test]["user_id"].value_counts()["count"]
        assert counts.max() - counts.min() <= 1
    again = list(HoldOutLikes(3, seed=1).split(log))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(splits, again, strict=True))


@pytest.mark.parametrize(
    ("call", "error", "what"),
    [
        (
            lambda: EASE().fit(pl.DataFrame({"who": [1], "item": ["a"]})),
            DataError,
            "'user' or 'user_id'.*who",
        ),
        (lambda: EASE().fit(pl.DataFrame({"user": [1, None], "item": ["a", "b"]})), DataError, "empty in 1 of 2 rows"),
        (lambda: EASE(weight="w").fit(LOG.with_columns(w=pl.lit(-1))), DataError, "not a number above 0"),
        (lambda: EASE().fit("log.csv"), ConfigError, "no data frame"),
        (lambda: EASE(regularisation=3).fit(LOG), ConfigError, "regularisation"),
        (lambda: EASE().fit(LOG).recommend(7), NotFoundError, "unknown user '7'"),
        (lambda: EASE().fit(LOG).recommend(1000, 0), UsageError, "length of a list, not 0"),
        (lambda: EASE().recommend(1000), UsageError, "not fitted"),
        (lambda: EASE().fit(LOG).predict(pl.DataFrame({"user": ["x"], "item": ["a"]})), DataError, "fitted as Int64"),
        (lambda: HoldOutLikes(1), UsageError, "at least 2|one fold"),
        (lambda: estimator("eese"), NotFoundError, "eese"),
    ],
)
def test_what_cannot_be_meant_is_said(call, error, what):
    with pytest.raises(error, match=what):
        call()


def test_there_is_no_estimator_of_what_nobody_offers():
    with pytest.raises(ImportError):
        from kgrec.estimators import Nothing  # noqa: F401
    assert {"EASE", "ALS", "ItemKNN", "estimator"} <= set(dir(estimators))


def test_modules_of_a_notebook_are_used_by_open(tmp_path):
    class Mine:
        @staticmethod
        @kgrec.plugin.hookimpl
        def kgrec_scorers():
            return [kgrec.plugin.Spec("mine", "kgrec.models.popularity:Popularity", "mine")]

    project = kgrec.open(tmp_path / "ws", interactions=LOG, plugins=[Mine])
    assert "mine" in project.manager.registry("scorer")


def test_tables_of_a_notebook_are_escaped():
    from kgrec import shown

    assert doctest.testmod(shown).failed == 0
    found = types.ItemList("u", ("<b>i</b>",), np.arange(1), np.ones(1, dtype=np.float32))
    assert "&lt;b&gt;i&lt;/b&gt;" in found._repr_html_()
    nodes = pl.DataFrame({"node": [0, 1], "label": ["<b>i</b>", "j"]})
    edges = pl.DataFrame({"near": [0], "far": [1], "label": ["<b>by</b>"], "weight": [1.0]})
    profile = UserProfile("<b>u</b>", (Interest("term", "<b>i</b>", "", 0.5, 2),))
    for shown_one in (found, Neighbourhood(0, nodes, edges), profile):
        assert "&lt;b&gt;i&lt;/b&gt;" in shown_one._repr_html_()
        assert "<b>" not in shown_one._repr_html_()
