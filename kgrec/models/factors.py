"""Weighted matrix factorisation of sparse rows: factors, factors of new users in closed form, scores from factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_info, threadpool_limits

from kgrec.models import sparse
from kgrec.models.history import UserLikes
from kgrec.workers import HERE, Workers

Floats = NDArray[np.float32]

FEW = 8
"""More users at once are a product of matrices, for which the order in memory hardly counts."""

SMALL = 4 << 20
"""Bytes of vectors that a cache holds anyway."""


def factorise(
    rows: csr_array,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    rng: np.random.Generator,
    workers: Workers = HERE,
) -> tuple[Floats, Floats]:
    """Factor ``rows`` of shape ``(m, n)`` into ``(m, factors)`` and ``(n, factors)`` (Hu, Koren, Volinsky, ICDM 2008).

    The number of threads is that of the thread pools and changes nothing in the result, nor do workers. Rows and
    columns without an entry get zeros: their random start only shrinks, and counts for nothing.
    """
    if not rows.nnz:
        return np.zeros((rows.shape[0], factors), dtype=np.float32), np.zeros((rows.shape[1], factors), np.float32)
    if workers.count > 1:
        confidences = csr_array((rows.data * np.float32(alpha), rows.indices, rows.indptr), shape=rows.shape)
        left, right = _alternated(confidences, factors, regularization, iterations, rng, workers)
        return _without_empty(rows, left, right)
    from implicit.cpu.als import AlternatingLeastSquares

    threads = min((pool["num_threads"] for pool in threadpool_info()), default=1)
    # implicit runs threads of its own and calls BLAS from each of them: more BLAS threads only get in their way.
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=iterations,
            num_threads=threads,
            random_state=rng,
        )
        model.fit(csr_matrix(rows), show_progress=False)  # it takes no csr_array without a warning
    left, right = (np.asarray(found, dtype=np.float32) for found in (model.user_factors, model.item_factors))
    return _without_empty(rows, left, right)


def _without_empty(rows: csr_array, left: Floats, right: Floats) -> tuple[Floats, Floats]:
    left[np.diff(rows.indptr) == 0] = 0
    right[np.bincount(rows.indices, minlength=rows.shape[1]) == 0] = 0
    return left, right


PARTS = 4
"""Blocks a worker in each half of a round: so many that all end at about the same time."""


def _alternated(
    confidences: csr_array,
    factors: int,
    regularization: float,
    iterations: int,
    rng: np.random.Generator,
    workers: Workers,
) -> tuple[Floats, Floats]:
    """Do what implicit's loop does, with the rows of each half of a round, independent of each other, by blocks."""
    sides = confidences, csr_array(confidences.T.tocsr())
    found = [rng.random((side.shape[0], factors), dtype=np.float32) * np.float32(0.01) for side in sides]
    for _ in range(iterations):
        for here, there in ((0, 1), (1, 0)):
            side, start = sides[here], found[here]
            blocks = sparse.row_blocks(np.diff(side.indptr) + 1, (side.nnz + side.shape[0]) // (PARTS * workers.count))
            asked = ((csr_matrix(side[block]), start[block]) for block in blocks)
            solved = workers.map(_solved, (found[there], regularization), asked)
            found[here] = np.concatenate(list(solved))
    return found[0], found[1]


def _solved(fixed: tuple[Floats, float], block: tuple[csr_matrix, Floats]) -> Floats:
    """Return the factors of some rows, from those of all columns."""
    from implicit.cpu.als import _als

    (others, regularization), (rows, start) = fixed, block
    solved = start.copy()  # what a worker is sent cannot be written to
    with threadpool_limits(1, user_api="blas"):
        _als.least_squares_cg(rows, solved, others.copy(), regularization, num_threads=1, cg_steps=3)
    return solved


class FoldIn:
    """Finds the factors of users from what they liked.

    For a user with the items ``S``, their factors ``Y_S`` and confidences ``c`` the optimum of Hu, Koren and Volinsky
    (ICDM 2008) is ``x = M^-1 Y_S' c`` with ``M = A + Y_S' (C - I) Y_S`` and ``A = Y'Y + regularization * I``. By the
    push-through identity ``x = A^-1 Y_S' z`` with ``(I + (C - I) K) z = c`` and ``K = Y_S A^-1 Y_S'``: a system of the
    size of the history instead of one of the number of factors, which is far cheaper for most users.

    Args:
        factors: item factors ``Y``, shape ``(n_items, f)``.
        regularization: the ridge.
    """

    def __init__(self, factors: NDArray[np.float32], regularization: float) -> None:
        self.factors = factors
        exact = factors.astype(np.float64)
        self._a = exact.T @ exact + regularization * np.eye(exact.shape[1])
        self._solved = np.linalg.solve(self._a, exact.T).T.astype(np.float32)  # rows A^-1 y, (n_items, f)

    def users(self, confidences: csr_array) -> NDArray[np.float32]:
        """Return the factors of users, float32 of shape ``(u, f)``; no history gives zeros.

        Args:
            confidences: shape ``(u, n_items)``, entries > 0.
        """
        lengths = np.diff(confidences.indptr)
        if len(lengths) == 1 and lengths[0]:  # somebody waits for a list
            return self._solve(confidences)
        width = self.factors.shape[1]
        result = np.zeros((len(lengths), width), dtype=np.float32)
        # Users whose histories are of like length share a batch, so that little of it is padding.
        sizes = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
        for size in np.unique(sizes[lengths > 0]):
            group = np.flatnonzero((sizes == size) & (lengths > 0))
            cost = int(2**size * width + min(2**size, width) ** 2)
            for block in sparse.row_blocks(np.full(len(group), cost), sparse.BLOCK_ENTRIES // 4):
                users = group[block]
                result[users] = self._solve(confidences[users])
        return result

    def _solve(self, confidences: csr_array) -> NDArray[np.float32]:
        lengths = np.diff(confidences.indptr)
        present = np.arange(lengths.max()) < lengths[:, None]  # (u, w)
        items = np.zeros(present.shape, dtype=np.int64)
        items[present] = confidences.indices
        weights = np.zeros(present.shape, dtype=np.float32)
        weights[present] = confidences.data
        extra = (weights - present)[:, :, None]  # C - I, and 0 where there is no item
        factors = self.factors[items]  # (u, w, f)
        if present.shape[1] > factors.shape[2]:
            left = self._a.astype(np.float32) + factors.transpose(0, 2, 1) @ (extra * factors)
            right = factors.transpose(0, 2, 1) @ weights[:, :, None]
            return np.asarray(np.linalg.solve(left, right)[:, :, 0], dtype=np.float32)
        solved = self._solved[items]
        kernel = extra * (factors @ solved.transpose(0, 2, 1))  # (u, w, w)
        np.einsum("uii->ui", kernel)[:] += 1
        z = np.linalg.solve(kernel, weights[:, :, None])
        return np.asarray((solved.transpose(0, 2, 1) @ z)[:, :, 0], dtype=np.float32)

    def influence(self, confidences: csr_array | UserLikes, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Split the scores of ``items`` for one user by the items of the history.

        Section 5 of Hu, Koren and Volinsky: ``y_j' M^-1 y_i c_i`` is what the liked item ``i`` gives to item ``j``.

        Args:
            confidences: one row, shape ``(1, n_items)``, or what it holds.
            items: shape ``(i,)``.

        Returns:
            Shape ``(i, k)`` for a history of ``k`` items, in the order of the row's indices.
        """
        own, liked = self.factors[items].astype(np.float64), confidences.indices
        weights = confidences.data.astype(np.float64)
        if len(liked) >= self.factors.shape[1]:
            return np.asarray(np.linalg.solve(self._m(confidences), own.T).T @ self.factors[liked].T * weights)
        # The push-through identity again: y_j' M^-1 Y_S' = y_j' A^-1 Y_S' (I + (C - I) K)^-1.
        solved = self._solved[liked].astype(np.float64)
        kernel = solved @ self.factors[liked].astype(np.float64).T  # K, (k, k)
        left = np.eye(len(liked)) + kernel * (weights - 1)
        return np.asarray(np.linalg.solve(left, solved @ own.T).T * weights)

    def parts(self, confidences: csr_array) -> NDArray[np.float64]:
        """Split the factors of one user by the items of the history: ``M^-1 y_i c_i``, shape ``(k, f)``.

        Args:
            confidences: one row, shape ``(1, n_items)``.
        """
        liked = self.factors[confidences.indices].astype(np.float64)
        weights = confidences.data.astype(np.float64)
        return np.asarray(np.linalg.solve(self._m(confidences), (liked * weights[:, None]).T).T)

    def _m(self, confidences: csr_array | UserLikes) -> NDArray[np.float64]:
        liked = self.factors[confidences.indices].astype(np.float64)
        return np.asarray(self._a + liked.T @ (liked * (confidences.data.astype(np.float64) - 1)[:, None]))


class ByFactor:
    """Item vectors, and for few users a second copy of them in which the numbers of one factor lie side by side.

    For a single user each vector is read once and used once, so memory decides. A sum of long rows, one a factor, is
    read nearly twice as fast as a product with each short row.

    Args:
        items: shape ``(n_items, k)``; not to be changed.
    """

    def __init__(self, items: Floats) -> None:
        self._items = items
        self._columns: Floats | None = None

    def scores(self, users: Floats) -> Floats:
        """Return the products with ``users`` of shape ``(u, k)``, shape ``(u, n_items)``."""
        if len(users) > FEW or self._items.nbytes <= SMALL:
            return np.asarray(users @ self._items.T)
        if self._columns is None:
            self._columns = np.ascontiguousarray(self._items.T)
        return np.asarray(users @ self._columns)
