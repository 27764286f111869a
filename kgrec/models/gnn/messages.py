"""What the neighbours of an item in the graph gave to its vector: their messages in the last layer, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.entity_contributions import MOST_NUMBERS, strongest
from kgrec.models.gnn.graph import Floats, Graph
from kgrec.plugin.protocols import EntityContribution


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
    passed: Floats

    @classmethod
    def of(cls, graph: Graph, weights: Floats, passed: Floats) -> Self | None:
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

    def through(self, sources: NDArray[np.int64], vectors: Floats, item: int) -> list[EntityContribution]:
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
