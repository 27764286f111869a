"""Where training starts: a truncated singular value decomposition instead of noise saves most of the epochs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.models.gnn.graph import Floats, Graph

SIZE = 10.0
"""Mean squared norm of the items at the start: so large that a softmax of their products says something."""


def spectral_start(graph: Graph, dim: int, rng: np.random.Generator, *, graph_weight: float) -> Floats:
    """Return a vector for each node, shape ``(n_nodes, dim)``, mean squared norm of the items ``SIZE``.

    The normalised interactions, with the entities stacked below the users as weighted rows, are factored as
    ``[H; w F] = U S V^T``; users and entities start at ``U sqrt(S)``, items at ``V sqrt(S)``. Nodes without an edge
    start at zero. Directions beyond the matrix' rank are zero.
    """
    history = graph.history().astype(np.float64)
    stacked = csr_array(vstack([history, graph_weight * graph.features().astype(np.float64)], format="csr"))
    left, values, right = randomised_svd(stacked, min(dim, *stacked.shape), rng)
    scale = np.sqrt(values)
    start = np.zeros((graph.n_nodes, dim), dtype=np.float32)
    rows = left * scale
    start[: graph.n_users, : len(values)] = rows[: graph.n_users]
    start[graph.n_users : graph.n_users + graph.n_items, : len(values)] = right.T * scale
    start[graph.n_users + graph.n_items :, : len(values)] = rows[graph.n_users :]
    items = start[graph.n_users : graph.n_users + graph.n_items]
    size = np.mean(np.sum(items.astype(np.float64) ** 2, axis=1))
    return start * np.float32(np.sqrt(SIZE / size)) if size > 0 else start


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
