"""The contract passes right scorers and catches each kind of wrong one."""

import random

import numpy as np
import pytest

from kgrec.plugin.protocols import Contribution
from kgrec.testing import TOYS, ScorerContract, checkerboard, toy_training_data


class CoCounts:
    """Sum of co-occurrences with the history, plus graph and text similarity: solves most toys."""

    def __init__(self, noise: float = 0.0):
        self.noise = noise

    def fit(self, data, *, seed):
        matrix = data.matrix.toarray()
        similar = matrix.T @ matrix
        if data.triples is not None:
            linked = np.zeros((data.n_items, data.triples.n_nodes), dtype=np.float32)
            of_items = data.triples.heads < data.n_items
            linked[data.triples.heads[of_items], data.triples.tails[of_items]] = 1
            similar = similar + linked @ linked.T
        if data.item_text is not None:
            similar = similar + data.item_text @ data.item_text.T
        self.similar = similar.astype(np.float32)
        self.history = matrix.astype(np.float32)
        self.own = np.zeros_like(self.history)
        if data.user_text is not None and data.item_text is not None:
            self.own = data.user_text @ data.item_text.T
        self.own = self.own + self.noise * np.random.default_rng(seed).random(self.own.shape, dtype=np.float32)
        return self

    def score(self, users):
        return self.history[users] @ self.similar + self.own[users]

    def state(self):
        return {"similar": self.similar, "history": self.history, "own": self.own}

    def load_state(self, state):
        self.similar, self.history, self.own = state["similar"], state["history"], state["own"]
        return self

    def score_new(self, profile):
        return profile.weights @ self.similar[profile.items] + np.zeros(len(self.similar), np.float32)

    def contributions(self, user, items):
        known = np.flatnonzero(self.history[user])
        shares = self.history[user, known] * self.similar[known][:, items].T
        own = Contribution("text", np.array([-1]), self.own[user, items][:, None])
        return [own, Contribution("item", known, shares)]


class TestCoCounts(ScorerContract):
    solves = ("checkerboard", "graph", "text", "own_words")

    def make(self):
        return CoCounts(noise=1e-3)


class Counts(CoCounts):
    def fit(self, data, *, seed):
        super().fit(data, seed=seed)
        times = data.events.times
        age = np.zeros(len(data.events)) if times is None else (times - times.max(initial=0)) / (3650 * 86_400)
        counts = np.bincount(data.events.items, 1 + age, minlength=data.n_items)
        self.similar = np.zeros((data.n_items, data.n_items), np.float32)
        self.own = np.tile(counts.astype(np.float32), (data.n_users, 1))
        return self


class TestCounts(ScorerContract):
    solves = ("hot_cold", "trending")

    def make(self):
        return Counts()


def test_popularity_cannot_solve_what_needs_more():
    for name in ("checkerboard", "graph", "text", "own_words"):
        toy = TOYS[name]()
        assert Counts().fit(toy.data, seed=0).score(np.arange(2)).shape[0] == 2
        assert Counts().fit(toy.data, seed=0) is not None
        assert toy.solved_by(Counts().fit(toy.data, seed=0)) < 0.7, name


@pytest.mark.parametrize("name", TOYS)
def test_no_pair_of_a_toy_is_already_known(name):
    toy = TOYS[name]()
    users, better, worse = toy.pairs.T
    assert toy.data.matrix.has_sorted_indices
    assert np.all(toy.data.matrix.toarray()[users, better] == 0)
    assert np.all(toy.data.matrix.toarray()[users, worse] == 0)
    assert toy.data.matrix.dtype == np.float32
    assert toy.data.matrix.data.min() > 0


def test_checkerboard_is_equally_popular():
    assert len(set(checkerboard(10).data.matrix.sum(axis=0).tolist())) == 1


def test_toy_training_data_has_every_kind_of_gap():
    data = toy_training_data()
    assert data.matrix[[-1], :].nnz == 0
    assert data.matrix[:, [-1]].nnz == 0
    assert not data.item_text[-1].any()
    assert not data.user_text[-1].any()
    assert data.n_items - 1 not in data.triples.heads
    assert data.validation.nnz > 0
    assert (data.validation.multiply(data.matrix)).nnz == 0
    assert len(data.events) == data.matrix.nnz
    assert np.all(np.diff(data.events.times) >= 0)
    assert (data.triples.tails < data.triples.n_nodes).all()


class Wrong(CoCounts):
    """One fault at a time."""

    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault

    def fit(self, data, *, seed):
        super().fit(data, seed=seed)
        if self.fault == "numpy state":
            np.random.random()  # noqa: NPY002
        if self.fault == "python state":
            random.random()
        if self.fault == "input":
            data.matrix.data[:] = 1
        if self.fault == "ignores seed":
            self.own = np.random.default_rng().random(self.own.shape, dtype=np.float32)
        if self.fault == "needs graph" and data.triples is None:
            raise ValueError("no graph")
        return None if self.fault == "not chained" else self

    def score(self, users):
        scores = super().score(users)
        if self.fault == "dtype":
            return scores.astype(np.float64)
        if self.fault == "infinite":
            scores[:, 0] = np.inf
        if self.fault == "batch":
            return scores / max(len(users), 1)
        return scores

    def state(self):
        if self.fault == "object state":
            return {"similar": self.similar.tolist()}
        if self.fault == "half state":
            return super().state() | {"own": self.own * 0 + 1}
        return super().state()

    def score_new(self, profile):
        if self.fault == "empty profile" and not len(profile.items):
            raise IndexError
        return super().score_new(profile)

    def contributions(self, user, items):
        parts = super().contributions(user, items)
        return parts[1:] if self.fault == "parts" else parts


def make_wrong(fault):
    class Wronged(ScorerContract):
        solves = ("trending",)

        def make(self):
            return Wrong(fault)

    return Wronged()


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("not chained", "test_fit_returns_the_scorer"),
        ("dtype", "test_shape_and_dtype"),
        ("infinite", "test_shape_and_dtype"),
        ("batch", "test_one_by_one_equals_batch"),
        ("ignores seed", "test_deterministic"),
        ("numpy state", "test_global_random_state_untouched"),
        ("python state", "test_global_random_state_untouched"),
        ("input", "test_inputs_not_modified"),
        ("", "test_solves_its_toys"),
        ("parts", "test_contributions"),
    ],
)
def test_faults_are_caught(fault, test):
    with pytest.raises(AssertionError):
        getattr(make_wrong(fault), test)()


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("object state", "test_state_round_trip"),
        ("half state", "test_state_round_trip"),
        ("needs graph", "test_without_graph_texts_and_times"),
    ],
)
def test_faults_of_the_state_are_caught(fault, test, tmp_path):
    with pytest.raises((AssertionError, ValueError)):
        getattr(make_wrong(fault), test)(tmp_path)


def test_exceptions_for_an_empty_profile_are_caught():
    with pytest.raises(IndexError):
        make_wrong("empty profile").test_new_user()


def test_swallowed_options_are_caught():
    class Swallows(CoCounts):
        def __init__(self, **options):
            super().__init__()

    class Contract(ScorerContract):
        def make(self):
            return Swallows()

    with pytest.raises(pytest.fail.Exception):
        Contract().test_unknown_option_is_an_error()


def test_a_contract_without_make_cannot_be_used():
    class Forgot(ScorerContract):
        pass

    with pytest.raises(TypeError, match="make"):
        Forgot()
