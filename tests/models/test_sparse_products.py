"""Sparse products in blocks and the largest entries of each row, against plain references."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.ease import gram

seeds = st.integers(0, 10_000)


def draw(seed, n_users=30, n_items=12, share=0.25):
    rng = np.random.default_rng(seed)
    dense = (rng.random((n_users, n_items)) < share) * (0.5 + rng.random((n_users, n_items)))
    return csr_array(dense.astype(np.float32))


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_gram_in_blocks_is_the_product(seed):
    rows = draw(seed)
    dense = rows.toarray()
    np.testing.assert_allclose(gram(rows, None), dense.T @ dense, atol=1e-5)


def test_gram_blocks_cover_all_rows_once(monkeypatch):
    rows = draw(0)
    monkeypatch.setattr(sparse, "row_blocks", lambda costs: iter([slice(0, 5), slice(5, len(costs))]))
    seen = np.concatenate([np.arange(b.start, b.stop) for b, _ in sparse.gram_blocks(rows)])
    np.testing.assert_array_equal(seen, np.arange(12))


@given(costs=st.lists(st.integers(0, 20), max_size=30), limit=st.integers(1, 30))
def test_row_blocks_are_consecutive_and_within_the_limit(costs, limit):
    blocks = list(sparse.row_blocks(np.array(costs, dtype=np.int64), limit))
    covered = [row for block in blocks for row in range(block.start, block.stop)]
    assert covered == list(range(len(costs)))
    assert all(b.stop - b.start == 1 or sum(costs[b]) <= limit for b in blocks)


@given(seed=seeds, k=st.integers(1, 14))
def test_top_k_keeps_the_largest_of_each_row(seed, k):
    matrix = draw(seed, share=0.6)
    kept = sparse.top_k(matrix, k, np.random.default_rng(0)).toarray()
    for before, after in zip(matrix.toarray(), kept, strict=True):
        expected = np.sort(before[before > 0])[::-1][:k]
        np.testing.assert_array_equal(np.sort(after[after > 0])[::-1], expected)


def test_top_k_draws_lots_between_equals():
    matrix = csr_array(np.ones((200, 10), dtype=np.float32))
    uses = np.diff(csr_array(sparse.top_k(matrix, 3, np.random.default_rng(0)).T).indptr)
    assert uses.min() > 30  # 60 each are expected; by position the last seven would get none


@given(seed=seeds, rows=st.lists(st.integers(0, 29), max_size=4))
def test_rows_are_taken_as_scipy_takes_them(seed, rows):
    matrix = draw(seed)
    taken, expected = sparse.take_rows(matrix, np.array(rows, dtype=np.int64)), matrix[np.array(rows, dtype=np.int64)]
    np.testing.assert_array_equal(taken.toarray(), expected.toarray())
    assert (taken.shape, taken.dtype, taken.indices.dtype) == (expected.shape, expected.dtype, expected.indices.dtype)
    taken.data[:] = 0
    assert matrix.data.all()  # it is a copy
