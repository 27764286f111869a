"""The search for better options: ends in time, is continued, keeps what it found, looks at the held-out likes only."""

import json
from typing import ClassVar

import numpy as np
import pytest

from kgrec.config import Config
from kgrec.errors import CorruptArtifactError, UserError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import Owned, Registry, load_plugins
from kgrec.plugin.space import Real
from kgrec.progress import SILENT
from kgrec.ranking import tuned
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.training_inputs import prepare
from kgrec.ranking.tuning import JOURNAL, tune
from kgrec.testing import toy_dataset

DOMAIN = Domain(name="generic", summary="")


class Clock:
    """Seconds that pass when a fit says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


CLOCK = Clock()


class Blend:
    """Popularity sharpened by an option; the best is 1, and a fit takes ten seconds."""

    fits: ClassVar[list] = []
    seconds = 10.0
    progress = SILENT
    epochs = 0

    def __init__(self, *, blend: float = -1.0, constant: int = 3) -> None:
        self.blend, self.constant = blend, constant

    @classmethod
    def grid(cls, data):
        return [{"constant": 5}, {"constant": 5, "blend": -0.5}]

    @classmethod
    def space(cls, data):
        return {"blend": Real(-1.0, 1.0)}

    def fit(self, data, *, seed):
        Blend.fits.append((self.blend, self.constant, data.matrix.nnz))
        CLOCK.now += self.seconds
        if self.blend > 0.9:
            raise RuntimeError("diverged")
        self.popularity = np.asarray(data.matrix.sum(axis=0), dtype=np.float32)
        for epoch in range(self.epochs):
            CLOCK.now += self.seconds
            self.progress.measured(epoch, self.blend)
        return self

    def score(self, users):
        noise = np.random.default_rng(0).random((len(users), len(self.popularity)))
        return (self.blend * self.popularity + (1 - abs(self.blend)) * 5 * noise).astype(np.float32)

    def state(self):
        return {"popularity": self.popularity}

    def load_state(self, state):
        self.popularity = state["popularity"]
        return self


class Iterative(Blend):
    epochs = 6


def registry_of(cls):
    class Offer:
        name, target, default = "blend", "test:Blend", True

        def load(self):
            return cls

        def build(self, options=None, *, table=""):
            return cls(**(options or {}))

    builtin = load_plugins([]).registry("scorer")["popularity"]
    return Registry("scorer", [Owned(Offer(), "test"), Owned(builtin, "kgrec")])


@pytest.fixture(autouse=True)
def _fresh():
    Blend.fits.clear()
    CLOCK.now = 0.0


@pytest.fixture
def search(tmp_path):
    def run(minutes, *, cls=Blend, made_from="data", **settings):
        config = Config.model_validate(settings)
        found = prepare(toy_dataset(), config, DOMAIN, triples=None, item_text=None, user_text=None, device="cpu")
        registry = registry_of(cls)
        best = tune(
            found,
            registry,
            Fitter(config),
            names=["blend", "popularity"],
            minutes=minutes,
            folder=tmp_path / "tuning",
            made_from=made_from,
            clock=CLOCK,
        )
        return best, found

    return run


def test_the_scorers_own_settings_come_first_and_the_best_is_never_worse(search):
    (best,), found = search(2.0)
    assert [fit[:2] for fit in Blend.fits[:2]] == [(-1.0, 5), (-0.5, 5)]
    assert all(constant == 5 for _, constant, _ in Blend.fits)  # not tuned: as in its first own setting
    assert {likes for _, _, likes in Blend.fits} == {found.fit.matrix.nnz}  # nothing held out is fitted on
    assert best.ndcg >= best.own_ndcg
    assert best.options["blend"] > 0
    assert best.trials + best.cut == len(Blend.fits)


def test_the_search_ends_in_time(search):
    search(1.0)
    assert len(Blend.fits) == 6  # of ten seconds each
    assert CLOCK.now == 60


def test_no_best_before_the_own_settings_are_known(search, tmp_path):
    best, _ = search(0.01)
    assert best == []
    assert tuned.load(tmp_path / "tuning") == {}


def test_another_search_goes_on_where_the_first_ended(search, tmp_path):
    (first,), _ = search(1.0)
    tried = {blend for blend, _, _ in Blend.fits}
    CLOCK.now = 0.0
    (second,), _ = search(1.0)
    assert len(Blend.fits) == 12
    assert len({blend for blend, _, _ in Blend.fits} - tried) == 6  # nothing is tried twice
    assert second.ndcg >= first.ndcg
    assert second.trials + second.cut == 12
    assert tuned.load(tmp_path / "tuning")["blend"] == second


def test_trials_on_other_data_do_not_count(search):
    search(0.5)
    CLOCK.now = 0.0
    search(0.5, made_from="other data")
    assert [fit[0] for fit in Blend.fits].count(-1.0) == 2  # its own settings are tried again


def test_a_cut_off_last_line_is_dropped_and_a_damaged_record_is_a_clear_error(search, tmp_path):
    search(0.5)
    file = tmp_path / "tuning" / JOURNAL
    with file.open("ab") as stream:
        stream.write(b'{"op_code": 4, "wor')
    search(0.5)
    file.write_bytes(b"no journal\n" + file.read_bytes())
    with pytest.raises(CorruptArtifactError, match="damaged") as caught:
        search(0.5)
    assert "--reset-tuning" in caught.value.hint


def test_interrupting_keeps_what_was_found(search, tmp_path, monkeypatch):
    def fit(self, data, *, seed):
        if len(Blend.fits) == 4:
            raise KeyboardInterrupt
        return Blend.fit(self, data, seed=seed)

    interrupted = type("Interrupted", (Blend,), {"fit": fit})
    with pytest.raises(KeyboardInterrupt):
        search(5.0, cls=interrupted)
    kept = tuned.load(tmp_path / "tuning")["blend"]
    assert kept.trials == 4
    CLOCK.now = 0.0
    (later,), _ = search(0.5)
    assert later.trials > kept.trials
    assert later.cut >= 1  # the fit that was interrupted


def test_a_training_by_epochs_is_cut_off_when_it_is_worse_than_the_others(search):
    (best,), _ = search(15.0, cls=Iterative)
    assert best.cut > 0
    assert best.options["blend"] > 0


def test_a_training_by_epochs_ends_when_the_time_is_over(search):
    best, _ = search(0.5, cls=Iterative)
    assert best == []
    assert CLOCK.now <= 40  # one more epoch at most


def test_what_kgrec_toml_gives_is_not_tuned(search):
    with pytest.raises(UserError, match="none of the scorers"):
        search(1.0, scorers={"blend": {"blend": 0.5}})


def test_tuned_options_go_under_kgrec_toml_and_what_no_longer_fits_is_left_out(tmp_path):
    def entry(name, **options):
        return tuned.Tuned(name, options, 0.2, 0.1, 3, 0, "data")

    found = [entry("als", factors=32, alpha=2.0), entry("ease", gone=1), entry("nobody")]
    tuned.save(tmp_path, found)
    said = []
    listener = type("Listener", (), {"log": lambda _, text: said.append(text)})()
    registry = load_plugins([]).registry("scorer")
    config = Config.model_validate({"scorers": {"als": {"alpha": 9.0}}})
    laid = tuned.laid_under(config, tuned.load(tmp_path), registry, listener)
    assert laid.scorers == {"als": {"factors": 32, "alpha": 9.0}}
    assert len(said) == 2
    (tmp_path / tuned.FILE).write_text(json.dumps({"scorers": {"als": {"nonsense": 1}}}))
    with pytest.raises(CorruptArtifactError, match="damaged"):
        tuned.load(tmp_path)
