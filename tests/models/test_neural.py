"""Scorers trained by epochs keep the contract, ask no torch to score, carry on after a cut, and say what they claim."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from kgrec.models.history import History
from kgrec.models.interest import TextInterest
from kgrec.models.latent import Latent
from kgrec.models.mult_vae import MultVAE
from kgrec.models.neural import EMPTY
from kgrec.models.sequence import Sequence, SequenceOptions, Transformer, encode
from kgrec.plugin.protocols import NewUserScorer
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.testing.toys import training_data
from kgrec.types import Profile
from kgrec.workspace import save_arrays

SMALL_VAE = {"hidden_size": 16, "latent_size": 8, "epochs": 60, "patience": 60, "dropout": 0.3, "learning_rate": 0.01}
SMALL_INTEREST = {"size": 8, "hidden_size": 8, "epochs": 15, "learning_rate": 0.01}
SMALL_SEQUENCE = {"size": 16, "window": 8, "epochs": 4, "learning_rate": 0.01}
SMALL_LATENT = {"size": 8, "hidden_size": 8, "latent_size": 4, "epochs": 15, "learning_rate": 0.01, "draws": 4}
MADE = {
    "latent": lambda **more: Latent(**{**SMALL_LATENT, **more}),
    "vae": lambda **more: MultVAE(**{**SMALL_VAE, **more}),
    "interest": lambda **more: TextInterest(**{**SMALL_INTEREST, **more}),
    "sequence": lambda **more: Sequence(**{**SMALL_SEQUENCE, **more}),
}


class NeuralContract(ScorerContract):
    """Somebody new is served too."""

    def test_serves_new_users(self):
        assert isinstance(self.make(), NewUserScorer)


class TestMultVAE(NeuralContract):
    solves = ("checkerboard",)

    def make(self):
        return MultVAE(**SMALL_VAE)


class TestTextInterest(NeuralContract):
    solves = ("text", "own_words")

    def make(self):
        return TextInterest(**SMALL_INTEREST)


class TestTextInterestWithoutOrder(NeuralContract):
    solves = ("text", "own_words")

    def make(self):
        return TextInterest(**SMALL_INTEREST, ordered=False)


class TestLatent(NeuralContract):
    solves = ("text", "own_words")

    def make(self):
        return Latent(**SMALL_LATENT)


class TestLatentWithoutOrder(NeuralContract):
    solves = ("text", "own_words")

    def make(self):
        return Latent(**SMALL_LATENT, ordered=False)


class TestSequence(NeuralContract):
    def make(self):
        return Sequence(**SMALL_SEQUENCE)


class TestSequenceWithoutTexts(NeuralContract):
    def make(self):
        return Sequence(**SMALL_SEQUENCE, use_text=False, n_layers=1)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("data", [toy_training_data(), replace(toy_training_data(), validation=None)])
def test_a_cut_training_continues_to_the_same_result(tmp_path, data, name):
    users = np.arange(data.n_users)
    options = {"epochs": 9, "patience": 99}
    whole = MADE[name](**options).fit(data, seed=5)

    class Cut(Exception):
        pass

    class Cutting:
        done = 0

        def advance(self, amount=1):
            self.done += amount
            if self.done == 6:
                raise Cut

        def note(self, text):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class Progress:
        def task(self, name, total=None):
            return Cutting()

        def log(self, text):
            pass

        def measured(self, step, value):
            pass

    cut = MADE[name](**options)
    cut.checkpoint, cut.checkpoint_every, cut.progress = tmp_path / "state", 4, Progress()
    with pytest.raises(Cut):
        cut.fit(data, seed=5)
    continued = MADE[name](**options)
    continued.checkpoint = tmp_path / "state"
    np.testing.assert_allclose(continued.fit(data, seed=5).score(users), whole.score(users), rtol=1e-5, atol=1e-6)
    assert continued.best_epoch == whole.best_epoch


@pytest.mark.parametrize("name", MADE)
def test_the_best_epoch_is_kept_and_given_to_the_refit(name):
    scorer = MADE[name]().fit(toy_training_data(), seed=1)
    assert scorer.refit_options() == {"epochs": scorer.best_epoch}
    unlearned = MADE[name](epochs=0).fit(toy_training_data(), seed=1)
    assert scorer.best_metric >= unlearned.best_metric or np.isnan(unlearned.best_metric)


def test_torch_is_needed_only_to_fit(tmp_path):
    for name, make in MADE.items():
        save_arrays(tmp_path / name, make().fit(toy_training_data(), seed=1).state())
    code = f"""
import sys
import numpy as np
from kgrec.models.interest import TextInterest
from kgrec.models.latent import Latent
from kgrec.models.mult_vae import MultVAE
from kgrec.models.sequence import Sequence
from kgrec.types import Profile
from kgrec.workspace import load_arrays
from pathlib import Path
for name, scorer in (("latent", Latent()), ("vae", MultVAE()), ("interest", TextInterest()), ("sequence", Sequence())):
    scorer.load_state(load_arrays(Path({str(tmp_path)!r}) / name))
    assert np.isfinite(scorer.score(np.arange(3))).any(), name
    assert np.isfinite(scorer.score_new(Profile(np.array([0, 2]), np.ones(2, dtype=np.float32)))).any(), name
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["vae", "interest", "latent"])
def test_a_new_user_with_the_history_of_an_old_one_gets_the_same_scores(name):
    full = toy_training_data()
    data = replace(full, events=replace(full.events, times=None), user_text=None)
    scorer = MADE[name]().fit(data, seed=1)
    row = data.matrix[[5]]
    found = scorer.score_new(Profile(row.indices.astype(np.int64), row.data))
    np.testing.assert_allclose(found, scorer.score(np.array([5]))[0], rtol=1e-4, atol=1e-5)


def test_an_interest_updated_by_events_is_that_of_the_longer_history():
    scorer = TextInterest(**SMALL_INTEREST).fit(toy_training_data(), seed=1)
    rng = np.random.default_rng(0)
    assert 0 < scorer.state()["decay"][0] < 1
    for _ in range(30):
        items, weights = rng.permutation(20)[:7], rng.random(7).astype(np.float32) + 0.1
        updated = scorer.interest(items[:0])
        for item, weight in zip(items, weights, strict=True):
            updated = scorer.update(updated, int(item), float(weight))
        whole = scorer.interest(items, weights)
        np.testing.assert_array_equal(updated.items, whole.items)
        np.testing.assert_allclose(updated.total, whole.total, rtol=1e-4, atol=1e-6)
        assert updated.mass == pytest.approx(whole.mass, rel=1e-4)
        np.testing.assert_allclose(scorer.score_interest(updated), scorer.score_interest(whole), rtol=1e-3, atol=1e-5)


def test_an_item_touched_again_moves_to_the_end_of_an_interest():
    scorer = TextInterest(**SMALL_INTEREST).fit(toy_training_data(), seed=1)
    again = scorer.update(scorer.interest(np.array([4, 7, 9])), 7)
    np.testing.assert_array_equal(again.items, [4, 9, 7])
    fresh = scorer.update(scorer.interest(np.array([4, 9])), 7)
    assert again.strengths[2] == pytest.approx(2 * fresh.strengths[2])
    assert again.mass > fresh.mass
    late = scorer.update(again, 999)
    assert late is again


def test_an_interest_is_what_the_history_of_a_user_gives():
    data = replace(toy_training_data(), user_text=None)
    scorer = TextInterest(**SMALL_INTEREST).fit(data, seed=1)
    events = data.events.items[data.events.users == 3]
    weights = data.events.weights[data.events.users == 3]
    assert len(set(events.tolist())) == len(events)
    found = scorer.score_interest(scorer.interest(events, weights))
    np.testing.assert_allclose(found, scorer.score(np.array([3]))[0], rtol=1e-4, atol=1e-5)


def test_numpy_and_torch_read_the_same_history_alike():
    rng = np.random.default_rng(3)
    options = SequenceOptions(size=16, window=6)
    liked = rng.random(30) < 0.9
    texts = rng.standard_normal((30, 5)).astype(np.float32)
    texts[4] = 0
    network = Transformer(texts, liked, options, rng, "cpu")
    with torch.no_grad():
        for parameter in network.parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    rows = np.where(np.arange(6) >= np.arange(8)[:, None] % 7, rng.integers(0, 30, (8, 6)), EMPTY)
    with torch.no_grad():
        expected = network(network.item_vectors(), torch.from_numpy(rows))[:, -1].numpy()
    found = encode(network.scoring_arrays(), rows)
    known = (rows != EMPTY).any(axis=1)
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-4, atol=1e-4)
    assert not found[~known].any()


def test_sequence_learns_what_comes_next():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 12, 60)
    items = (starts[:, None] + np.arange(6)) % 12
    data = training_data(np.repeat(np.arange(60), 6), items.ravel(), 60, 12)
    scorer = Sequence(size=16, window=6, epochs=25, batch_size=16, learning_rate=0.01, dropout=0.1).fit(data, seed=1)
    np.testing.assert_array_equal(np.argmax(scorer.score(np.arange(60)), axis=1), (starts + 6) % 12)
    new = scorer.score_new(Profile(np.array([3, 4, 5]), np.ones(3, dtype=np.float32)))
    assert np.argmax(new) == 6


def test_a_profile_is_read_in_its_order_each_item_where_it_stands_last():
    data = toy_training_data()
    scorer = Sequence(**SMALL_SEQUENCE).fit(data, seed=1)
    ones = np.ones(4, dtype=np.float32)
    again, once = scorer.score_new(Profile(np.array([2, 5, 7, 2]), ones)), np.array([5, 7, 2])
    np.testing.assert_allclose(again, scorer.score_new(Profile(once, ones[:3])), rtol=1e-5)
    assert not np.allclose(again, scorer.score_new(Profile(once[::-1].copy(), ones[:3])), equal_nan=True)


def test_where_they_say_why_they_are_left_out():
    data = toy_training_data()
    assert Sequence.unusable(data) == TextInterest.unusable(data) == ""
    assert "no times" in Sequence.unusable(replace(data, events=replace(data.events, times=None)))
    assert "no item has a text" in TextInterest.unusable(replace(data, item_text=None))
    with pytest.raises(ValueError, match="n_heads must divide"):
        Sequence(size=10, n_heads=3)


def test_likes_count_by_strength_in_the_vae():
    scorer = MultVAE(**SMALL_VAE).fit(toy_training_data(), seed=1)
    state = scorer.state()
    history = History.from_state(state)
    doubled = history.matrix[[0]] * np.float32(2)  # only the direction of a history counts
    np.testing.assert_allclose(scorer._vectors(doubled), scorer._vectors(history.matrix[[0]]), rtol=1e-5)
