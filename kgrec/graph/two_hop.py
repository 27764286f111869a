"""Edges between entities, found from both of their ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgrec.types import Triples

MOST_LINKS = 200
"""An entity with more links to other entities joins everything to everything; so many of them are followed."""

_Ints = NDArray[np.int64]


class Bridges:
    """The edges that join two entities, by either end.

    Args:
        triples: the graph without users.
    """

    def __init__(self, triples: Triples) -> None:
        apart = (triples.heads >= triples.n_items) & (triples.tails >= triples.n_items)
        apart &= triples.heads != triples.tails
        heads, tails, slots = triples.heads[apart], triples.tails[apart], triples.relations[apart] * 2
        nodes, others = np.concatenate([heads, tails]), np.concatenate([tails, heads])
        degree = np.bincount(nodes, minlength=triples.n_nodes)
        order = np.lexsort((degree[others], nodes))
        self._starts = np.concatenate([[0], np.cumsum(degree)])
        self._others: _Ints = others[order]
        self._slots: _Ints = np.concatenate([slots, slots + 1])[order]
        self._weights = np.concatenate([triples.weights[apart]] * 2)[order].astype(np.float64)

    def between(self, near: _Ints, far: _Ints) -> tuple[_Ints, _Ints, NDArray[np.float64], _Ints]:
        """Return the edges from any of ``near`` to any of ``far``.

        Args:
            near: nodes, shape ``(n,)``; items among them are passed over.
            far: the same, shape ``(f,)``.

        Returns:
            For each edge found: its end among ``near``, its relation slot read from there (relation * 2, plus 1 when
            stated the other way), its weight, and the position in ``far`` of its other end.
        """
        counts = np.minimum(self._starts[far + 1] - self._starts[far], MOST_LINKS)
        owner = np.repeat(np.arange(len(far)), counts)
        edge = self._starts[far][owner] + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.isin(self._others[edge], near)
        edge, owner = edge[kept], owner[kept]
        return self._others[edge], self._slots[edge] ^ 1, self._weights[edge], owner
