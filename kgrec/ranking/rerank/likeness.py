"""Short vectors by which items are alike."""

from __future__ import annotations

import numpy as np

from kgrec.types import ItemIndices, Triples, Vectors

DIM = 128
"""Length of the vectors at most: lists are built from cosines, which hardly need more."""


def unit(vectors: Vectors) -> Vectors:
    """Scale rows to length 1; zero rows stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: Vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return rows


def compressed(vectors: Vectors) -> Vectors:
    """Return unit rows of length :data:`DIM` at most: the principal axes of the second moments, so the best cosines.

    Args:
        vectors: shape ``(n, dim)``.
    """
    rows = unit(np.asarray(vectors, dtype=np.float32))
    if rows.shape[1] <= DIM:
        return rows
    _, axes = np.linalg.eigh(rows.T @ rows)  # rising eigenvalues
    return unit(rows @ axes[:, -DIM:])


def graph_vectors(triples: Triples, rows: ItemIndices, seed: int) -> Vectors | None:
    """Return unit rows by which items that share rare entities are alike; None where no item has an entity.

    An item's neighbours in the graph are weighted by inverse document frequency; many entities are brought to length
    :data:`DIM` by a random projection, which keeps cosines within about 0.1 (Johnson and Lindenstrauss 1984).

    Args:
        triples: the graph; both directions of an edge count.
        rows: item of the graph for each row asked for, -1 for none, shape ``(n,)``.
        seed: of the projection.
    """
    from scipy.sparse import coo_array, csr_array

    n_entities = triples.n_nodes - triples.n_items
    items, entities = triples.heads, triples.tails
    backward = triples.tails < triples.n_items
    items, entities = np.where(backward, entities, items), np.where(backward, items, entities)
    kept = (items < triples.n_items) & (entities >= triples.n_items)
    if not kept.any():
        return None
    known_by = np.bincount(entities[kept] - triples.n_items, minlength=n_entities)
    rarity = np.log((1 + triples.n_items) / (1 + np.minimum(known_by, triples.n_items)))
    places = (items[kept], entities[kept] - triples.n_items)
    cells = (triples.weights[kept] * rarity[places[1]]).astype(np.float32)
    weighted = csr_array(coo_array((cells, places), shape=(triples.n_items, n_entities)))
    if n_entities > DIM:
        directions = np.random.default_rng([seed, 29]).standard_normal((n_entities, DIM), dtype=np.float32)
        dense = np.asarray(weighted @ directions, dtype=np.float32)
    else:
        dense = np.asarray(weighted.todense(), dtype=np.float32)
    return unit(np.where(rows[:, None] >= 0, dense[rows], np.float32(0)))
