"""The contract of a re-ranker, and candidates to try one on."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array

from kgrec.plugin.protocols import Reranker
from kgrec.plugin.reranking import AUDIENCE, CandidateLists, Groups, RerankData
from kgrec.testing.contract import Contract, untouched_random_state
from kgrec.testing.toys import DAY, START

N_USERS, N_ITEMS = 12, 40


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
    groups = {
        "genre": Groups("genre", tuple("abcde"), csr_array(genre)),
        "brand": Groups("brand", tuple(f"brand {k}" for k in range(8)), csr_array(brand)),
    }
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
        item_groups=lambda name: groups[name or "genre"],
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
    """What every re-ranker must keep.

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
