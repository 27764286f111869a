"""What EASE's weights owe to each entity of the graph: exact, by the condition that its solution meets."""

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
class GraphRows:
    """The graph's pseudo-users of a fitted EASE.

    At the minimum of ``|X - X B|² + tr(B' L B)`` with ``diag(B) = 0`` every other entry is
    ``B_sj = (1 / L_s) * sum over rows r of X_rs (X_rj - (X B)_rj)``: a sum over users and pseudo-users. The term of a
    pseudo-user is what its entity gives; the items of the history bring it in with their strength.

    Attributes:
        facts: the pseudo-users' rows as columns, CSR of shape ``(n_items, f)``.
        nodes: entity of each, shape ``(f,)``.
        ridge: ``L``, shape ``(n_items,)``.
    """

    facts: csr_array
    nodes: NDArray[np.int64]
    ridge: NDArray[np.float32]

    def through(self, row: csr_array, weights: NDArray[np.float32], item: int) -> list[EntityContribution]:
        """Return what comes to ``item`` through the strongest entities.

        Args:
            row: the history, CSR of shape ``(1, n_items)``.
            weights: ``B``, shape ``(n_items, n_items)``.
            item: position of the scored item.
        """
        left = self.facts[[item]].toarray()[0] - self.facts.T @ weights[:, item]  # (f,)
        history = np.asarray(row.indices)
        strength = np.where(history == item, 0, row.data / self.ridge[history])  # the diagonal is held at 0
        shares = self.facts[history].tocoo()
        sources, features = shares.row, shares.col
        values = shares.data * strength[sources] * left[features]
        return strongest(history[sources].astype(np.int64), self.nodes[features], values)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays."""
        return {**sparse.to_state("facts", self.facts), "fact_nodes": self.nodes, "ridge": self.ridge}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self | None:
        """Read what :meth:`state` gave; None where there is none."""
        if "fact_nodes" not in state:
            return None
        return cls(sparse.from_state("facts", state), state["fact_nodes"], state["ridge"])
