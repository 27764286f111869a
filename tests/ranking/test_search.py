"""The search of a scorer's settings: it gets to the top of a curve wherever that lies; what is given stays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.plugin.domain import Domain
from kgrec.plugin.space import Choice, Real, Whole
from kgrec.progress import SILENT
from kgrec.ranking.fitting import FitStore, Fitter
from kgrec.ranking.search import budget, moved, select
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset

FITS, PRICE = [], [0.001]
"""What was fitted; what a fit costs."""


class Peaked:
    """Scores held-out likes the higher, the nearer its ridge is to 3,000 and its share to 0.6; the rest is luck."""

    def __init__(self, ridge: float = 10.0, share: float = 0.0, way: str = "a") -> None:
        self.ridge, self.share, self.way = ridge, share, way

    @classmethod
    def space(cls, data):
        return {"ridge": Real(0.1, 10_000.0, log=True), "share": Real(0.0, 0.8), "way": Choice(("a", "b"))}

    @classmethod
    def price(cls, options, data):
        return PRICE[0] * (10 if options["way"] == "b" else 1)

    def fit(self, data, *, seed):
        FITS.append((self.ridge, self.share, self.way))
        distance = abs(math.log(self.ridge / 3_000)) / 8 + abs(self.share - 0.6) + 0.5 * (self.way == "a")
        luck = np.random.default_rng(seed).random(data.validation.shape)
        self.scores = (data.validation.toarray() > 0) + distance * 8 * luck
        return self

    def score(self, users):
        return self.scores[users].astype(np.float32)

    def state(self):
        return {"scores": self.scores}

    def load_state(self, state):
        self.scores = state["scores"]
        return self


class PeakedSpec:
    name, target = "peaked", f"{__name__}:Peaked"

    def load(self):
        return Peaked

    def build(self, options=None, *, table=""):
        return Peaked(**(options or {}))


def searched(start=None, store=None, **settings):
    FITS.clear()
    config = Config.model_validate(settings)
    inputs = prepare(
        toy_dataset(), config, Domain(name="generic", summary=""), triples=None, item_text=None, user_text=None,
        device="cpu",
    )  # fmt: skip
    fitter = Fitter(config, SILENT, store or FitStore(None))
    with SILENT.task("") as task:
        return select(fitter, PeakedSpec(), inputs.fit, inputs.held_out, task, start)


def test_it_climbs_to_a_top_far_from_the_defaults():
    found = searched(train={"search": "thorough"})
    assert found.ndcg > found.tried[0][1] + 0.05
    assert 1_000 <= found.options["ridge"] <= 10_000
    assert 0.4 <= found.options["share"] <= 0.8
    assert found.options["way"] == "b"
    assert len(found.tried) == len({str(options) for options, _ in found.tried})


def test_quick_makes_fewer_fits_than_thorough():
    quick, thorough = (len(searched(train={"search": level}).tried) for level in ("quick", "thorough"))
    assert quick < thorough


def test_what_is_given_is_not_searched():
    found = searched(scorers={"peaked": {"ridge": 10.0}})
    assert {ridge for ridge, _, _ in FITS} == {10.0}
    assert len(found.tried) > 1


def test_the_next_training_starts_from_what_was_found():
    first = searched()
    again = searched(start=first.options)
    assert again.ndcg >= first.ndcg
    assert len(again.tried) < len(first.tried)


def test_an_interrupted_search_fits_nothing_twice(tmp_path):
    store = FitStore(tmp_path / "training", "run")
    first = searched(store=store)
    again = searched(store=store)
    assert FITS == []
    assert again.options == first.options
    assert again.ndcg == pytest.approx(first.ndcg)


def test_a_scorer_whose_own_settings_cost_its_share_of_work_is_not_searched(monkeypatch):
    monkeypatch.setitem(globals(), "PRICE", [1_000.0])
    assert len(searched().tried) == 1


def test_where_a_costly_fit_no_longer_fits_cheaper_ones_go_on(monkeypatch):
    monkeypatch.setitem(globals(), "PRICE", [budget("normal", 0) / 9])
    found = searched()
    assert 3 < len(found.tried) <= 9
    assert {options.get("way", "a") for options, _ in found.tried} == {"a"}


def test_a_busy_machine_finds_the_same_settings(monkeypatch):
    first = searched()
    clock = iter(range(0, 10_000_000, 10_000))
    monkeypatch.setattr("kgrec.ranking.search.time.perf_counter", lambda: next(clock))
    assert searched().tried == first.tried


def test_the_budget_grows_slower_than_the_data():
    assert budget("normal", 10_000_000) < 20 * budget("normal", 50_000)
    assert budget("quick", 50_000) < budget("normal", 50_000) < budget("thorough", 50_000)


SPANS = st.one_of(
    st.builds(lambda low, ratio: Real(low, low * ratio, log=True), st.floats(1e-3, 1e3), st.floats(1.1, 1e4)),
    st.builds(lambda low, size: Real(low, low + size), st.floats(-10, 10), st.floats(0.1, 100)),
    st.builds(lambda low, size: Whole(low, low + size), st.integers(-5, 5), st.integers(1, 1000)),
    st.builds(lambda low, size: Whole(low, low + size, log=True), st.integers(1, 50), st.integers(1, 1000)),
)


@given(SPANS, st.floats(0, 1), st.sampled_from([1.0, 0.5, 0.25, -1.0, -0.5, -0.25]))
def test_moves_stay_in_the_range_and_end(span, place, step):
    value = span.low + place * (span.high - span.low)
    value = round(value) if isinstance(span, Whole) else value
    for _ in range(200):
        found = moved(span, value, step)
        if found is None:
            return
        assert span.low - 1e-3 * abs(span.low) <= found <= span.high + 1e-3 * abs(span.high)
        assert (found > value) == (step > 0) or abs(found - value) < 1e-3 * abs(value)
        value = found
    raise AssertionError("it does not end")


def test_a_choice_is_gone_through_in_its_order():
    assert moved(Choice(("a", "b")), "a", 1.0) == "b"
    assert moved(Choice(("a", "b")), "b", 1.0) is None
    assert moved(Choice(("a", "b")), "other", 1.0) == "a"
    assert moved(Real(0.0, 1.0), None, 1.0) is None
