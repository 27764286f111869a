"""What the graph filter's weights owe to each entity: they are sums over users and pseudo-users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.entity_contributions import strongest
from kgrec.plugin.protocols import EntityContribution


@dataclass(frozen=True)
class FilterRows:
    """The graph's pseudo-users of a fitted graph filter.

    With the normalised rows ``R = U S V'`` an entry of the first filter is ``sum over r of R_rs R_rj``, and since
    ``V = R' U / S`` one of the ideal low-pass filter is ``sum over r of R_rs (U_r / S) . V_j``, times what depends on
    the items alone. The terms of a pseudo-user are what its entity gives.

    Attributes:
        facts: the pseudo-users' normalised rows as columns, CSR of shape ``(n_items, f)``.
        nodes: entity of each, shape ``(f,)``.
        spectral: ``U / S`` of each, shape ``(f, rank)``.
        left: what depends on the item of the history, shape ``(n_items,)``.
        right: ``V`` times what depends on the scored item, shape ``(n_items, rank)``.
    """

    facts: csr_array
    nodes: NDArray[np.int64]
    spectral: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def through(self, row: csr_array, item: int) -> list[EntityContribution]:
        """Return what comes to ``item`` through the strongest entities.

        Args:
            row: the history, CSR of shape ``(1, n_items)``.
            item: position of the scored item.
        """
        history = row.indices.astype(np.int64)
        shares = self.facts[history].tocoo()
        direct = self.facts[[item]].toarray()[0]  # (f,)
        smooth = self.spectral @ self.right[item]
        values = shares.data * (direct[shares.col] + self.left[history][shares.row] * smooth[shares.col])
        return strongest(history[shares.row], self.nodes[shares.col], row.data[shares.row] * values)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "fact_nodes": self.nodes,
            "spectral": self.spectral,
            "left": self.left,
            "right": self.right,
        }
        return {**sparse.to_state("facts", self.facts), **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self | None:
        """Read what :meth:`state` gave; None where there is none."""
        if "fact_nodes" not in state:
            return None
        names = ("fact_nodes", "spectral", "left", "right")
        return cls(sparse.from_state("facts", state), *(np.asarray(state[name]) for name in names))
