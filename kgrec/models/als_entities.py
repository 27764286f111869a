"""What the factors of an item owe to each entity: they solve a system whose right side is a sum over its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.entity_contributions import MOST_NUMBERS, strongest
from kgrec.plugin.protocols import EntityContribution

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FactorRows:
    """Users and pseudo-users as they stood when the items' factors were solved for the last time.

    The factors of an item are ``y_j = M_j^-1 sum over r of c_rj x_r`` over the users and pseudo-users ``r`` who have
    it: section 5 of Hu, Koren and Volinsky (ICDM 2008) with the roles of users and items exchanged. The term of a
    pseudo-user is what its entity gives. The solver stops at conjugate gradients of a few steps; what it leaves is
    nobody's term and stays with the items of the history.

    Attributes:
        confidences: of the rows that each item stands in, CSR of shape ``(n_items, m)``.
        nodes: entity of each row, -1 for a user, shape ``(m,)``.
        factors: of the rows, runs side by side, shape ``(m, runs * f)``.
        n_runs: how many.
        regularization: the ridge.
    """

    confidences: csr_array
    nodes: NDArray[np.int64]
    factors: NDArray[np.float32]
    n_runs: int
    regularization: float

    @classmethod
    def of(
        cls,
        rows: csr_array,
        entities: NDArray[np.int64],
        factors: list[NDArray[np.float32]],
        *,
        alpha: float,
        regularization: float,
    ) -> Self | None:
        """Keep what is needed; None where that is too much.

        Args:
            rows: users, then pseudo-users, CSR of shape ``(m, n_items)``.
            entities: of the pseudo-users.
            factors: of the rows, one array a run.
            alpha: confidence of an entry of 1.
            regularization: the ridge.
        """
        if sum(run.size for run in factors) > MOST_NUMBERS:
            return None
        confidences = sparse.csr(csr_array(rows.T) * np.float32(alpha))
        nodes = np.concatenate([np.full(rows.shape[0] - len(entities), -1), entities]).astype(np.int64)
        return cls(confidences, nodes, np.concatenate(factors, axis=1), len(factors), regularization)

    def through(self, sources: NDArray[np.int64], parts: list[Floats], item: int) -> list[EntityContribution]:
        """Return what comes to ``item`` through the strongest entities.

        Args:
            sources: items of the history, shape ``(k,)``.
            parts: what each adds to the user's factors, shape ``(k, f)``, one array a run.
            item: position of the scored item.
        """
        row = csr_array(self.confidences[[item]])
        told = np.flatnonzero(self.nodes[row.indices] >= 0)
        if not len(told):
            return []
        weights = row.data.astype(np.float64)
        values = np.zeros((len(sources), len(told)))
        runs = np.split(self.factors, self.n_runs, axis=1)
        for own, run, shared in zip(parts, runs, self._systems, strict=True):
            having = run[row.indices].astype(np.float64)
            system = shared + having.T @ (having * (weights - 1)[:, None])
            terms = np.linalg.solve(system, (having[told] * weights[told, None]).T)  # (f, told)
            values += own @ terms / self.n_runs
        k, e = np.nonzero(values)
        return strongest(sources[k], self.nodes[row.indices][told][e], values[k, e])

    @cached_property
    def _systems(self) -> list[Floats]:
        """``X' X + regularization I`` of each run: the same for all items."""
        runs = [run.astype(np.float64) for run in np.split(self.factors, self.n_runs, axis=1)]
        return [run.T @ run + self.regularization * np.eye(run.shape[1]) for run in runs]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays."""
        settings = np.array([self.n_runs, self.regularization], dtype=np.float64)
        arrays: dict[str, NDArray[Any]] = {
            "row_nodes": self.nodes,
            "row_factors": self.factors,
            "row_settings": settings,
        }
        return {**sparse.to_state("confidences", self.confidences), **arrays}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self | None:
        """Read what :meth:`state` gave; None where there is none."""
        if "row_nodes" not in state:
            return None
        n_runs, regularization = (float(value) for value in state["row_settings"])
        matrix = sparse.from_state("confidences", state)
        return cls(matrix, state["row_nodes"], state["row_factors"], int(n_runs), regularization)
