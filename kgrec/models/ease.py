"""EASE: a linear item-item model in closed form, with the graph and the texts in its Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.errors import DataError
from kgrec.models import local_ease, options, sparse
from kgrec.models.ease_entities import GraphRows
from kgrec.models.features import centred, graph_features, with_graph_rows
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemScorer, Weights
from kgrec.plugin.protocols import EntityContribution
from kgrec.plugin.space import Range, Real, Space
from kgrec.types import TrainingData

DENSE_WEIGHTS = 4_096
"""Catalogues up to this size keep all weights (64 MiB at most); larger ones keep the largest of each item."""
KEPT = 500
"""How many weights an item of a larger catalogue keeps."""
LARGE = 300_000
"""Matrices of more likes get fewer settings, since each costs many seconds."""


class EASE(ItemItemScorer):
    """Predicts each item from all others: ``min |X - X B|^2 + tr(B' L B)`` with the diagonal of ``B`` held at 0.

    The solution is ``B = I - P / diag(P)`` with ``P = inv(G + L)`` and ``G = X'X`` (Steck, Embarrassingly Shallow
    Autoencoders for Sparse Data, WWW 2019). ``L = regularization * I + dropout / (1 - dropout) * diag(G)`` averages
    over dropping likes of the input at random (Steck, Autoencoders that don't overfit towards the Identity, NeurIPS
    2020: EDLAE). ``G`` may be completed by the graph (its features as pseudo-users, see
    :func:`kgrec.models.features.with_graph_rows`) and by the centred text similarities ``Z Z'``.

    Catalogues above ``max_dense_items`` are fitted item by item on the items that occur with it most often (see
    :mod:`kgrec.models.local_ease`), since the inverse would take time by the cube and memory by the square of the
    catalogue.

    Args:
        regularization: the ridge.
        dropout: share of likes dropped, in ``[0, 0.95]``.
        graph_weight: how strongly the graph's pseudo-users count; 0 leaves them out.
        text_weight: how strongly the text similarities count; 0 leaves them out.
        max_dense_items: up to this many items the exact solution is computed (4 bytes an item squared).
        neighbours: how many items a local model looks at.
        decay: see :class:`kgrec.models.item_item.ItemItemScorer`.
    """

    def __init__(
        self,
        *,
        regularization: float = 250.0,
        dropout: float = 0.0,
        graph_weight: float = 0.0,
        text_weight: float = 0.0,
        max_dense_items: int = 10_000,
        neighbours: int = 100,
        decay: float | None = None,
    ) -> None:
        super().__init__(decay=decay)
        self._graph: GraphRows | None = None
        self.regularization = options.number("regularization", regularization, low=0, above=True)
        self.dropout = options.number("dropout", dropout, low=0, high=0.95)
        self.graph_weight = options.number("graph_weight", graph_weight, low=0)
        self.text_weight = options.number("text_weight", text_weight, low=0)
        self.max_dense_items = options.integer("max_dense_items", max_dense_items, low=1)
        self.neighbours = options.integer("neighbours", neighbours, low=1)

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try a strong and a weak ridge, dropout, and the graph and the texts where there are any.

        Large matrices get fewer settings.
        """
        dropout = {"regularization": 60.0, "dropout": 0.3}
        settings: list[dict[str, Any]] = (
            [dropout] if data.matrix.nnz > LARGE else [{}, {"regularization": 100.0}, dropout]
        )
        if data.triples is not None and len(data.triples):
            settings.append({"regularization": 60.0, "dropout": 0.5, "graph_weight": 0.12})
        if data.item_text is not None and data.item_text.any():
            settings.append({"regularization": 50.0, "text_weight": 60.0})
        return settings

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {"regularization": Real(5.0, 2000.0, log=True), "dropout": Real(0.0, 0.8)}
        if data.triples is not None and len(data.triples):
            span["graph_weight"] = Real(0.0, 0.5)
        if data.item_text is not None and data.item_text.any():
            span["text_weight"] = Real(0.0, 200.0)
        return span

    def _learn(self, history: History, data: TrainingData, rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        rows = with_graph_rows(history.matrix, data.triples, self.graph_weight)
        texts = None
        if data.item_text is not None and self.text_weight > 0:
            texts = centred(data.item_text)[0] * np.float32(np.sqrt(self.text_weight))
        known = np.bincount(rows.indices, minlength=data.n_items) > 0
        if texts is not None:
            known |= texts.any(axis=1)
        if data.n_items > self.max_dense_items:
            ridge = local_ease.Ridge(self.regularization, self.dropout / (1 - self.dropout))
            return local_ease.fit(rows, texts, ridge, self.neighbours, rng), known
        matrix = gram(rows, texts)
        if data.n_items <= DENSE_WEIGHTS:
            self._graph = self._graph_rows(rows, data, np.diagonal(matrix).copy())
        weights = solve(matrix, self.regularization, self.dropout)
        return (weights if data.n_items <= DENSE_WEIGHTS else pruned(weights, KEPT)), known

    def _graph_rows(self, rows: csr_array, data: TrainingData, diagonal: NDArray[np.float32]) -> GraphRows | None:
        """Return what tells the share of each entity, for weights that are kept whole."""
        if data.triples is None or rows.shape[0] == data.n_users:
            return None
        ridge = self.regularization + self.dropout / (1 - self.dropout) * diagonal
        facts = sparse.csr(csr_array(rows[data.n_users :].T))
        return GraphRows(facts, graph_features(data.triples).entities, ridge.astype(np.float32))

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what of the contributions comes through entities, see :class:`kgrec.models.ease_entities.GraphRows`.

        Nothing where the graph does not count, or where only the largest weights of the model are kept.
        """
        if self._graph is None or not isinstance(self._weights, np.ndarray) or not self._known[item]:
            return []
        return self._graph.through(self._history.rows(np.array([user])), self._weights, item)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history, weights and the graph's rows as arrays."""
        return {**super().state(), **({} if self._graph is None else self._graph.state())}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._graph = GraphRows.from_state(state)
        return super().load_state(state)


def gram(rows: csr_array, texts: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return ``rows.T @ rows + texts @ texts.T`` as a dense matrix, shape ``(n_items, n_items)``."""
    n_items = rows.shape[1]
    result = np.zeros((n_items, n_items), dtype=np.float32) if texts is None else texts @ texts.T
    for block, product in sparse.gram_blocks(rows):
        result[block] += product.toarray()
    return result


def solve(gram_matrix: NDArray[np.float32], regularization: float, dropout: float = 0.0) -> NDArray[np.float32]:
    """Return the weights ``B`` of EASE and EDLAE, diagonal 0; ``gram_matrix`` is overwritten.

    Args:
        gram_matrix: ``G``, shape ``(n_items, n_items)``.
        regularization: the ridge.
        dropout: share of likes dropped.

    Raises:
        DataError: the matrix is not positive definite in float32; a larger ridge helps.
    """
    from scipy.linalg import lapack  # costs a tenth of a second, and only fitting needs it

    diagonal = np.einsum("ii->i", gram_matrix)  # a view
    diagonal += regularization + dropout / (1 - dropout) * diagonal
    # The transpose of the symmetric matrix is in the column order that LAPACK overwrites without a copy.
    inverse, failed = lapack.spotrf(gram_matrix.T, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(inverse, lower=1, overwrite_c=1)
    if failed:
        raise DataError("EASE: the item-item matrix cannot be inverted", hint="raise regularization")
    _mirror(inverse)
    inverse /= -np.diagonal(inverse).copy()
    np.fill_diagonal(inverse, 0.0)
    return np.ascontiguousarray(inverse)


def pruned(weights: NDArray[np.float32], kept: int) -> csr_array:
    """Keep the ``kept`` weights of the largest size of each column -> CSR of shape ``(n_items, n_items)``."""
    columns = weights.T
    blocks = [
        sparse.largest(np.ascontiguousarray(columns[block]), kept)
        for block in sparse.row_blocks(np.full(len(columns), len(columns)))
    ]
    return sparse.csr(vstack(blocks, format="csr").T)


def _mirror(matrix: NDArray[np.float32], size: int = 1_024) -> None:
    """Copy the lower triangle onto the upper one, block by block."""
    for start in range(0, len(matrix), size):
        block = slice(start, start + size)
        matrix[block, start + size :] = matrix[start + size :, block].T
        part = matrix[block, block]
        part[:] = np.tril(part) + np.tril(part, -1).T
