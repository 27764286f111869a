"""Weighted matrix factorisation by the package implicit, on sparse rows of any kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_info, threadpool_limits

Floats = NDArray[np.float32]


def factorise(
    rows: csr_array,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Factor ``rows`` of shape ``(m, n)`` into ``(m, factors)`` and ``(n, factors)`` (Hu, Koren, Volinsky, ICDM 2008).

    The number of threads is that of the thread pools and changes nothing in the result. Rows and columns without an
    entry get zeros: their random start only shrinks, and counts for nothing.
    """
    if not rows.nnz:
        return np.zeros((rows.shape[0], factors), dtype=np.float32), np.zeros((rows.shape[1], factors), np.float32)
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
    left[np.diff(rows.indptr) == 0] = 0
    right[np.bincount(rows.indices, minlength=rows.shape[1]) == 0] = 0
    return left, right
