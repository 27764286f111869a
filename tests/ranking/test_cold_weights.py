"""Weights of the scorers of cold items: learned on hidden impressions, equal where there are none."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.cold import ColdPlacement
from kgrec.ranking.cold_training import FOLDS, hide, learn_weights
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset, toy_training_data


def shown(seed=0):
    """Return data in which what users left is as many items as what they liked."""
    data = toy_training_data(seed=seed)
    left = (data.matrix.toarray() == 0) & (np.random.default_rng(seed).random(data.matrix.shape) < 0.4)
    return replace(data, rejected=csr_array(left.astype(np.float32)))


class Fixed:
    def __init__(self, table):
        self.table = table.astype(np.float32)

    def score(self, users):
        return self.table[users]


def test_hidden_items_leave_no_trace_but_their_content():
    data = shown()
    items = np.array([0, 3, 5])
    found = hide(data, items)
    for matrix in (found.matrix, found.rejected):
        assert not matrix[:, items].nnz
    assert not np.isin(found.events.items, items).any()
    assert found.validation is None
    assert found.item_text is data.item_text
    rest = np.setdiff1d(np.arange(data.n_items), items)
    np.testing.assert_array_equal(found.matrix[:, rest].toarray(), data.matrix[:, rest].toarray())
    np.testing.assert_array_equal(found.rejected[:, rest].toarray(), data.rejected[:, rest].toarray())


def test_scorer_that_knows_counts_more_than_one_that_guesses_and_one_that_is_wrong_not_at_all():
    data = shown()
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(3, *data.matrix.shape))
    liked = data.matrix.toarray() > 0
    scorers = {"good": Fixed(liked + 0.5 * noise[0]), "guess": Fixed(noise[1]), "wrong": Fixed(noise[2] - 3 * liked)}
    asked = []

    def fit(part, fold):
        asked.append((fold, part.matrix.nnz))
        return scorers

    found = learn_weights(data, list(scorers), fit, seed=0)
    assert [fold for fold, _ in asked] == list(range(FOLDS))
    assert all(nnz < data.matrix.nnz for _, nnz in asked)
    assert sum(found.values()) == pytest.approx(3)
    assert found["good"] > 5 * found["guess"]
    assert found["wrong"] == 0


def test_weights_are_equal_where_nothing_was_left():
    def never(*_):
        raise AssertionError

    assert learn_weights(toy_training_data(), ["a", "b"], never, seed=0) == {"a": 1.0, "b": 1.0}
    assert learn_weights(shown(), ["a"], never, seed=0) == {"a": 1.0}


def test_weights_move_the_placed_scores():
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(size=(2, 6)).astype(np.float32) for name in ("a", "b")}
    items = np.array([1, 3, 4])
    cold = ColdPlacement(items, ("a", "b"), 0.0, weights=(2.0, 0.0))
    fused = rng.normal(size=(2, 6)).astype(np.float32)
    cold.place(fused, {name: part[:, items] for name, part in scores.items()})
    assert (np.argsort(fused[:, items]) == np.argsort(scores["a"][:, items])).all()
    assert ColdPlacement.from_state(cold.state()).weights == (2.0, 0.0)
    old = {key: value for key, value in cold.state().items() if key != "weights"}
    assert ColdPlacement.from_state(old).standing(scores).keys() == {"a", "b"}


def trained(impressions):
    dataset = toy_dataset()
    rows = dataset.interactions.filter(pl.col("item").is_not_null() & (pl.col("item") % 5 != 0))
    if impressions:
        other = rows.with_columns(
            item=((pl.col("item") + 1) % dataset.n_items).cast(pl.UInt32), action=pl.lit("impression"), value=None
        )
        rows = pl.concat([rows, other.filter(pl.col("item") % 5 != 0).cast(dict(rows.schema))])
    dataset = replace(dataset, interactions=rows)
    text = np.random.default_rng(0).normal(size=(dataset.n_items, 6)).astype(np.float32)
    domain = Domain(name="generic", summary="")
    config = Config.model_validate({"recommend": {"cold_share": 1.0}})
    found = prepare(dataset, config, domain, triples=None, item_text=text, user_text=None, device="cpu")
    registry = load_plugins([]).registry("scorer")
    return (
        found,
        registry,
        *train(found, registry, Fitter(config), only=["popularity", "content", "feedback", "cold-items"]),
    )


def test_without_impressions_nothing_of_it_takes_part():
    material, _, ranker, report = trained(False)
    assert material.fit.rejected is None
    assert material.fit.item_terms is None
    assert "feedback" not in ranker.scorers
    assert next(r for r in report.scorers if r.name == "feedback").skipped
    assert set(ranker.cold.weights) == {1.0}


def test_with_impressions_it_scores_cold_items_and_survives_saving(tmp_path):
    material, registry, ranker, report = trained(True)
    assert material.fit.rejected.nnz
    assert not material.fit.rejected.multiply(material.fit.matrix).nnz
    assert not next(r for r in report.scorers if r.name == "feedback").skipped
    assert len(ranker.cold.weights) == len(ranker.cold.members)
    assert set(ranker.cold.members) <= set(ranker.scorers)
    ranker.save(tmp_path)
    loaded, users = Ranker.load(tmp_path, registry), np.arange(6)
    np.testing.assert_array_equal(loaded.fused(users), ranker.fused(users))
