"""The training driver: nothing held out is ever fitted on, the best settings win, an interrupted run goes on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.errors import ConfigError, DataError, NotFoundError
from kgrec.plugin.domain import ACTIONS, Domain
from kgrec.plugin.manager import Owned, Registry, load_plugins
from kgrec.plugin.spec import Spec
from kgrec.ranking.fitting import FitStore, Fitter
from kgrec.ranking.lists import rank_blocks
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.ranking.training import train, wanted
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset

DOMAIN = Domain(name="generic", summary="")
NAMES = ["popularity", "item-knn", "ease"]
FITS = []


class Spy:
    """Scores what was fitted, sharpened by an option; remembers every fit."""

    def __init__(self, sharpness: float = 1.0) -> None:
        self.sharpness = sharpness

    @classmethod
    def grid(cls, data):
        return [{"sharpness": -1.0}, {"sharpness": 1.0}]

    def fit(self, data, *, seed):
        FITS.append((self.sharpness, data))
        self.popularity = np.asarray(data.matrix.sum(axis=0), dtype=np.float32)
        return self

    def score(self, users):
        return np.tile(self.sharpness * self.popularity, (len(users), 1)).astype(np.float32)

    def state(self):
        return {"popularity": self.popularity}

    def load_state(self, state):
        self.popularity = state["popularity"]
        return self

    def refit_options(self):
        return {"sharpness": self.sharpness * 2}


@pytest.fixture
def spied():
    FITS.clear()
    builtin = load_plugins([]).registry("scorer")["popularity"]
    spy = Spec("spy", f"{__name__}:Spy", "remembers")
    # importmode=importlib gives test modules names that cannot be imported again, so the Spec is handed the class.
    stated = {"name": "spy", "target": spy.target, "default": True}
    spy_spec = type("SpySpec", (), {**stated, "load": lambda _: Spy, "build": _build_spy})()
    return Registry("scorer", [Owned(spy_spec, "test"), Owned(builtin, "kgrec")])


def _build_spy(_, options=None, *, table=""):
    return Spy(**(options or {}))


def material(dataset=None, **settings):
    config = Config.model_validate(settings)
    dataset = dataset or toy_dataset()
    return prepare(dataset, config, DOMAIN, triples=None, item_text=None, user_text=None, device="cpu"), config


def pairs(matrix):
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return set(zip(rows.tolist(), matrix.indices.tolist(), strict=True))


def test_no_held_out_pair_is_fitted_on_and_all_are_refitted_on(spied):
    found, config = material(fusion={"weights": {"spy": 1}})
    train(found, spied, Fitter(config), only=["spy"])
    held = pairs(found.fit.validation)
    assert held
    assert len(held) == found.held_out.truth.nnz
    for sharpness, data in FITS:
        if abs(sharpness) == 1.0:
            assert not pairs(data.matrix) & held
            assert not set(zip(data.events.users, data.events.items, strict=True)) & held
        else:
            assert pairs(data.matrix) == pairs(found.fit.matrix) | held
            assert data.validation is None


def test_settings_are_chosen_on_the_held_out_likes_and_refitted_with_what_was_found(spied):
    found, config = material(fusion={"weights": {"spy": 1}}, train={"split": "ratio"})
    _, report = train(found, spied, Fitter(config), only=["spy"])
    result = next(r for r in report.scorers if r.name == "spy")
    assert result.options == {"sharpness": 2.0}
    assert [sharpness for sharpness, _ in FITS] == [-1.0, 1.0, 2.0]


def test_options_of_the_user_are_laid_over_the_grid_and_lists_are_tried(spied):
    found, config = material(scorers={"spy": {"sharpness": [0.5, 3.0]}}, fusion={"weights": {"spy": 1}})
    train(found, spied, Fitter(config), only=["spy"])
    assert {sharpness for sharpness, _ in FITS[:2]} == {0.5, 3.0}
    assert len(FITS) == 3


def test_no_value_to_try(spied):
    found, config = material(scorers={"spy": {"sharpness": []}})
    with pytest.raises(ConfigError, match=r"\[scorers.spy\]: sharpness is an empty list"):
        train(found, spied, Fitter(config), only=["spy"])


def test_rows_marked_validation_are_never_fitted_on(spied):
    dataset = toy_dataset()
    marks = np.arange(dataset.interactions.height) % 5 == 0
    import polars as pl

    split = pl.Series(np.where(marks, "validation", "train"))
    marked = replace(dataset, interactions=dataset.interactions.with_columns(split=split))
    found, config = material(marked)
    train(found, spied, Fitter(config), only=["spy"])
    assert found.everything is None
    held = pairs(found.fit.validation)
    assert all(not pairs(data.matrix) & held for _, data in FITS)


def test_rows_marked_validation_are_fitted_on_in_the_end_where_that_is_asked_for(spied):
    import polars as pl

    dataset = toy_dataset()
    split = pl.Series(np.where(np.arange(dataset.interactions.height) % 5 == 0, "validation", "train"))
    marked = replace(dataset, interactions=dataset.interactions.with_columns(split=split))
    found, config = material(marked, train={"refit": True})
    train(found, spied, Fitter(config), only=["spy"])
    held = pairs(found.fit.validation)
    chosen, last = FITS[:-1], FITS[-1][1]
    assert all(not pairs(data.matrix) & held for _, data in chosen)  # settings and weights are chosen as ever
    assert pairs(last.matrix) == pairs(found.fit.matrix) | held


def test_an_interrupted_training_does_not_fit_again(spied, tmp_path):
    found, config = material()
    store = FitStore(tmp_path, "run")
    first, _ = train(found, spied, Fitter(config, store=store), only=["spy"])
    done = len(FITS)
    second, _ = train(found, spied, Fitter(config, store=store), only=["spy"])
    assert len(FITS) == done
    users = np.arange(5)
    for name, part in first.split(users)[0].items():
        np.testing.assert_array_equal(part, second.split(users)[0][name])
    train(found, spied, Fitter(config, store=FitStore(tmp_path, "another run")), only=["spy"])
    assert len(FITS) == 2 * done


def test_real_scorers_survive_saving_and_loading_and_are_the_same_for_a_seed(tmp_path):
    registry = load_plugins([]).registry("scorer")
    found, config = material()
    ranker, report = train(found, registry, Fitter(config), only=NAMES)
    again, _ = train(found, registry, Fitter(config), only=NAMES)
    ranker.save(tmp_path)
    loaded = Ranker.load(tmp_path, registry)
    users = np.arange(len(found.user_ids))
    for other in (again, loaded):
        assert other.weights == ranker.weights
        np.testing.assert_array_equal(ranker.fused(users), other.fused(users))
    assert sum(ranker.weights.values()) == pytest.approx(1)
    assert {r.name for r in report.scorers} == set(NAMES)


def test_seen_items_are_not_recommended_and_lists_are_full():
    registry = load_plugins([]).registry("scorer")
    found, config = material()
    ranker, _ = train(found, registry, Fitter(config), only=NAMES)
    users = np.arange(len(found.user_ids))
    seen = pairs(found.seen)
    for block, best, values in rank_blocks(ranker, users, ListRules(5), seen=ranker.seen, block_size=7):
        assert best.shape == (len(users[block]), 5)
        assert np.all(np.diff(values, axis=1) <= 0)
        assert not {(int(u), int(i)) for u, row in zip(users[block], best, strict=True) for i in row} & seen


def test_parts_sum_to_the_fused_score_also_for_somebody_nothing_is_known_of():
    registry = load_plugins([]).registry("scorer")
    found, config = material()
    ranker, _ = train(found, registry, Fitter(config), only=NAMES)
    from kgrec.types import Profile

    parts, fused = ranker.split([Profile()])
    np.testing.assert_allclose(sum(parts.values()), fused, atol=1e-5)
    assert fused.any()


def test_nothing_liked_is_an_error_that_says_where_to_look():
    nothing = dict.fromkeys(ACTIONS, 0)
    with pytest.raises(DataError, match="counts as a like") as error:
        material(feedback={"action_weights": nothing})
    assert "action_weights" in error.value.hint


@pytest.mark.parametrize("settings", [{"scorers": {"eas": {"dropout": 0.3}}}, {"fusion": {"weights": {"eas": 1.0}}}])
def test_settings_of_a_scorer_that_there_is_not_are_an_error(settings):
    data, config = material(**settings)
    with pytest.raises(NotFoundError, match=r"'eas' in kgrec\.toml") as error:
        train(data, load_plugins([]).registry("scorer"), Fitter(config), only=["popularity"])
    assert "ease" in error.value.hint


@pytest.mark.parametrize(("seen_last", "first"), [(True, 2), (False, 0)])
def test_what_is_known_comes_last_only_where_users_hardly_return(seen_last, first):
    seen = csr_array(np.array([[True, True, False, False]]))
    ranker = Ranker(["u"], list("abcd"), seen, {}, {}, {"seen_last": seen_last})
    scores = np.array([[9.0, 8.0, 2.0, -5.0]], dtype=np.float32)
    best, values = ranker.rank(scores.copy(), ListRules(4, include_seen=True), seen)
    assert best[0, 0] == first
    assert sorted(best[0].tolist()) == [0, 1, 2, 3]
    assert (np.diff(values[0]) <= 0).all()
    assert best[0, :2].tolist() == ([2, 3] if seen_last else [0, 1])
    left_out, _ = ranker.rank(scores.copy(), ListRules(4), seen)
    assert left_out[0].tolist() == [2, 3, -1, -1]


@pytest.mark.parametrize(
    ("settings", "only", "expected"),
    [
        ({}, None, ["a", "c"]),
        ({"scorers": {"b": {}}}, None, ["a", "b", "c"]),
        ({"fusion": {"weights": {"b": 1.0}}}, None, ["a", "b", "c"]),
        ({"train": {"scorers": ["b", "a", "b"]}}, None, ["b", "a"]),
        ({"train": {"scorers": ["a"]}, "scorers": {"b": {}}}, ["b"], ["b"]),
    ],
)
def test_a_scorer_that_is_no_default_is_trained_only_where_it_is_named(settings, only, expected):
    offers = [Owned(Spec(name, "m:C", name, default=name != "b"), "me") for name in "abc"]
    assert wanted(Registry("scorer", offers), Config.model_validate(settings), only) == expected
