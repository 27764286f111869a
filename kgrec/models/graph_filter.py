"""Graph filter: likes smoothed over the graph of users and items, in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array, vstack

from kgrec.models import sparse
from kgrec.models.ease import DENSE_WEIGHTS, KEPT
from kgrec.models.features import MOST_NUMBERS, graph_features, strongest, with_graph_rows
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemOptions, ItemItemScorer, Weights
from kgrec.models.sparse import randomised_svd
from kgrec.plugin.protocols import EntityContribution
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.types import TrainingData


class GraphFilterOptions(ItemItemOptions):
    """Options of ``[scorers.graph-filter]``."""

    rank: int = Field(64, ge=1, description="singular vectors in the low-pass filter")
    low_pass: float = Field(0.3, ge=0, description="weight of the low-pass filter, the linear filter counting 1")
    user_norm: float = Field(0.5, ge=0, le=1, description="exponent a: how much less a like of many likes counts")
    item_norm: float = Field(0.5, ge=0, le=1, description="exponent b: how much less an item counts that many like")
    graph_weight: float = Field(0.0, ge=0, description="how strongly the graph's pseudo-users count; 0: no graph")


class GraphFilter(ItemItemScorer):
    """A linear filter and an ideal low-pass filter of the item graph: no training, one truncated decomposition.

    With the normalised likes ``R' = D_u^-a R D_i^-b`` (the paper has ``a = b = 1/2``) the score is ``r_u W`` with
    ``W = R''R' + low_pass * D_i^-b V V' D_i^b``, where the columns of ``V`` are the ``rank`` first right singular
    vectors of ``R'``: GF-CF (Shen et al., How Powerful is Graph Convolution for Recommendation?, CIKM 2021), where
    this form is shown to be what LightGCN, neighbourhood models and linear autoencoders have in common.

    Deviation: the graph's features may stand below the users as pseudo-users (see
    :func:`kgrec.models.features.with_graph_rows`), and catalogues above 4,096 items keep the 500 weights of the
    largest size of each item.
    """

    Options = GraphFilterOptions
    options: GraphFilterOptions
    _graph: FilterRows | None = None

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try the paper's filter, one that smooths less and tells popular items less apart, and that with the graph."""
        finer = {"rank": 256, "user_norm": 0.4, "item_norm": 0.4}
        return [{}, finer, {**finer, "graph_weight": 0.02}] if data.has_graph else [{}, finer]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {
            "user_norm": Real(0.0, 1.0),
            "item_norm": Real(0.0, 1.0),
            "low_pass": Real(0.0, 2.0),
            "rank": Whole(16, 512, log=True),
        }
        return {**span, "graph_weight": Real(0.0, 0.2)} if data.has_graph else span

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:
        """Return about how many seconds a fit takes: products of histories, and a truncated decomposition."""
        width, rows, likes = options["rank"] + 10, data.n_users + data.n_items, data.matrix
        smoothing = 1e-8 * likes.nnz * width + 1e-9 * rows * width**2 + 3e-11 * data.n_items**2 * width
        of_pairs = 8e-9 * (np.diff(likes.indptr).astype(np.float64) ** 2).sum()
        return float(of_pairs + (smoothing if options["low_pass"] > 0 else 0.0))

    def _learn(self, history: History, data: TrainingData, rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        given = self.options
        self._graph = None
        rows = with_graph_rows(history.matrix, data.triples, given.graph_weight)
        degrees = np.asarray(rows.sum(axis=0), dtype=np.float64)  # (n_items,)
        scale = _power(degrees, -given.item_norm)
        of_rows = _power(np.asarray(rows.sum(axis=1), dtype=np.float64), -given.user_norm)
        normalised = sparse.csr(diags_array(of_rows) @ rows @ diags_array(scale))
        vectors = np.zeros((data.n_items, 0), dtype=np.float64)
        spectral = np.zeros((rows.shape[0], 0), dtype=np.float64)
        if given.low_pass > 0 and rows.nnz:
            found = randomised_svd(normalised.astype(np.float64), min(given.rank, *rows.shape), rng)
            vectors = found[2].T
            # A direction without length in the data is no sum of its rows: it stays with the items of the history.
            spectral = np.where(found[1] > 1e-5 * found[1][0], found[0] / np.maximum(found[1], 1e-12), 0.0)
        left = (np.sqrt(given.low_pass) * vectors * scale[:, None]).astype(np.float32)
        right = (np.sqrt(given.low_pass) * vectors * _power(degrees, given.item_norm)[:, None]).astype(np.float32)
        if data.n_items <= DENSE_WEIGHTS:
            lifted = (np.sqrt(given.low_pass) * scale).astype(np.float32)
            self._graph = _graph_rows(normalised, data, spectral.astype(np.float32), lifted, right)
        return filtered(normalised, left, right), degrees > 0

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what of the contributions comes through entities, see :class:`FilterRows`.

        Nothing where the graph does not count, or where only the largest weights of the model are kept.
        """
        if self._graph is None or not self._known[item]:
            return []
        return self._graph.through(self._history.rows(np.array([user])), item)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history, weights and the graph's rows as arrays."""
        return {**super().state(), **sparse.store("graph", self._graph)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._graph = sparse.restore(FilterRows, "graph", state)
        return super().load_state(state)


def _graph_rows(
    rows: csr_array,
    data: TrainingData,
    spectral: NDArray[np.float32],
    left: NDArray[np.float32],
    right: NDArray[np.float32],
) -> FilterRows | None:
    if data.triples is None or rows.shape[0] == data.n_users or spectral.size > MOST_NUMBERS:
        return None
    facts = sparse.csr(csr_array(rows[data.n_users :].T))
    return FilterRows(facts, graph_features(data.triples).entities, spectral[data.n_users :], left, right)


def _power(degrees: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return powers of the degrees, 0 for a degree of 0."""
    return np.where(degrees > 0, np.maximum(degrees, 1e-12) ** exponent, 0.0)


def filtered(normalised: csr_array, left: NDArray[np.float32], right: NDArray[np.float32]) -> Weights:
    """Return ``normalised.T @ normalised + left @ right.T``, cut to the largest entries of each column where large.

    Args:
        normalised: shape ``(r, n_items)``.
        left: shape ``(n_items, k)``.
        right: the same.
    """
    n_items = normalised.shape[1]
    if n_items <= DENSE_WEIGHTS:
        weights = left @ right.T
        for block, product in sparse.gram_blocks(normalised):
            weights[block] += product.toarray()
        return weights
    columns = []
    for block, product in sparse.gram_blocks(normalised):  # symmetric: a block of rows is one of columns
        parts = sparse.row_blocks(np.full(block.stop - block.start, n_items))
        columns += [sparse.largest(right[block][p] @ left.T + product[p].toarray(), KEPT) for p in parts]
    return sparse.csr(vstack(columns, format="csr").T)


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
