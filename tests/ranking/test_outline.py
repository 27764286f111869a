"""Lists by an outline of the scores are the lists by the scores."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from kgrec.ranking.fusion import FALLBACK, Fusion
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.types import FactorScores, SparseScores, SummedScores

N, DIM = 9_000, 512


class Long:
    """Long vectors, and entries on top where there are any; ``decay`` says how soon the directions grow short."""

    def __init__(self, rng, decay, added):
        spread = np.arange(1, DIM + 1) ** -decay
        turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
        self.items = ((rng.normal(size=(N, DIM)) * spread) @ turn).astype(np.float32)
        self.users = ((rng.normal(size=(4, DIM)) * spread) @ turn).astype(np.float32)
        self.known = np.ones(N, dtype=np.bool_)
        self.known[::7] = False
        self.items[::7] = 0
        self.added = csr_array(random_array((4, N), density=0.02, rng=rng, dtype=np.float32)) if added else None

    def compact(self, users):
        told = np.ones(len(users), dtype=np.bool_)
        product = FactorScores(self.users[users], self.items, told, self.known)
        if self.added is None:
            return product
        return SummedScores(product, SparseScores(csr_array(self.added[users]), told, self.known))

    def compact_new(self, profiles):
        return self.compact(np.zeros(len(profiles), dtype=np.int64))

    def score(self, users):
        scores = self.users[users] @ self.items.T + (0 if self.added is None else self.added[users].toarray())
        scores[:, ~self.known] = np.nan
        return scores.astype(np.float32)


class Plain:
    def __init__(self, rng):
        self.scores = rng.normal(size=N).astype(np.float32)

    def score(self, users):
        return np.tile(self.scores, (len(users), 1))


@pytest.mark.parametrize(("decay", "added"), [(1.0, False), (0.0, True)])
def test_lists_by_the_outline_are_those_by_all_scores_and_shares_sum(decay, added):
    rng = np.random.default_rng(5)
    scorers = {"long": Long(rng, decay, added), FALLBACK: Plain(rng)}
    fusion = Fusion(scorers, {"long": 0.7, FALLBACK: 0.3}, N)
    seen = csr_array(random_array((4, N), density=0.01, rng=rng, dtype=np.float32) > 0)
    allowed = rng.random(N) < 0.4
    ranker = Ranker([str(k) for k in range(4)], [str(k) for k in range(N)], seen, scorers, {})
    for user in range(2):
        asked, own = np.array([user]), csr_array(seen[[user]])
        parts, exact = fusion.split(asked, own)
        fused = np.empty((1, N), dtype=np.float32)
        fusion.fuse(asked, own, fused)
        np.testing.assert_allclose(fused, exact, atol=1e-4)
        for may, n in ((None, 20), (allowed, 300), (np.arange(N) < 5, 20)):

            def standing(scores, may=may, own=own):
                found = scores.copy()
                found[own.indices] = -np.inf
                if may is not None:
                    found[~may] = -np.inf
                return found

            fusion.fuse_best(asked, own, fused, n, standing)
            rules = ListRules(n, may)
            best, values = ranker.rank(fused.copy(), rules, own)
            whole, told = ranker.rank(exact.copy(), rules, own)
            np.testing.assert_array_equal(best, whole)
            np.testing.assert_allclose(values[best >= 0], told[whole >= 0], atol=1e-4)
        items = whole[0][whole[0] >= 0]
        shares = fusion.shares(asked, own, items)
        for name, share in shares.items():
            np.testing.assert_allclose(share, parts[name][0, items], atol=1e-4)
        np.testing.assert_allclose(sum(shares.values()), exact[0, items], atol=1e-4)
