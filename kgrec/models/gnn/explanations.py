"""What a score of the GNN is made of: items of the history, words, and messages of the item's neighbours. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.features import MOST_NUMBERS, strongest
from kgrec.plugin.protocols import BEYOND, WORDS, Contribution, EntityContribution, TextShare
from kgrec.types import ItemIndices, Vectors

if TYPE_CHECKING:
    from kgrec.models.gnn.graph import Graph

KINDS = {BEYOND: "bias", WORDS: "text"}


@dataclass(frozen=True)
class Messages:
    """The messages of entities to items.

    With ``p = sum over layers but the last of A^l x / (L + 1)``, what a node passes on, an item's final vector is
    ``x_j / (L + 1) + sum over neighbours b of A_jb p_b``: a sum over the item itself, the users who like it, and its
    neighbours in the graph. The scores of a user ``u`` are products with this vector, so ``A_jb (u . p_b)`` is exactly
    what neighbour ``b`` gives, wherever ``b`` itself has it from.

    Attributes:
        weights: ``A_jb``, relations summed, CSR of shape ``(n_items, k)``.
        nodes: node of :class:`kgrec.types.Triples` of each neighbour, shape ``(k,)``.
        passed: ``p`` of each neighbour, shape ``(k, d)``.
    """

    weights: csr_array
    nodes: NDArray[np.int64]
    passed: Vectors

    @classmethod
    def of(cls, graph: Graph, weights: Vectors, passed: Vectors) -> Self | None:
        """Return the messages of a trained network; None where there are none or too many to keep.

        Args:
            graph: what was propagated over.
            weights: of its entries with the learned scalars, shape ``(e,)``.
            passed: of all nodes, shape ``(n_nodes, d)``.
        """
        first, last = graph.n_users, graph.n_users + graph.n_items
        start, stop = graph.indptr[first], graph.indptr[last]
        told = np.flatnonzero(graph.groups[start:stop] > 0) + start
        if not len(told):
            return None
        rows = np.searchsorted(graph.indptr, told, side="right") - 1 - first
        known, columns = np.unique(graph.indices[told], return_inverse=True)
        if len(known) * passed.shape[1] > MOST_NUMBERS:
            return None
        matrix = csr_array((weights[told], (rows, columns)), shape=(graph.n_items, len(known)))
        of_items = known < last
        nodes = np.where(of_items, known - first, 0)
        nodes[~of_items] = graph.entities[known[~of_items] - last]
        return cls(sparse.csr(matrix), nodes, np.ascontiguousarray(passed[known]))

    def through(self, sources: NDArray[np.int64], vectors: Vectors, item: int) -> list[EntityContribution]:
        """Return what the strongest neighbours of ``item`` give to a user.

        Args:
            sources: item of the history of each part of the user's vector, -1 for what is none's, shape ``(s,)``.
            vectors: the parts, shape ``(s, d)``.
            item: position of the scored item.
        """
        row = csr_array(self.weights[[item]])
        values = (vectors.astype(np.float64) @ self.passed[row.indices].T) * row.data  # (s, neighbours)
        parts, neighbours = np.nonzero(values)
        return strongest(sources[parts], self.nodes[row.indices][neighbours], values[parts, neighbours])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays."""
        return {**sparse.to_state("messages", self.weights), "message_nodes": self.nodes, "passed": self.passed}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self | None:
        """Read what :meth:`state` gave; None where there is none."""
        if "message_nodes" not in state:
            return None
        return cls(sparse.from_state("messages", state), state["message_nodes"], state["passed"])


@dataclass(frozen=True)
class UserParts:
    """Parts of a user's vector.

    Attributes:
        sources: item of the history that each comes from; :data:`BEYOND` for the id embedding, :data:`WORDS` for the
            user's own words, shape ``(s,)``.
        vectors: the parts, shape ``(s, d)``.
    """

    sources: NDArray[np.int64]
    vectors: Vectors

    @classmethod
    def of(cls, items: ItemIndices, from_items: Vectors, own: Vectors, words: Vectors | None) -> UserParts:
        """Put them together.

        Args:
            items: of the history, shape ``(k,)``.
            from_items: what each gives, shape ``(k, d)``.
            own: id embedding and words, shape ``(d,)``.
            words: what of it comes from the words, shape ``(d,)``, or None.
        """
        tail = [BEYOND] if words is None else [BEYOND, WORDS]
        rest = [own] if words is None else [own - words, words]
        sources = np.concatenate([items, tail]).astype(np.int64)
        return cls(sources, np.concatenate([from_items, np.stack(rest)]))

    def contributions(self, targets: Vectors) -> list[Contribution]:
        """Return what each part gives to items with the vectors ``targets``, shape ``(i, d)``."""
        shares = targets @ self.vectors.T  # (i, s)
        kinds = np.array([KINDS.get(int(source), "item") for source in self.sources])
        return [
            Contribution(kind, np.maximum(self.sources[kinds == kind], -1), shares[:, kinds == kind])
            for kind in dict.fromkeys(kinds.tolist())
        ]

    def through(self, messages: Messages, item: int) -> list[EntityContribution]:
        """Return what comes to ``item`` by the messages of its neighbours in the graph."""
        return messages.through(self.sources, self.vectors, item)

    def by_text(self, projection: Vectors) -> list[TextShare]:
        """Return how each part's share depends on the scored item's own text, before it is passed to anybody.

        Args:
            projection: from a centred text to the share of it in the item's final vector, shape ``(t, d)``.
        """
        weights = self.vectors @ projection.T  # (s, t)
        return [TextShare(int(s), row) for s, row in zip(self.sources, weights, strict=True) if row.any()]
