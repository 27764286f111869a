"""Sparse matrices as the scorers need them: stored as arrays, multiplied in blocks, cut to their largest entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.artifacts import as_csr

T = TypeVar("T")

BLOCK_ENTRIES = 1 << 24
"""Entries of a dense or sparse block of intermediate results: 64 MiB of float32."""


def csr(matrix: Any) -> csr_array:
    """Return ``matrix`` as CSR of float32 with sorted indices, int32 where they fit."""
    result = csr_array(matrix, dtype=np.float32)
    result.sort_indices()
    return result


def unit_length(rows: csr_array) -> csr_array:
    """Scale the rows of a sparse matrix to unit length; empty ones stay empty."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    lengths = np.sqrt(np.bincount(owners, weights=rows.data.astype(np.float64) ** 2, minlength=rows.shape[0]))
    data = (rows.data / np.maximum(lengths, 1e-12)[owners]).astype(np.float32)
    return csr_array((data, rows.indices, rows.indptr), shape=rows.shape)


def to_state(name: str, matrix: csr_array) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of ``matrix`` under the keys ``<name>.data``, ``.indices``, ``.indptr``, ``.shape``."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.asarray(matrix.shape, dtype=np.int64),
    }


def from_state(name: str, state: Mapping[str, NDArray[Any]]) -> csr_array:
    """Rebuild the matrix that :func:`to_state` took apart."""
    rows, columns = (int(n) for n in state[f"{name}.shape"])
    return as_csr(state[f"{name}.data"], state[f"{name}.indices"], state[f"{name}.indptr"], (rows, columns))


def store(name: str, record: Any) -> dict[str, NDArray[np.generic]]:
    """Return arrays, CSR matrices and numbers of a dataclass under the keys ``<name>.<field>``; None has none."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for field in () if record is None else fields(record):
        key, value = f"{name}.{field.name}", getattr(record, field.name)
        arrays |= to_state(key, value) if isinstance(value, csr_array) else {key: np.atleast_1d(value)}
    return arrays


def restore(cls: type[T], name: str, state: Mapping[str, NDArray[Any]]) -> T | None:
    """Rebuild the dataclass that :func:`store` took apart; None where there was none."""
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        key = f"{name}.{field.name}"
        if f"{key}.indptr" in state:
            values[field.name] = from_state(key, state)
        elif key in state:
            values[field.name] = state[key].item() if field.type in ("int", "float") else np.asarray(state[key])
        else:
            return None
    return cls(**values)


def take_rows(matrix: csr_array, rows: NDArray[Any]) -> csr_array:
    """Return some rows of ``matrix``; a single one, as a request asks for, without the cost of the general way."""
    if len(rows) != 1:
        return csr_array(matrix[rows])
    start, stop = (int(place) for place in matrix.indptr[rows[0] : rows[0] + 2])
    pointers = np.array([0, stop - start], dtype=matrix.indices.dtype)
    parts = (matrix.data[start:stop].copy(), matrix.indices[start:stop].copy(), pointers)
    return csr_array(parts, shape=(1, matrix.shape[1]))


def row_blocks(costs: NDArray[Any], limit: int = BLOCK_ENTRIES) -> Iterator[slice]:
    """Cut consecutive rows into blocks whose costs sum to at most ``limit``, but of at least one row.

    Args:
        costs: cost of each row, such as its number of entries, shape ``(n,)``.
        limit: the most a block may cost.
    """
    ends = np.cumsum(costs, dtype=np.float64)
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0.0
        stop = max(int(np.searchsorted(ends, done + limit, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


def gram_blocks(rows: csr_array) -> Iterator[tuple[slice, csr_array]]:
    """Yield ``rows.T @ rows`` in blocks of its rows, never holding much more than one block.

    Args:
        rows: what is multiplied, shape ``(r, n_items)``.

    Yields:
        The block's position and the block, shape ``(b, n_items)``; its indices are not sorted.
    """
    transposed = csr(rows.T)  # (n_items, r)
    lengths = np.diff(rows.indptr)
    # No more entries can arise in row i than the rows that hold i have, nor more than there are columns.
    work = transposed.astype(bool).astype(np.float64) @ lengths.astype(np.float64)
    for block in row_blocks(np.minimum(work, rows.shape[1]) + 1):
        yield block, csr_array(transposed[block] @ rows)


def top_k(matrix: csr_array, k: int, rng: np.random.Generator) -> csr_array:
    """Keep the ``k`` largest entries of each row.

    Ties are drawn by lot: item numbers often carry information (ids given out in order of a list that sorts alike
    things together), so a cut by position would leak it.

    Args:
        matrix: shape ``(m, n)``.
        k: entries to keep in a row.
        rng: draws the lots.
    """
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max() <= k:
        return csr(matrix)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    # One key orders by row, then by falling value, then by lot; the lots are finer than float32 can tell apart.
    largest = max(float(np.abs(matrix.data).max()), 1e-30)
    lots = 1 + 1e-8 * rng.random(len(rows))
    order = np.argsort(4.0 * rows - matrix.data.astype(np.float64) / largest * lots)
    kept = order[np.arange(len(rows)) - matrix.indptr[rows] < k]
    counts = np.minimum(lengths, k)
    parts = (matrix.data[kept], matrix.indices[kept], np.concatenate([[0], np.cumsum(counts)]))
    return csr(csr_array(parts, shape=matrix.shape))


def largest(rows: NDArray[np.float32], k: int) -> csr_array:
    """Keep the ``k`` entries of the largest size of each row of a dense matrix, all of them where there are no more."""
    k = max(min(k, rows.shape[1]), 1)
    columns = np.argpartition(-np.abs(rows), k - 1, axis=1)[:, :k]
    values = np.take_along_axis(rows, columns, axis=1)
    starts = np.arange(len(rows) + 1, dtype=np.int64) * k
    return csr_array((values.ravel(), columns.ravel().astype(np.int32), starts), shape=rows.shape)


def randomised_svd(
    matrix: csr_array, rank: int, rng: np.random.Generator, *, oversampling: int = 10, iterations: int = 4
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Factor ``matrix`` of shape ``(m, n)`` into ``(m, rank)``, ``(rank,)``, ``(rank, n)``.

    Randomised subspace iteration: Halko, Martinsson, Tropp, SIAM Review 2011, algorithm 4.4 and 5.1.
    """
    width = min(rank + oversampling, *matrix.shape)
    basis = rng.standard_normal((matrix.shape[1], width))
    for _ in range(iterations):
        basis, _ = np.linalg.qr(matrix @ basis)
        basis, _ = np.linalg.qr(matrix.T @ basis)
    basis, _ = np.linalg.qr(matrix @ basis)
    small, values, right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return (basis @ small)[:, :rank], values[:rank], right[:rank]


def dense_block(matrix: csr_array, rows: NDArray[np.integer[Any]], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a few rows and columns of a matrix, dense, shape ``(len(rows), len(columns))``.

    Scipy takes several times as long, as it makes a matrix of the rows first.

    Args:
        matrix: CSR.
        rows: their numbers.
        columns: their numbers.
    """
    starts, counts = matrix.indptr[rows], matrix.indptr[np.asarray(rows) + 1] - matrix.indptr[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    at = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(len(owner))
    found = matrix.indices[at]
    block = np.zeros((len(rows), len(columns)), dtype=np.float32)
    distinct, which = np.unique(columns, return_inverse=True)
    if matrix.shape[1] <= 4 * len(found):  # a table of all columns costs less than searching
        table = np.full(matrix.shape[1], -1, dtype=np.int64)
        table[distinct] = np.arange(len(distinct))
        place = table[found]
        hit = np.flatnonzero(place >= 0)
    else:
        place = np.minimum(np.searchsorted(distinct, found), max(len(distinct) - 1, 0))
        hit = np.flatnonzero(distinct[place] == found) if len(distinct) else np.zeros(0, dtype=np.int64)
    block[owner[hit], place[hit]] = matrix.data[at[hit]]
    return block if len(distinct) == len(columns) and (which[1:] > which[:-1]).all() else block[:, which]
