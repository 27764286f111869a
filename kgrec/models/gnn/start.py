"""Where training starts: collective factors instead of noise save most of the epochs, and end at a better place."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array, vstack

from kgrec.models.factorise import factorise
from kgrec.models.gnn.graph import Floats, Graph

SIZE = 10.0
"""Mean squared norm of the vectors at the start: so large that a softmax of their products says something."""

REGULARIZATION, ALPHA, ITERATIONS = 80.0, 40.0, 10
"""Of the factorisation: a strong ridge against strong confidences, as many factors on sparse data want it."""

ENTITY_WEIGHT = 0.5
"""How strongly an entity counts as a pseudo-user, over the first weight of the relations."""


def collective_start(
    graph: Graph, likes: csr_array, dim: int, rng: np.random.Generator, *, graph_weight: float
) -> Floats:
    """Return a vector for each node, shape ``(n_nodes, dim)``, mean squared norm of each kind of node ``SIZE``.

    Users and items start at the factors of the weighted factorisation of the likes, entities beside them: they are
    stacked under the users as pseudo-users who like the items that have them, idf-weighted (Singh and Gordon,
    Relational Learning via Collective Matrix Factorization, KDD 2008). Nodes without an edge start at zero.

    Args:
        graph: the nodes.
        likes: strength of each like, shape ``(n_users, n_items)``.
        dim: length of a vector.
        rng: of the factorisation's own start.
        graph_weight: how much a relation counts at first, an interaction counting 1.
    """
    features = graph.features().astype(np.float32)
    features.data[:] = 1.0
    frequency = np.maximum(np.diff(features.indptr), 1)
    idf = np.log(graph.n_items / frequency).astype(np.float32)
    entities = diags_array(np.float32(ENTITY_WEIGHT * graph_weight) * idf) @ features
    rows = csr_array(vstack([likes, entities], format="csr"), dtype=np.float32)
    rows.eliminate_zeros()
    left, items = factorise(
        rows, factors=dim, regularization=REGULARIZATION, alpha=ALPHA, iterations=ITERATIONS, rng=rng
    )
    return np.concatenate([_scaled(left[: graph.n_users]), _scaled(items), _scaled(left[graph.n_users :])])


def _scaled(vectors: Floats) -> Floats:
    """Bring the mean squared norm of the rows that are not zero to ``SIZE``."""
    squares = np.sum(vectors.astype(np.float64) ** 2, axis=1)
    known = squares > 0
    return vectors * np.float32(np.sqrt(SIZE / squares[known].mean())) if known.any() else vectors
