"""EASE in closed form (Steck, WWW 2019), by Cholesky factors, in float32.

With fewer users than items the same scores follow from the users' Gram matrix: ``X P = (X Xᵀ + λ)⁻¹ X`` for
``P = (Xᵀ X + λ)⁻¹``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_matrix

from peers.models.inputs import binary, with_actions
from peers.task import Judge, Score, Task

LARGE = 20_000
"""Items (or users) from which on a fit takes minutes: λ is not tuned there, but what amazon-book was found to like."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:  # noqa: ARG001
    tried = (200, 50, 1000, 100, 500, 2000, 300, 20, 5000, 10)
    if min(task.fit.shape) > LARGE:
        return [{"regularization": 200}]
    return with_actions([{"regularization": x} for x in tried], task)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    history, penalty = binary(matrix, options), float(options["regularization"])
    n_users, n_items = history.shape
    if n_users < n_items:
        inverse = _inverse(history @ history.T, penalty)  # (n_users, n_users)
        product = np.ascontiguousarray((history.T @ inverse).T)  # (n_users, n_items)
        diagonal = (1 - np.asarray(history.multiply(product).sum(axis=0))[0]) / penalty
        product /= diagonal
        # B has a zero diagonal, so the items of the history keep no score from themselves.
        return lambda users: history[users].toarray() - product[users], {}
    weights = _inverse(history.T @ history, penalty)  # (n_items, n_items)
    weights /= -np.diag(weights)
    np.fill_diagonal(weights, 0)
    return lambda users: history[users] @ weights, {}


def _inverse(gram: csr_matrix, penalty: float) -> NDArray[np.float32]:
    dense = np.asfortranarray(gram.toarray(), dtype=np.float32)
    dense[np.diag_indices_from(dense)] += penalty
    factor, failed = spotrf(dense, lower=1, overwrite_a=1)
    inverse, unready = spotri(factor, lower=1, overwrite_c=1) if not failed else (None, failed)
    if unready:
        raise ArithmeticError("the Gram matrix is not positive definite")
    # Only the lower half is filled. Block by block, so that no second matrix is needed.
    for start in range(0, len(inverse), 1024):
        stop = start + 1024
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        block = inverse[start:stop, start:stop]
        block[:] = np.tril(block) + np.tril(block, -1).T
    return inverse
