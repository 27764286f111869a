"""The second stage: used only where it wins, additive, the same one by one and in bulk, and absent by default."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.errors import CorruptArtifactError, MissingExtraError
from kgrec.models.als import ALS
from kgrec.models.content import Content
from kgrec.models.item_knn import ItemKNN
from kgrec.models.popularity import Popularity
from kgrec.models.sparse import csr
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.ranking import second_stage_training as training
from kgrec.ranking.cold import ColdPlacement
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.fusion import Gate
from kgrec.ranking.fusion_weights import Candidates
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.second_stage import PART, describe, popularity_of, rise_by
from kgrec.ranking.second_stage_training import Learner
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset, toy_training_data
from kgrec.types import Profile

NAMES = ["popularity", "item-knn", "als"]
N_USERS, N_ITEMS = 60, 140


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few small trees: these tests are about what is done with them."""
    monkeypatch.setattr(training, "ROUNDS", (5, 10))
    monkeypatch.setattr(training, "N_FOLDS", 2)
    monkeypatch.setattr(training, "N_SEEDS", 2)
    monkeypatch.setattr(training, "TREES", {**training.TREES, "min_data_in_leaf": 20, "learning_rate": 0.2})


def learner(rng, liked, *, mode="auto", n_users=200, n_candidates=30):
    """Return a learner; ``liked`` turns scores of shape ``(2, u, c)`` and noise into how much each item is liked."""
    scores = rng.normal(size=(2, n_users, n_candidates)).astype(np.float32)
    utility = liked(scores) + 0.3 * rng.normal(size=scores.shape[1:])
    relevant = utility >= np.sort(utility, axis=1)[:, [-4]]
    items = np.argsort(rng.random((n_users, 400)), axis=1)[:, :n_candidates]
    candidates = Candidates(scores, relevant, relevant.sum(axis=1), items)
    counts = rng.integers(2, 60, n_users)
    popularity = np.zeros(400, dtype=np.float32)
    fusion = ({"a": 0.5, "b": 0.5}, None)
    config = Config.model_validate({"seed": 3, "fusion": {"metric_k": 10, "max_members": 6, "second_stage": mode}})
    return Learner(["a", "b"], candidates, counts, popularity, fusion, config)


def test_it_is_kept_where_scores_do_not_add_up():
    made = learner(np.random.default_rng(0), lambda scores: np.minimum(scores[0], scores[1]) - 3 * (scores[0] > 1))
    models, result = made.learn()
    assert result.kept
    assert models
    assert result.gain > result.error > 0
    assert result.ndcg_with == pytest.approx(result.ndcg_without + result.gain)
    assert result.rounds in training.ROUNDS
    assert result.strength in training.STRENGTHS
    assert json.loads(json.dumps(result.state()))["kept"] is True
    again, same = made.learn()
    assert again == models
    assert same == result


def test_it_is_left_out_where_the_sum_is_right_unless_it_is_ordered():
    made = learner(np.random.default_rng(1), lambda scores: scores[0] + scores[1])
    models, result = made.learn()
    assert not result.kept
    assert models == ()
    assert result.gain <= result.error
    models, ordered = learner(np.random.default_rng(1), lambda scores: scores[0] + scores[1], mode="lambdarank").learn()
    assert ordered.kept
    assert len(models) == training.N_SEEDS
    assert (ordered.ndcg_without, ordered.ndcg_with) == (result.ndcg_without, result.ndcg_with)


def test_few_users_teach_nothing():
    models, result = learner(np.random.default_rng(2), lambda scores: scores[0], mode="lambdarank", n_users=30).learn()
    assert models == ()
    assert "too few" in result.skipped
    assert result.state()["ndcg_with"] is None


def test_features_name_neither_users_nor_items():
    rng = np.random.default_rng(3)
    fused = -np.sort(-rng.normal(size=(4, 6)).astype(np.float32), axis=1)
    items = np.argsort(rng.random((4, 9)), axis=1)[:, :6]
    items[1, 4:], fused[1, 4:] = -1, -np.inf
    own, counts = rng.normal(size=(4, 6)).astype(np.float32), np.array([1, 5, 0, 9])
    popularity = rng.normal(size=9).astype(np.float32)
    listed = describe(items, fused, [own], counts, popularity)
    assert listed.features.shape == (4, 6, 7)
    assert np.isfinite(listed.features).all()
    assert listed.present.sum() == 22
    shuffle = rng.permutation(9)
    renamed = describe(np.where(items < 0, -1, np.argsort(shuffle)[items]), fused, [own], counts, popularity[shuffle])
    np.testing.assert_array_equal(renamed.features, listed.features)
    best = np.argmax(np.where(listed.present, own, -np.inf), axis=1)
    np.testing.assert_allclose(listed.features[np.arange(4), best, -1], np.log(2))


def test_popularity_is_standardised():
    likes = csr_array(np.array([[1, 0, 5], [1, 0, 0], [2, 0, 0]]))
    found = popularity_of(likes)
    assert found.mean() == pytest.approx(0, abs=1e-6)
    assert found[0] > found[2] > found[1]


@pytest.fixture(scope="module")
def ranker():
    """A ranker of a product, a sparse and a dense scorer with a stage that looks at one scorer more."""
    rng = np.random.default_rng(2)
    matrix = rng.random((N_USERS, N_ITEMS)) < rng.uniform(0.01, 0.2, (N_USERS, 1))
    matrix[5] = False
    matrix = csr(csr_array(matrix * rng.integers(1, 4, matrix.shape)))
    text = rng.normal(size=(N_ITEMS, 5)).astype(np.float32)
    data = replace(toy_training_data(), matrix=matrix, triples=None, item_text=text, user_text=None, validation=None)
    data = replace(data, events=replace(data.events, times=None))
    made = {
        "als": ALS(factors=6, n_seeds=2),
        "item-knn": ItemKNN(neighbours=20),
        "content": Content(neighbours=5),
        "popularity": Popularity(),
    }
    scorers = {name: scorer.fit(data, seed=1) for name, scorer in made.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "LEAST_USERS", 10)
        patch.setattr(training, "ROUNDS", (15,))
        patch.setattr(training, "TREES", {**training.TREES, "min_data_in_leaf": 20, "learning_rate": 0.2})
        users = np.arange(N_USERS)
        seen = matrix.astype(np.bool_)
        truth = csr_array(rng.random((N_USERS, N_ITEMS)) < 0.05)
        held_out = training_material(users, truth, seen, data, scorers)
        config = Config.model_validate({"fusion": {"second_stage": "lambdarank", "method": "equal"}})
        weights, gate = {"als": 0.5, "item-knn": 0.3, "content": 0.2}, Gate(2.0, 0.7, {"als": 0.1})
        stage, result = training.add_second_stage(scorers, (weights, gate), held_out, config)
    assert result.kept
    ids = [f"u{k}" for k in range(N_USERS)], [f"i{k}" for k in range(N_ITEMS)]
    return Ranker(*ids, seen, scorers, weights, gate=gate, stage=stage)


def training_material(users, truth, seen, data, scorers):
    from kgrec.ranking.training_inputs import HeldOut, TrainingInputs

    return TrainingInputs(data, None, HeldOut(users, truth, seen), seen, list(map(str, users)), [])


COLD = ColdPlacement(np.array([7, 8, 30]), ("content", "als"), height=0.7)


@pytest.mark.parametrize("cold", [None, COLD])
def test_parts_add_up_and_only_the_best_are_nudged(ranker, cold):
    ranker, users = replace(ranker, cold=cold), np.arange(N_USERS)
    parts, fused = ranker.split(users)
    np.testing.assert_allclose(sum(parts.values()), fused, atol=1e-5)
    nudged = parts[PART] > 0
    assert nudged.sum(axis=1).max() <= 100
    assert nudged.any()
    assert (parts[PART] >= 0).all()
    assert not nudged[ranker.seen.toarray()].any()
    assert not nudged[5].any() or ranker.seen[[5]].nnz
    plain = replace(ranker, stage=None)
    before = plain.fused(users)
    if cold is None:
        np.testing.assert_allclose(fused - parts[PART], before, atol=1e-5)


@pytest.mark.parametrize("cold", [None, COLD])
@pytest.mark.parametrize("weights", [{"als": 0.5, "item-knn": 0.3, "content": 0.2}, {"als": 1.0}])
def test_in_bulk_it_is_the_same(ranker, cold, weights):
    ranker = replace(ranker, cold=cold, weights=weights)
    users = np.random.default_rng(0).permutation(N_USERS)
    out = np.full((N_USERS, N_ITEMS), np.nan, dtype=np.float32)
    ranker.fusion.fuse(users, ranker.seen[users], out)
    assert_nearly_all_close(out, ranker.fused(users))
    rng = np.random.default_rng(4)
    profiles = [Profile(rng.permutation(N_ITEMS)[:n], rng.random(n).astype(np.float32) + 0.5) for n in (3, 0, 12)]
    out = np.empty((len(profiles), N_ITEMS), dtype=np.float32)
    ranker.fusion.fuse(profiles, ranker.seen_at_training(profiles), out)
    plain = [ranker.fused([profile])[0] for profile in profiles]
    assert_nearly_all_close(out, np.array(plain))


def assert_nearly_all_close(found, wanted):
    """Trees jump: a last bit may put a score on the other side of a threshold."""
    np.testing.assert_allclose(found, wanted, atol=0.1)
    assert np.isclose(found, wanted, rtol=1e-4, atol=1e-4).mean() > 0.999


def test_it_is_kept_as_text_and_read_again(ranker, tmp_path):
    ranker.save(tmp_path)
    assert "tree" in json.loads((tmp_path / "second-stage.json").read_text())["models"][0]
    read = Ranker.load(tmp_path, load_plugins([]).registry("scorer"))
    assert read.stage.members == ranker.stage.members
    users = np.arange(9)
    np.testing.assert_allclose(read.split(users)[0][PART], ranker.split(users)[0][PART], rtol=1e-4, atol=1e-5)


def test_damaged_trees_are_an_error(ranker):
    stage = replace(ranker.stage, models=("no tree at all",))
    with pytest.raises(CorruptArtifactError, match="second stage"):
        replace(ranker, stage=stage).split(np.arange(3))


def test_without_lightgbm_the_error_names_the_extra(ranker, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError) as error:
        train(*_toy(fusion={"second_stage": "auto"}), only=NAMES)
    assert "kgrec[rank]" in error.value.hint
    with pytest.raises(MissingExtraError):
        replace(ranker.stage).trees  # noqa: B018


def _toy(**settings):
    config = Config.model_validate(settings)
    domain = Domain(name="generic", summary="")
    data = prepare(toy_dataset(), config, domain, triples=None, item_text=None, user_text=None, device="cpu")
    return data, load_plugins([]).registry("scorer"), Fitter(config)


def test_training_says_what_it_found_and_keeps_all_that_is_looked_at(monkeypatch, tmp_path):
    plain, report = train(*_toy(), only=NAMES)
    assert plain.stage is None
    assert report.second_stage is None
    assert "second_stage" not in plain.summary
    monkeypatch.setattr(training, "LEAST_USERS", 1)
    ranker, report = train(*_toy(fusion={"second_stage": "lambdarank"}), only=NAMES)
    assert report.second_stage.kept
    assert ranker.weights == plain.weights
    assert set(ranker.stage.members) <= set(ranker.scorers)
    ranker.save(tmp_path)
    stated = json.loads((tmp_path / "ranker.json").read_text())["summary"]["second_stage"]
    assert stated["kept"] is True
    assert {"ndcg_without", "ndcg_with", "gain", "error"} <= set(stated)


def test_users_without_candidates_are_not_nudged():
    nothing = np.full((2, 3), -1)
    none = np.full((2, 3), -np.inf, dtype=np.float32)
    listed = describe(nothing, none, [], np.zeros(2, dtype=np.int64), np.zeros(4, dtype=np.float32))
    assert not rise_by([], listed).any()
