"""EASE for large catalogues: one small ridge regression an item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.models import sparse
from kgrec.models.threads import limited_threads

GRAM_ENTRIES = 1 << 27
"""Entries of the sparse Gram matrix that are held at most: 1 GiB."""


SYSTEM_ENTRIES = 1 << 27
"""Entries of the small systems of equations that are held at once: 512 MiB."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """What is added to the diagonal of the Gram matrix: ``constant + share * diagonal``."""

    constant: float
    share: float


def fit(
    rows: csr_array, texts: NDArray[np.float32] | None, ridge: Ridge, neighbours: int, rng: np.random.Generator
) -> csr_array:
    """Regress each item on the items nearest to it.

    The exact solution regresses an item on all others; nearly all its weight falls on few of them. So the regression
    is restricted to the ``neighbours`` nearest by cosine, as fsSLIM does for SLIM (Ning and Karypis, SLIM: Sparse
    Linear Methods for Top-N Recommender Systems, ICDM 2011), which takes time and memory linear in the catalogue.

    Args:
        rows: likes and graph rows, shape ``(r, n_items)``.
        texts: scaled centred text vectors, shape ``(n_items, dim)``, or None.
        ridge: the regularisation.
        neighbours: how many items a regression may use.
        rng: draws lots between equally near neighbours.

    Returns:
        The weights, CSR of shape ``(n_items, n_items)``, at most ``neighbours`` entries a column.
    """
    n_items = rows.shape[1]
    gram = _gram(rows, rng)
    # Not that of the Gram matrix, whose long rows are cut and may have lost it.
    diagonal = np.asarray(rows.multiply(rows).sum(axis=0), dtype=np.float32)
    if texts is not None:
        diagonal = diagonal + np.einsum("ij,ij->i", texts, texts)
    near = _nearest(gram, texts, diagonal, min(neighbours, n_items - 1), rng)
    width = max(int(np.diff(near.indptr).max(initial=0)), 1)
    # Thousands of small systems: a second thread is mostly waited for, on a busy machine for most of the time.
    with limited_threads(1):
        blocks = [
            _regress(near[block], np.arange(block.start, block.stop), gram, texts, diagonal, ridge)
            for block in sparse.row_blocks(np.full(n_items, width * width), SYSTEM_ENTRIES)
        ]
    return sparse.csr(vstack(blocks, format="csr").T)


def _gram(rows: csr_array, rng: np.random.Generator) -> csr_array:
    """Multiply out; where that takes more than GRAM_ENTRIES, only the largest entries of long rows are kept."""
    lengths = np.diff(rows.indptr).astype(np.float64)
    n_items = rows.shape[1]
    cap = n_items if (lengths**2).sum() <= GRAM_ENTRIES else max(GRAM_ENTRIES // n_items, 1)
    blocks = [sparse.top_k(product, cap, rng) for _, product in sparse.gram_blocks(rows)]
    return sparse.csr(vstack(blocks, format="csr"))


def _nearest(
    gram: csr_array, texts: NDArray[np.float32] | None, diagonal: NDArray[np.float32], k: int, rng: np.random.Generator
) -> csr_array:
    """Return for each item (row) its ``k`` nearest others, with the Gram matrix's entries as data."""
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-12))
    n_items = gram.shape[0]
    costs = np.diff(gram.indptr) + 1 if texts is None else np.full(n_items, n_items)
    blocks = []
    for block in sparse.row_blocks(costs):
        part = gram[block]
        if texts is not None:
            part = csr_array(part.toarray() + texts[block] @ texts.T)
        own = np.repeat(np.arange(block.start, block.stop), np.diff(part.indptr)) == part.indices
        # The row's own norm changes nothing in its order.
        cosine = csr_array((part.data * scale[part.indices], part.indices, part.indptr), shape=part.shape)
        cosine.data[own | (cosine.data <= 0)] = 0
        cosine.eliminate_zeros()
        blocks.append(sparse.top_k(cosine, k, rng))
    near = vstack(blocks, format="csr")
    near.data = near.data / scale[near.indices]
    return csr_array(near)


def _regress(
    near: csr_array,
    targets: NDArray[np.int64],
    gram: csr_array,
    texts: NDArray[np.float32] | None,
    diagonal: NDArray[np.float32],
    ridge: Ridge,
) -> csr_array:
    """Solve the regressions of ``targets`` -> their weights as rows, shape ``(t, n_items)``."""
    lengths = np.diff(near.indptr)
    width = max(int(lengths.max()), 1)
    present = np.arange(width) < lengths[:, None]  # (t, k)
    inputs = np.repeat(targets[:, None], width, axis=1)
    inputs[present] = near.indices
    right = np.zeros(present.shape, dtype=np.float32)
    right[present] = near.data
    left = _systems(gram, inputs)
    weights = np.empty(present.shape, dtype=np.float32)
    for block in sparse.row_blocks(np.full(len(targets), width * width)):
        part, there = left[block], present[block]
        if texts is not None:
            chosen = texts[inputs[block]]  # (b, k, dim)
            part += chosen @ chosen.transpose(0, 2, 1)
        part *= there[:, :, None] & there[:, None, :]
        # Where there is no input the equation reads 1 * weight = 0.
        ridged = diagonal[inputs[block]] * (1 + ridge.share) + ridge.constant
        np.einsum("tii->ti", part)[:] = np.where(there, ridged, 1)
        weights[block] = np.linalg.solve(part, right[block][:, :, None])[:, :, 0]
    return csr_array((weights[present], near.indices, near.indptr), shape=near.shape)


def _systems(gram: csr_array, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``gram[S, S]`` for each row ``S`` of ``inputs`` of shape ``(t, k)`` -> float32 ``(t, k, k)``.

    Looking entries up in a sparse matrix one by one is slow. So the work is ordered by row of the Gram matrix: a few
    rows at a time are made dense, and all that any system needs of them is copied.
    """
    n_items = gram.shape[0]
    width = inputs.shape[1]
    result = np.empty((*inputs.shape, width), dtype=np.float32)
    wanted = np.argsort(inputs, axis=None, kind="stable")  # places (target, input), by item
    uses = np.bincount(inputs.ravel(), minlength=n_items)
    starts = np.concatenate([[0], np.cumsum(uses)])
    for block in sparse.row_blocks(uses * width + n_items, sparse.BLOCK_ENTRIES // 2):
        places = wanted[starts[block.start] : starts[block.stop]]
        if not len(places):
            continue
        rows = gram[block].toarray()
        target, slot = np.divmod(places, width)
        local = inputs[target, slot] - block.start
        result[target, slot] = rows[local[:, None], inputs[target]]
    return result
