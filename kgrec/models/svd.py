"""Truncated singular value decomposition of a sparse matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


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
