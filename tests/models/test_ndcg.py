"""The gain of a fusion is that of the definition, however many likes there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.models import ndcg
from kgrec.models.ndcg import CandidateNDCG


def by_definition(fused, relevant, n_relevant, k):
    total = 0.0
    for scores, liked, n in zip(fused, relevant, n_relevant, strict=True):
        ideal = sum(1 / np.log2(place + 2) for place in range(min(n, k)))
        ranks = [int((scores >= scores[c]).sum()) for c in np.flatnonzero(liked) if scores[c] > -np.inf]
        total += sum(1 / np.log2(rank + 1) for rank in ranks if rank <= k) / ideal
    return total / len(fused)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.integers(1, 8), st.booleans())
def test_gain_is_that_of_the_definition(seed, n_users, n_candidates, k, ties):
    rng = np.random.default_rng(seed)
    fused = rng.integers(0, 4, (n_users, n_candidates)) if ties else rng.random((n_users, n_candidates))
    fused = np.where(rng.random(fused.shape) < 0.1, -np.inf, fused).astype(np.float32)
    relevant = rng.random(fused.shape) < rng.random()
    n_relevant = np.maximum(relevant.sum(axis=1) + rng.integers(0, 3, n_users), 1)
    expected = by_definition(fused, relevant, n_relevant, k)
    with pytest.MonkeyPatch.context() as patch:
        for many in (0, 1_000):
            patch.setattr(ndcg, "MANY_LIKES", many)
            judge = CandidateNDCG(relevant, n_relevant, k)
            assert judge.of(fused) == pytest.approx(expected)
            assert judge.of(fused) == pytest.approx(expected)  # buffers are used again
