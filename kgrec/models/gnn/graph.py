"""The graph that the network propagates over: users, items and entities in one symmetric CSR pattern. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.types import Triples

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Graph:
    """Users, items and entities, numbered in this order, and the edges between them in both directions.

    Every edge stands as two entries, ``(a, b)`` and ``(b, a)``; entries are sorted by row, then column. The pattern is
    symmetric, the values need not be, since a relation may count differently in its two directions.

    Attributes:
        indptr: start of each row, shape ``(n_nodes + 1,)``.
        indices: column of each entry, shape ``(e,)``.
        values: normalised weight of each entry, shape ``(e,)``; the same for both entries of an edge.
        groups: kind of each entry, shape ``(e,)``: 0 interaction, ``1 + 2r`` from tail to head of relation ``r``,
            ``2 + 2r`` from head to tail.
        mirror: position of the entry of the opposite direction, shape ``(e,)``.
        interactions: entry of each user-item pair in the user's row, in the order of the matrix, shape ``(nnz,)``.
        entities: node of :class:`Triples` for each entity kept, shape ``(n_entities,)``.
        n_users, n_items, n_groups: counts.
    """

    indptr: Ints
    indices: Ints
    values: Floats
    groups: Ints
    mirror: Ints
    interactions: Ints
    entities: Ints
    n_users: int
    n_items: int
    n_groups: int

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.indptr) - 1

    @property
    def n_entities(self) -> int:
        """Number of entities kept."""
        return len(self.entities)

    def history(self) -> csr_array:
        """Return the users' rows: normalised weights of shape ``(n_users, n_items)``."""
        stop = self.indptr[self.n_users]
        columns = self.indices[:stop] - self.n_users
        shape = (self.n_users, self.n_items)
        return csr_array((self.values[:stop], columns, self.indptr[: self.n_users + 1]), shape=shape)

    def features(self) -> csr_array:
        """Return the items' entities: normalised weights of shape ``(n_entities, n_items)``, relations summed."""
        first = self.n_users + self.n_items
        start = self.indptr[first]
        columns, values = self.indices[start:], self.values[start:]
        pointers = self.indptr[first:] - start
        rows = np.repeat(np.arange(self.n_entities), np.diff(pointers))
        of_item = (columns >= self.n_users) & (columns < first)
        entries = (values[of_item], (rows[of_item], columns[of_item] - self.n_users))
        return csr_array(entries, shape=(self.n_entities, self.n_items))


def build_graph(likes: csr_array, triples: Triples | None) -> Graph:
    """Lay interactions and triples side by side, each normalised on its own.

    An edge of weight ``w`` between ``a`` and ``b`` gets ``w / sqrt(d_a d_b)`` (Kipf and Welling, ICLR 2017), where the
    degrees count interactions only for interactions and triples only for triples: so a rich graph does not drown
    the interactions. Entities that lead nowhere (one neighbour) are left out.

    Args:
        likes: strength of each like, shape ``(n_users, n_items)``.
        triples: the knowledge graph, or None.
    """
    n_users, n_items = likes.shape
    pairs = likes.tocoo()
    users, items = pairs.row.astype(np.int64), pairs.col.astype(np.int64)
    values = _normalised(users, items + n_users, pairs.data.astype(np.float64), n_users + n_items)
    entities = np.zeros(0, dtype=np.int64)
    heads, tails, relations, n_relations = users, items + n_users, np.full(len(users), -1), 0
    if triples is not None and len(triples):
        keep, entities, number = _useful(triples)
        triple_heads = number[triples.heads[keep]] + n_users
        triple_tails = number[triples.tails[keep]] + n_users
        weights = triples.weights[keep].astype(np.float64)
        of_triples = _normalised(triple_heads, triple_tails, weights, n_users + n_items + len(entities))
        heads, tails = np.concatenate([heads, triple_heads]), np.concatenate([tails, triple_tails])
        relations = np.concatenate([relations, triples.relations[keep]])
        values = np.concatenate([values, of_triples])
        n_relations = len(triples.relation_names)
    n_nodes = n_users + n_items + len(entities)
    rows, columns = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    groups = np.where(np.tile(relations, 2) < 0, 0, 1 + 2 * np.tile(relations, 2))
    groups[len(heads) :] += groups[len(heads) :] > 0
    order = np.lexsort((groups, columns, rows))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    return Graph(
        indptr=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_nodes))]),
        indices=columns[order],
        values=np.tile(values, 2)[order].astype(np.float32),
        groups=groups[order],
        mirror=np.roll(position, len(heads))[order],
        interactions=position[: len(users)],
        entities=entities,
        n_users=n_users,
        n_items=n_items,
        n_groups=1 + 2 * n_relations,
    )


def _normalised(a: Ints, b: Ints, weights: NDArray[np.float64], n_nodes: int) -> NDArray[np.float64]:
    degree = np.bincount(a, weights, n_nodes) + np.bincount(b, weights, n_nodes)
    scale = np.sqrt(degree[a] * degree[b])
    return np.divide(weights, scale, out=np.zeros_like(weights), where=scale > 0)


def _useful(triples: Triples) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """Return which triples to keep, the entities they name, and the new number of each node (items keep theirs)."""
    keep = triples.heads != triples.tails
    while True:
        pairs = np.unique(
            np.stack([triples.heads[keep], triples.tails[keep]]), axis=1
        )  # two relations between the same two nodes are one neighbour
        degree = np.bincount(pairs.ravel(), minlength=triples.n_nodes)
        degree[: triples.n_items] = 2
        fewer = keep & (degree[triples.heads] > 1) & (degree[triples.tails] > 1)
        if fewer.sum() == keep.sum():
            break
        keep = fewer
    used = np.zeros(triples.n_nodes, dtype=bool)
    used[triples.heads[keep]] = used[triples.tails[keep]] = True
    used[: triples.n_items] = False
    entities = np.flatnonzero(used)
    number = np.arange(triples.n_nodes)
    number[entities] = triples.n_items + np.arange(len(entities))
    return keep, entities, number
