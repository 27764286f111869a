"""The graph that the network propagates over: users, items and entities, as HeteroData and in one symmetric pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch_geometric.data import HeteroData

from kgrec.graph.pyg import LIKES, add_edges
from kgrec.graph.tables import KINDS
from kgrec.types import Triples, Vectors

Ints = NDArray[np.int64]


def training_graph(
    likes: csr_array,
    triples: Triples | None,
    *,
    user_text: Vectors | None = None,
    item_text: Vectors | None = None,
) -> HeteroData:
    """Lay interactions and triples side by side, each normalised on its own.

    An edge of weight ``w`` between ``a`` and ``b`` gets ``w / sqrt(d_a d_b)`` (Kipf and Welling, ICLR 2017), where the
    degrees count interactions only for interactions and triples only for triples: so a rich graph does not drown
    the interactions. Entities that lead nowhere (one neighbour) are left out.

    Args:
        likes: strength of each like, shape ``(n_users, n_items)``.
        triples: the knowledge graph, or None.
        user_text: text vectors, shape ``(n_users, t)``, or None.
        item_text: text vectors, shape ``(n_items, t)``, or None.

    Returns:
        Edges of the user's likes and of each relation, forward only, with ``edge_weight``; ``x`` where there are texts;
        ``data["entity"].node``: the node of :class:`Triples` of each entity; ``data.relations``: all their names.
    """
    n_users, n_items = likes.shape
    pairs = likes.tocoo()
    users, items = pairs.row.astype(np.int64), pairs.col.astype(np.int64)
    weights = _normalised(users, items + n_users, pairs.data.astype(np.float64), n_users + n_items)
    entities = np.zeros(0, dtype=np.int64)
    names = [] if triples is None else list(triples.relation_names)
    heads, tails, relations = users, items + n_users, np.full(len(users), len(names))
    if triples is not None and len(triples):
        keep, entities, number = _useful(triples)
        triple_heads = number[triples.heads[keep]] + n_users
        triple_tails = number[triples.tails[keep]] + n_users
        stated = triples.weights[keep].astype(np.float64)
        of_triples = _normalised(triple_heads, triple_tails, stated, n_users + n_items + len(entities))
        heads, tails = np.concatenate([heads, triple_heads]), np.concatenate([tails, triple_tails])
        relations = np.concatenate([relations, triples.relations[keep]])
        weights = np.concatenate([weights, of_triples])
    data, sizes = HeteroData(), (n_users, n_items, len(entities))
    for kind, size, text in zip(KINDS, sizes, (user_text, item_text, None), strict=True):
        data[kind].num_nodes = size
        if text is not None:
            data[kind].x = torch.from_numpy(text)
    data["entity"].node = torch.from_numpy(entities)
    data.relations = names
    kinds, numbers = np.repeat(np.arange(3), sizes), np.concatenate([np.arange(size) for size in sizes])
    columns = {"edge_weight": weights.astype(np.float32)}
    add_edges(data, kinds, numbers, (heads, relations, tails), [*names, LIKES], **columns)
    return data


@dataclass(frozen=True, slots=True)
class Graph:
    """A training graph in one numbering: users, items, entities; and its edges in both directions, as CSR.

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
    values: Vectors
    groups: Ints
    mirror: Ints
    interactions: Ints
    entities: Ints
    n_users: int
    n_items: int
    n_groups: int

    @classmethod
    def of(cls, data: HeteroData) -> Graph:
        """Number the nodes of :func:`training_graph` one after the other and sort its edges."""
        sizes = [data[kind].num_nodes for kind in KINDS]
        first = dict(zip(KINDS, np.cumsum([0, *sizes]).tolist(), strict=False))
        number = {name: k for k, name in enumerate(data.relations)}
        none = np.zeros(0, dtype=np.int64)
        heads, tails, relations, values = [none], [none], [none], [none.astype(np.float32)]
        n_likes = 0
        for head, name, tail in sorted(data.edge_types, key=lambda ends: ends[0] != "user"):  # likes come first
            store = data[head, name, tail]
            sources, targets = store.edge_index.numpy()
            n_likes += len(sources) if head == "user" else 0
            heads.append(sources + first[head])
            tails.append(targets + first[tail])
            relations.append(np.full(len(sources), -1 if head == "user" else number[name]))
            values.append(store.edge_weight.numpy())
        rows = np.concatenate([*heads, *tails])
        columns = np.concatenate([*tails, *heads])
        relation = np.concatenate([*relations, *relations])
        groups = np.where(relation < 0, 0, 1 + 2 * relation)
        n_edges = len(rows) // 2
        groups[n_edges:] += groups[n_edges:] > 0
        order = np.lexsort((groups, columns, rows))
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        return cls(
            indptr=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=sum(sizes)))]),
            indices=columns[order],
            values=np.concatenate([*values, *values])[order],
            groups=groups[order],
            mirror=np.roll(position, n_edges)[order],
            interactions=position[:n_likes],
            entities=data["entity"].node.numpy(),
            n_users=sizes[0],
            n_items=sizes[1],
            n_groups=1 + 2 * len(data.relations),
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.indptr) - 1

    @property
    def n_entities(self) -> int:
        """Number of entities kept."""
        return len(self.entities)

    @property
    def rows(self) -> Ints:
        """Row of each entry, shape ``(e,)``."""
        return np.repeat(np.arange(self.n_nodes), np.diff(self.indptr))

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
