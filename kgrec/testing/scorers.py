"""The contracts of scorers and re-rankers."""

from __future__ import annotations

import inspect
import io
import sys
from abc import abstractmethod
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.errors import NotFoundError, did_you_mean
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import (
    AdditiveScorer,
    CompactScorer,
    ConditionalScorer,
    GridScorer,
    NewUserAdditiveScorer,
    NewUserScorer,
    Reranker,
    Scorer,
    Traits,
    TunableScorer,
    WatchedScorer,
    traits_of,
)
from kgrec.plugin.reranking import AUDIENCE, CandidateLists, Groups, RerankData
from kgrec.testing.plugins import Contract, untouched_random_state
from kgrec.testing.toys import DAY, START, TOYS, toy_training_data
from kgrec.types import Compact, FactorScores, Profile, Scores, SummedScores, TrainingData
from kgrec.workspace import load_arrays, save_arrays

MORE = 100
"""Users and items by which data grow where lines are counted."""

KINDS = {"item", "entity", "text", "popularity", "bias"}


class ScorerContract(Contract):
    """What every scorer must keep; the optional parts are checked where the class has them.

    Attributes:
        solves: names of the toys (keys of :data:`kgrec.testing.TOYS`) that the scorer must solve; default: none.
        rtol, atol: how near scores must be that ought to be the same, for scorers that compute in float32.
    """

    solves: ClassVar[tuple[str, ...]] = ()
    rtol: ClassVar[float] = 1e-4
    atol: ClassVar[float] = 1e-5
    _fitted: ClassVar[dict[type, Scorer]] = {}

    @abstractmethod
    def make(self) -> Scorer:
        """Return a new, unfitted scorer. Small settings keep the tests fast."""

    def training_data(self) -> TrainingData:
        """Return what the scorer is fitted on: with a graph, texts, times, a new user and a new item."""
        return toy_training_data()

    def fitted(self) -> Scorer:
        """Return a scorer fitted on :meth:`training_data` with seed 1, once a class."""
        if type(self) not in self._fitted:
            self._fitted[type(self)] = self.make().fit(self.training_data(), seed=1)
        return self._fitted[type(self)]

    def same(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        """Fail when two arrays differ by more than the tolerance; NaN equals NaN."""
        np.testing.assert_allclose(left, right, rtol=self.rtol, atol=self.atol, equal_nan=True)

    def test_is_a_scorer(self) -> None:
        """It has the methods of the protocol."""
        assert isinstance(self.make(), Scorer)

    def test_says_what_is_special_about_it(self) -> None:
        """Traits are :class:`Traits`, a reason why data cannot be used is a string, and there are settings to try."""
        cls, data = type(self.make()), self.training_data()
        assert isinstance(traits_of(cls), Traits)
        if issubclass(cls, ConditionalScorer):
            assert isinstance(cls.unusable(data), str)
        if issubclass(cls, GridScorer):
            assert all(isinstance(options, dict) for options in cls.grid(data))
            assert cls.grid(data)

    def test_fit_returns_the_scorer(self) -> None:
        """``fit`` can be chained."""
        scorer = self.make()
        assert scorer.fit(self.training_data(), seed=1) is scorer

    def test_shape_and_dtype(self) -> None:
        """Scores are float32, one row a user, one column an item, never infinite."""
        data = self.training_data()
        _check(self.fitted().score(np.arange(data.n_users)), data.n_users, data.n_items)

    def test_scores_somebody(self) -> None:
        """A scorer that can use the data scores an item for somebody."""
        data, scorer = self.training_data(), self.fitted()
        if traits_of(type(scorer)).cold_items == "only":
            return  # of the toy's items all are warm
        if isinstance(scorer, ConditionalScorer) and type(scorer).unusable(data):
            return
        scores = scorer.score(np.arange(data.n_users))
        assert np.isfinite(scores).any(), (
            "every score is NaN: score what you can, or say by the class method `unusable(data)` what you need"
        )

    def test_prints_nothing(self) -> None:
        """Standard output is the user's: lists are piped from there. Progress goes to ``self.progress``."""
        told = io.StringIO()
        with redirect_stdout(told):
            self.make().fit(self.training_data(), seed=1).score(np.arange(2))
        assert not told.getvalue(), f"it prints {told.getvalue()[:60]!r}: tell `self.progress` instead, or nobody"

    def test_validation_is_not_fitted_on(self) -> None:
        """``data.validation`` says when to stop; what is held out there must not be learned from."""
        data = self.training_data()
        rng = np.random.default_rng(5)
        unseen = np.asarray(data.matrix.todense()) == 0
        held = np.zeros_like(unseen)
        for user in np.flatnonzero(np.diff(data.matrix.indptr) > 0):
            held[user, rng.choice(np.flatnonzero(unseen[user]), 1)] = True
        users = np.arange(data.n_users)
        places = []
        for validation in (csr_array(held.astype(np.float32)), None):
            scores = self.make().fit(replace(data, validation=validation), seed=1).score(users)
            known = unseen & np.isfinite(scores)
            below = [(scores[u][known[u]] < scores[u, i]).mean() for u, i in np.argwhere(held & known)]
            places.append(float(np.mean(below)) if below else 0.0)
        assert places[0] - places[1] < 0.35, (
            f"held-out likes stand above {places[0]:.0%} of the other items, above {places[1]:.0%} where nothing is"
            " held out: fit on `data.matrix` and `data.events`, look at `data.validation` only to stop"
        )

    def test_fit_takes_no_user_or_item_by_itself(self) -> None:
        """No line of ``fit`` runs once a user, item or like: counted, not timed, on little data and on more.

        Scorers with ``progress`` are left out: they train by epochs, in batches.
        """
        few, many = ({"n_users": n, "n_items": n} for n in (20, 20 + MORE))
        scorer = self.make()
        unusable = isinstance(scorer, ConditionalScorer) and type(scorer).unusable(toy_training_data(**few))
        if unusable or isinstance(scorer, WatchedScorer):
            return
        counts = [_runs(self.make(), toy_training_data(**size)) for size in (few, many)]
        line = max(counts[1], key=lambda line: counts[1][line] - counts[0][line], default=0)
        assert counts[1][line] - counts[0][line] < MORE, (
            f"line {line} ran {counts[0][line]} times on 20 users and items and {counts[1][line]} times on {20 + MORE}:"
            " take all users at once, by numpy or scipy.sparse; a loop of Python is too slow for a million"
        )

    def test_settings_to_try_are_options(self) -> None:
        """``grid`` and ``space`` name options that there are."""
        cls, data = type(self.make()), self.training_data()
        known = option_defaults(cls)
        named = {name for options in cls.grid(data) for name in options} if issubclass(cls, GridScorer) else set()
        named |= set(cls.space(data)) if issubclass(cls, TunableScorer) else set()
        for name in sorted(named):
            assert name in known, f"`grid` or `space` tries {name!r}, which is no option: {did_you_mean(name, known)}"

    def test_no_users(self) -> None:
        """No users give no rows."""
        _check(self.fitted().score(np.zeros(0, dtype=np.int64)), 0, self.training_data().n_items)

    def test_one_by_one_equals_batch(self) -> None:
        """Who else is in the batch changes nothing, nor does the order, nor a user named twice."""
        scorer, n_users = self.fitted(), self.training_data().n_users
        whole = scorer.score(np.arange(n_users))
        self.same(np.concatenate([scorer.score(np.array([user])) for user in range(n_users)]), whole)
        mixed = np.array([n_users - 1, 0, 2, 0])
        self.same(scorer.score(mixed), whole[mixed])

    def test_deterministic(self) -> None:
        """The same data and seed give the same scores."""
        data = self.training_data()
        users = np.arange(data.n_users)
        self.same(self.make().fit(data, seed=1).score(users), self.fitted().score(users))

    def test_any_seed(self) -> None:
        """Seeds may be as large as 32 bits."""
        data = self.training_data()
        _check(self.make().fit(data, seed=2**32 - 1).score(np.arange(3)), 3, data.n_items)

    def test_global_random_state_untouched(self) -> None:
        """Fitting and scoring draw from generators of their own."""
        self.fitted()  # imports what it needs, so that torch's state can be looked at
        with untouched_random_state():
            self.make().fit(self.training_data(), seed=1).score(np.arange(3))

    def test_inputs_not_modified(self) -> None:
        """The arrays of the training data and the users asked for stay as they were."""
        data, untouched = self.training_data(), self.training_data()
        users = np.arange(data.n_users)
        self.make().fit(data, seed=1).score(users)
        np.testing.assert_array_equal(users, np.arange(data.n_users))
        before = _arrays(untouched)
        for name, array in _arrays(data).items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)

    def test_state_round_trip(self, tmp_path: Path) -> None:
        """The state survives safetensors, and a new object that loads it gives the same scores."""
        self._round_trip(self.fitted(), self.training_data(), tmp_path / "state.safetensors")

    def test_without_graph_texts_and_times(self, tmp_path: Path) -> None:
        """What is missing makes scores NaN or poorer; it is no exception, and the state can still be kept."""
        full = self.training_data()
        events = replace(full.events, times=None)
        data = replace(full, events=events, triples=None, item_text=None, user_text=None, validation=None)
        scorer = self.make().fit(data, seed=1)
        self._round_trip(scorer, data, tmp_path / "state.safetensors")

    def test_nothing_to_learn_from(self) -> None:
        """No interaction at all is no exception."""
        full = self.training_data()
        none = np.zeros(0, dtype=np.int64)
        events = replace(
            full.events,
            users=none,
            items=none,
            actions=none,
            values=none.astype(np.float32),
            weights=none.astype(np.float32),
            times=none,
        )
        empty = csr_array(np.zeros((full.n_users, full.n_items), dtype=np.float32))
        data = TrainingData(empty, events)
        _check(self.make().fit(data, seed=1).score(np.arange(2)), 2, full.n_items)

    def test_new_user(self) -> None:
        """Somebody who was not there gets scores; an empty profile gets NaN or scores, never an exception."""
        scorer, n_items = self.fitted(), self.training_data().n_items
        if not isinstance(scorer, NewUserScorer):
            return
        profile = Profile(np.array([0, 2]), np.array([1.0, 0.5], dtype=np.float32))
        _check(scorer.score_new(profile)[None, :], 1, n_items)
        np.testing.assert_array_equal(profile.items, [0, 2])
        self.same(scorer.score_new(profile), scorer.score_new(profile))
        _check(scorer.score_new(Profile())[None, :], 1, n_items)

    def test_new_users_differ_as_users_do(self) -> None:
        """Where histories make a difference to ``score``, they make one to ``score_new``."""
        scorer, data = self.fitted(), self.training_data()
        if not isinstance(scorer, NewUserScorer) or traits_of(type(scorer)).dated:
            return
        users = np.flatnonzero(np.diff(data.matrix.indptr) > 0)
        rows = [data.matrix[[int(user)]] for user in users]
        new = np.array([scorer.score_new(Profile(row.indices.astype(np.int64), row.data)) for row in rows])
        alike = [bool(np.allclose(some, some[:1], equal_nan=True)) for some in (scorer.score(users), new)]
        assert alike[0] or not alike[1], (
            "`score_new` says the same of everybody although `score` does not: make it look at `profile.items`"
        )

    def test_compact_scores(self) -> None:
        """The compact form, where there is one, says what ``score`` and ``score_new`` say."""
        scorer, data = self.fitted(), self.training_data()
        if not isinstance(scorer, CompactScorer):
            return
        users = np.array([data.n_users - 1, 0, 2, 0])
        form = scorer.compact(users)
        if form is None:
            assert scorer.compact_new([Profile()]) is None
            return
        self.same(_written_out(form), scorer.score(users))
        _check(_written_out(_form(scorer.compact(users[:0]))), 0, data.n_items)
        if isinstance(scorer, NewUserScorer):
            liked = Profile(np.array([0, 2]), np.array([1.0, 0.5], dtype=np.float32))
            scores = _written_out(_form(scorer.compact_new([liked, Profile(), liked])))
            for row, profile in zip(scores, [liked, Profile(), liked], strict=True):
                self.same(row, scorer.score_new(profile))

    def test_contributions(self) -> None:
        """The parts of an additive score sum to it."""
        scorer, data = self.fitted(), self.training_data()
        if not isinstance(scorer, AdditiveScorer):
            return
        items = np.array([0, 3, data.n_items - 1])
        for user in (0, 1, data.n_users - 1):
            scores = scorer.score(np.array([user]))[0, items]
            parts = scorer.contributions(user, items)
            assert {part.kind for part in parts} <= KINDS
            assert all(part.values.shape == (len(items), len(part.sources)) for part in parts)
            sums = sum(part.values.sum(axis=1) for part in parts)
            known = np.isfinite(scores)
            np.testing.assert_allclose(sums[known], scores[known], atol=1e-4)
        if isinstance(scorer, NewUserAdditiveScorer):
            words = None if data.user_text is None else data.user_text[0]
            liked = Profile(np.array([0, 2]), np.array([1.0, 0.5], dtype=np.float32), text_vector=words)
            for profile in (liked, Profile()):
                scores = scorer.score_new(profile)[items]
                parts = scorer.contributions_new(profile, items)
                assert {part.kind for part in parts} <= KINDS
                sums = sum(part.values.sum(axis=1) for part in parts)
                known = np.isfinite(scores)
                np.testing.assert_allclose(sums[known], scores[known], atol=1e-4)

    def test_solves_its_toys(self) -> None:
        """Every toy named in ``solves`` is ordered as can be proved."""
        for name in self.solves:
            toy = TOYS[name]()
            solved = toy.solved_by(self.make().fit(toy.data, seed=1))
            assert solved == 1.0, f"{name}: only {solved:.0%} of the pairs are ordered right"

    def _round_trip(self, scorer: Scorer, data: TrainingData, file: Path) -> None:
        users = np.arange(data.n_users)
        scores = scorer.score(users)
        _check(scores, data.n_users, data.n_items)
        state = scorer.state()
        assert all(isinstance(array, np.ndarray) for array in state.values()), "state() holds something not an array"
        assert all(array.dtype != object for array in state.values()), "state() holds Python objects"
        save_arrays(file, state)
        loaded = self.make().load_state(load_arrays(file))
        assert isinstance(loaded, Scorer), "load_state() must return the scorer"
        self.same(loaded.score(users), scores)


def _form(form: Compact | None) -> Compact:
    assert form is not None, "a scorer has a compact form for everybody or for nobody"
    return form


def _written_out(form: Compact) -> Scores:
    if isinstance(form, SummedScores):
        scores = form.product.users @ form.product.items.T + form.added.matrix.toarray()
    else:
        scores = form.users @ form.items.T if isinstance(form, FactorScores) else form.matrix.toarray()
    scores[:, ~form.known_items] = np.nan
    scores[~form.known_users] = np.nan
    return np.asarray(scores)


def _check(scores: Scores, n_users: int, n_items: int) -> None:
    assert isinstance(scores, np.ndarray)
    assert scores.shape == (n_users, n_items)
    assert scores.dtype == np.float32
    assert not np.isinf(scores).any(), "scores must be finite or NaN"


def _arrays(data: TrainingData) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name, value in (("matrix", data.matrix), ("validation", data.validation)):
        if value is not None:
            found |= {f"{name}.{part}": getattr(value, part) for part in ("data", "indices", "indptr")}
    for name, parts in (("events", data.events), ("triples", data.triples)):
        if parts is not None:
            values = {field: getattr(parts, field) for field in parts.__slots__}
            found |= {f"{name}.{k}": v for k, v in values.items() if isinstance(v, np.ndarray)}
    for name, vectors in (("item_text", data.item_text), ("user_text", data.user_text)):
        if vectors is not None:
            found[name] = vectors
    return found


N_USERS, N_ITEMS = 12, 40


def _runs(scorer: Scorer, data: TrainingData) -> Counter[int]:
    """Fit a scorer; return how often each line of the file of its class ran."""
    runs, file, before = Counter[int](), inspect.getsourcefile(type(scorer)), sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != file:
            return None
        if event in ("call", "line"):
            runs[frame.f_lineno] += 1
        return trace

    sys.settrace(trace)
    try:
        scorer.fit(data, seed=1)
    finally:
        sys.settrace(before)
    return runs


def toy_rerank_data(seed: int = 0) -> RerankData:
    """Return 12 users with a ``gender``, and 40 items with a ``brand`` (one value) and a ``genre`` (one or two).

    Items 0 to 9 have most likes; the last item has no like, no vector and no attribute.
    """
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(N_ITEMS) < 10, 0.6, 0.1)
    liked = rng.random((N_USERS, N_ITEMS)) < chance
    liked[:, -1] = False
    vectors = rng.standard_normal((N_ITEMS, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[-1] = 0.0
    genre = (np.arange(N_ITEMS)[:, None] % 5 == np.arange(5)) | (np.arange(N_ITEMS)[:, None] % 7 == np.arange(5))
    brand = np.arange(N_ITEMS)[:, None] % 8 == np.arange(8)
    genre[-1] = brand[-1] = False
    items = {
        "genre": Groups("genre", tuple("abcde"), csr_array(genre)),
        "brand": Groups("brand", tuple(f"brand {k}" for k in range(8)), csr_array(brand)),
    }

    def known(name: str) -> Groups:
        if (name := name or "genre") not in items:
            raise NotFoundError.of("attribute", name, items, where="the toy")
        return items[name]

    women = np.arange(N_USERS)[:, None] % 2 == np.arange(2)
    first = START - DAY * np.arange(N_ITEMS, dtype=np.float64)
    first[-1] = np.nan
    return RerankData(
        item_ids=[f"i{k}" for k in range(N_ITEMS)],
        popularity=liked.sum(axis=0).astype(np.int64),
        likes=csr_array(liked.astype(np.float32)),
        first_seen=first,
        now=float(START),
        seed=seed,
        item_groups=known,
        user_groups=lambda name: Groups(name, ("f", "m"), csr_array(women)),
        item_values=lambda _: first,
        vectors=lambda _: vectors,
        best_ranks=lambda: np.sort(np.random.default_rng(seed).integers(1, 20, (N_ITEMS, AUDIENCE)).astype(np.int32)),
    )


def toy_candidates(data: RerankData, *, seed: int = 0, c: int = 20, n: int = 6) -> CandidateLists:
    """Return candidates of all users and of somebody new; the last two lists are short, one is empty."""
    rng = np.random.default_rng(seed)
    u = data.likes.shape[0] + 1
    items = np.argsort(rng.random((u, data.n_items)), axis=1)[:, :c].astype(np.int64)
    scores = -np.sort(-rng.random((u, c)), axis=1).astype(np.float32)
    for row, length in ((u - 2, c // 2), (u - 3, 0)):
        items[row, length:], scores[row, length:] = -1, -np.inf
    users = np.arange(u)
    users[-1] = -1
    rows = np.minimum(np.arange(u), u - 2)
    liked = csr_array(data.likes[rows])
    return CandidateLists(users, items, scores, liked, csr_array(liked > 0), n)


class RerankerContract(Contract):
    """What every re-ranker must keep, tried on :func:`toy_rerank_data`.

    Its items have the attributes ``brand`` and ``genre``, its users two values of any attribute, and ``item_values`` of
    any name are times: a re-ranker that groups items by another one is made with the name of one of these,
    ``Near(home="brand")``.

    Attributes:
        neutral: options that change nothing; None where there are none.
    """

    neutral: ClassVar[dict[str, object] | None] = None

    @abstractmethod
    def make(self, **options: object) -> Reranker:
        """Return a new re-ranker; ``options`` come on top of those it needs."""

    def prepared(self, **options: object) -> Reranker:
        """Return one that has seen :func:`toy_rerank_data`."""
        return self.make(**options).prepare(toy_rerank_data())

    def test_is_a_reranker(self) -> None:
        """It has the methods of the protocol, and ``prepare`` can be chained."""
        reranker = self.make()
        assert isinstance(reranker, Reranker)
        assert reranker.prepare(toy_rerank_data()) is reranker

    def test_never_adds(self) -> None:
        """Every row is an order of its candidates: nothing new, nothing twice, no gap."""
        for seed in range(5):
            lists = toy_candidates(toy_rerank_data(), seed=seed)
            columns = self.prepared().rerank(lists)
            assert columns.shape == lists.items.shape
            assert columns.dtype == np.int64
            for row, items in zip(columns, lists.items, strict=True):
                kept = row[row >= 0]
                assert (row[: len(kept)] >= 0).all(), "what is dropped stands at the end"
                assert len(set(kept.tolist())) == len(kept), "a candidate stands there twice"
                assert (items[kept] >= 0).all(), "an empty place is no candidate"

    def test_keeps_something(self) -> None:
        """A list may become shorter; it does not become empty for everybody."""
        columns = self.prepared().rerank(toy_candidates(toy_rerank_data()))
        assert (columns >= 0).any(), "it drops every candidate: -1 stands only behind the places that are kept"

    def test_one_by_one_equals_batch(self) -> None:
        """Who else is in the batch changes nothing."""
        lists, reranker = toy_candidates(toy_rerank_data()), self.prepared()
        whole = reranker.rerank(lists)
        for row in range(len(lists.users)):
            alone = reranker.rerank(_rows(lists, np.array([row])))
            np.testing.assert_array_equal(alone[0], whole[row])

    def test_deterministic(self) -> None:
        """The same candidates give the same order, and global random state stays as it was."""
        lists = toy_candidates(toy_rerank_data())
        first = self.prepared().rerank(lists)
        with untouched_random_state():
            np.testing.assert_array_equal(self.prepared().rerank(lists), first)

    def test_inputs_not_modified(self) -> None:
        """The candidates stay as they were."""
        lists, before = toy_candidates(toy_rerank_data()), toy_candidates(toy_rerank_data())
        self.prepared().rerank(lists)
        np.testing.assert_array_equal(lists.items, before.items)
        np.testing.assert_array_equal(lists.scores, before.scores)

    def test_nobody_and_nothing(self) -> None:
        """No users, and no candidates, are no exception."""
        lists, reranker = toy_candidates(toy_rerank_data()), self.prepared()
        assert reranker.rerank(_rows(lists, np.zeros(0, dtype=np.int64))).shape == (0, lists.items.shape[1])
        empty = replace(lists, items=lists.items[:, :0], scores=lists.scores[:, :0])
        assert reranker.rerank(empty).shape == (len(lists.users), 0)

    def test_neutral_options_change_nothing(self) -> None:
        """Strength 0 is no re-ranking."""
        if self.neutral is None:
            return
        lists = toy_candidates(toy_rerank_data())
        columns = self.prepared(**self.neutral).rerank(lists)
        np.testing.assert_array_equal(columns, np.where(lists.items >= 0, np.arange(lists.items.shape[1]), -1))


def _rows(lists: CandidateLists, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> CandidateLists:
    return replace(
        lists,
        users=lists.users[rows],
        items=lists.items[rows],
        scores=lists.scores[rows],
        liked=lists.liked[rows],
        bought=lists.bought[rows],
        fused=None if lists.fused is None else lists.fused[rows],
    )
