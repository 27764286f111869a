"""The knowledge graph as features of items, as pseudo-users of the linear scorers, and what scores owe to entities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from kgrec.models import sparse
from kgrec.plugin.protocols import EntityContribution
from kgrec.types import Triples

MAX_SHARE = 0.5
"""A feature that more than this share of the items has tells next to nothing and costs the most."""
MOST = 10
"""Entities that are told of each item; what comes through others stays where it is."""

MOST_NUMBERS = 1 << 23
"""A model keeps at most so many numbers for this (32 MiB): they are read with it, whether or not somebody asks why."""


@dataclass(frozen=True, slots=True)
class GraphFeatures:
    """Which item has which neighbour in the graph.

    Attributes:
        matrix: 1 for a stated fact, less for a mention, CSR float32 of shape ``(n_items, f)``.
        relations: position of each feature's relation, shape ``(f,)``.
        inverse: whether the item is the tail of the triples, shape ``(f,)``.
        entities: node of each feature, shape ``(f,)``.
    """

    matrix: csr_array
    relations: NDArray[np.int64]
    inverse: NDArray[np.bool_]
    entities: NDArray[np.int64]

    def idf(self) -> NDArray[np.float32]:
        """Return ``log(n_items / document frequency)`` of each feature, shape ``(f,)``."""
        frequency = np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])
        return np.log(self.matrix.shape[0] / np.maximum(frequency, 1)).astype(np.float32)


def graph_features(triples: Triples, *, min_df: int = 2, max_share: float = MAX_SHARE) -> GraphFeatures:
    """Describe each item by the pairs (relation and direction, neighbour) that it stands in.

    Args:
        triples: the graph; node ``k < n_items`` is item ``k``.
        min_df: features of fewer items are left out; what only one item has connects it with nothing.
        max_share: features of a larger share of the items are left out.
    """
    forward = np.flatnonzero(triples.heads < triples.n_items)
    backward = np.flatnonzero(triples.tails < triples.n_items)
    items = np.concatenate([triples.heads[forward], triples.tails[backward]])
    kinds = np.concatenate([2 * triples.relations[forward], 2 * triples.relations[backward] + 1])
    nodes = np.concatenate([triples.tails[forward], triples.heads[backward]])
    values = np.concatenate([triples.weights[forward], triples.weights[backward]])
    keys, columns = np.unique(kinds * triples.n_nodes + nodes, return_inverse=True)
    matrix = sparse.csr(csr_array((values, (items, columns)), shape=(triples.n_items, len(keys))))  # sums repeats
    np.minimum(matrix.data, 1.0, out=matrix.data)
    frequency = np.bincount(matrix.indices, minlength=len(keys))
    kept = np.flatnonzero((frequency >= min_df) & (frequency <= max(max_share * triples.n_items, min_df)))
    kinds, nodes = np.divmod(keys[kept], max(triples.n_nodes, 1))
    return GraphFeatures(sparse.csr(matrix[:, kept]), kinds // 2, (kinds % 2).astype(np.bool_), nodes)


def with_graph_rows(matrix: csr_array, triples: Triples | None, weight: float) -> csr_array:
    """Stack ``[X; w F']``: each feature becomes a pseudo-user who likes the items that have it, idf-weighted.

    Items of which much is known would outweigh all others; so the length of an item's facts is drawn to its root.

    A linear model fitted on the stack learns that items alike in the graph go together: collective matrix
    factorisation (Singh and Gordon, Relational Learning via Collective Matrix Factorization, KDD 2008) with shared
    item factors, and the same idea in closed form for item-item models.

    Args:
        matrix: likes, shape ``(n_users, n_items)``; its rows stay the first ones.
        triples: the graph, or None.
        weight: how strongly the graph counts; 0 leaves it out.
    """
    if triples is None or not len(triples) or weight == 0:
        return matrix
    features = graph_features(triples)
    facts = sparse.csr(features.matrix @ diags_array(features.idf()))  # (n_items, f)
    norms = np.sqrt(np.asarray(facts.multiply(facts).sum(axis=1), dtype=np.float32))
    # An item of length n becomes one of length sqrt(n); the factor keeps the weight of the graph as a whole.
    kept = np.sqrt((norms**2).sum() / max(float(norms.sum()), 1e-12))
    scale = np.float32(weight * kept) / np.sqrt(np.where(norms > 0, norms, 1))
    return sparse.csr(vstack([matrix, (diags_array(scale) @ facts).T], format="csr"))


def centred(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Subtract the mean of the rows that are not zero and scale them to unit length again.

    Text vectors share a large common part; without subtracting it every text is near every other.

    Args:
        vectors: shape ``(n, dim)``; zero rows, which stand for missing texts, stay zero.

    Returns:
        The centred unit rows, shape ``(n, dim)``, and the mean, shape ``(dim,)``.
    """
    present = np.asarray(vectors.any(axis=1))
    mean = vectors[present].mean(axis=0) if present.any() else np.zeros(vectors.shape[1], dtype=np.float32)
    shifted = np.where(present[:, None], vectors - mean, np.float32(0))
    return unit_rows(shifted), mean.astype(np.float32)


def principal_axes(vectors: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Return the ``n`` directions in which rows differ most, or as many as there are, as columns ``(dim, n)``."""
    values, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return np.asarray(directions[:, np.argsort(-values)[:n]], dtype=np.float32)


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1; rows of length 0 stay as they are."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 1e-6, norms, 1.0)).astype(np.float32)


def strongest(
    sources: NDArray[np.int64], entities: NDArray[np.int64], values: NDArray[np.float64]
) -> list[EntityContribution]:
    """Return the shares of the :data:`MOST` entities with the largest sums, one for each source and entity.

    Args:
        sources: of each share, see :class:`EntityContribution`, shape ``(e,)``; a pair may stand there several times.
        entities: node of the graph of each, same shape.
        values: same shape.
    """
    found, place = np.unique(entities, return_inverse=True)
    total = np.bincount(place, weights=values, minlength=len(found))
    kept = np.zeros(len(found), dtype=np.bool_)
    kept[np.argsort(-np.abs(total), kind="stable")[:MOST]] = True
    told = kept[place]
    pairs, which = np.unique(np.stack([sources, entities])[:, told], axis=1, return_inverse=True)
    sums = np.bincount(which, weights=values[told], minlength=pairs.shape[1])
    return [
        EntityContribution(int(source), int(entity), float(value))
        for source, entity, value in zip(*pairs, sums, strict=True)
        if value
    ]
