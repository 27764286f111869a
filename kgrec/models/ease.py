"""EASE: a linear item-item model in closed form, with the graph and the texts in its Gram matrix.

Three parts: the scorer with the exact solution, the local solution of large catalogues, and what the weights owe to
each entity of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, vstack

from kgrec.errors import DataError
from kgrec.models import sparse
from kgrec.models.features import centred, graph_features, strongest, with_graph_rows
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemOptions, ItemItemScorer, Weights
from kgrec.models.threads import limited_threads
from kgrec.plugin.protocols import EntityContribution, Traits
from kgrec.plugin.space import Range, Real, Space
from kgrec.types import TrainingData

DENSE_WEIGHTS = 4_096
"""Catalogues up to this size keep all weights (64 MiB at most); larger ones keep the largest of each item."""
KEPT = 500
"""How many weights an item of a larger catalogue keeps."""
LARGE = 300_000
"""Matrices of more likes get fewer settings, since each costs many seconds."""
GRAM_ENTRIES = 1 << 27
"""Entries of the sparse Gram matrix of a local fit that are held at most: 1 GiB."""
SYSTEM_ENTRIES = 1 << 27
"""Entries of the small systems of equations of a local fit that are held at once: 512 MiB."""


class EASEOptions(ItemItemOptions):
    """Options of ``[scorers.ease]``."""

    regularization: float = Field(250.0, gt=0, description="the ridge")
    dropout: float = Field(0.0, ge=0, le=0.95, description="share of likes dropped from the input")
    graph_weight: float = Field(0.0, ge=0, description="how strongly the graph's pseudo-users count; 0: no graph")
    text_weight: float = Field(0.0, ge=0, description="how strongly the text similarities count; 0: no texts")
    max_dense_items: int = Field(10_000, ge=1, description="larger catalogues are fitted item by item")
    neighbours: int = Field(100, ge=1, description="how many items a local model of a larger catalogue looks at")


class EASE(ItemItemScorer):
    """Predicts each item from all others: ``min |X - X B|^2 + tr(B' L B)`` with the diagonal of ``B`` held at 0.

    The solution is ``B = I - P / diag(P)`` with ``P = inv(G + L)`` and ``G = X'X`` (Steck, Embarrassingly Shallow
    Autoencoders for Sparse Data, WWW 2019). ``L = regularization * I + dropout / (1 - dropout) * diag(G)`` averages
    over dropping likes of the input at random (Steck, Autoencoders that don't overfit towards the Identity, NeurIPS
    2020: EDLAE). ``G`` may be completed by the graph (its features as pseudo-users, see
    :func:`kgrec.models.features.with_graph_rows`) and by the centred text similarities ``Z Z'``.

    Catalogues above ``max_dense_items`` are fitted item by item on the items that occur with it most often (see
    :func:`fit_local`), since the inverse would take time by the cube and memory by the square of the catalogue.
    """

    Options = EASEOptions
    options: EASEOptions
    traits: ClassVar[Traits] = Traits(private=True)
    _graph: GraphRows | None = None

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try a strong and a weak ridge, dropout, and the graph and the texts where there are any.

        Large matrices get fewer settings.
        """
        dropout = {"regularization": 60.0, "dropout": 0.3}
        settings: list[dict[str, Any]] = (
            [dropout] if data.matrix.nnz > LARGE else [{}, {"regularization": 100.0}, dropout]
        )
        if data.has_graph:
            settings.append({"regularization": 60.0, "dropout": 0.5, "graph_weight": 0.12})
        if data.has_texts:
            settings.append({"regularization": 50.0, "text_weight": 60.0})
        return settings

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {"regularization": Real(0.5, 10_000.0, log=True), "dropout": Real(0.0, 0.8)}
        if data.has_graph:
            span["graph_weight"] = Real(0.0, 0.5)
        if data.has_texts:
            span["text_weight"] = Real(0.0, 200.0)
        return span

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:
        """Return about how many seconds a fit takes: products of histories, then an inverse or many small systems."""
        lengths = np.diff(data.matrix.indptr).astype(np.float64)
        dense = data.n_items <= options["max_dense_items"]
        solving = 2e-11 * data.n_items**3 if dense else 1e-9 * data.n_items * options["neighbours"] ** 3
        return float(8e-9 * (lengths**2).sum() + solving)

    def _learn(self, history: History, data: TrainingData, rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        given = self.options
        self._graph = None
        ridge = Ridge(given.regularization, given.dropout / (1 - given.dropout))
        likes = history.matrix if data.private is None else history.matrix[:0]
        rows = with_graph_rows(likes, data.triples, given.graph_weight)
        texts = None
        if data.item_text is not None and given.text_weight > 0:
            texts = centred(data.item_text)[0] * np.float32(np.sqrt(given.text_weight))
        known = np.bincount(rows.indices, minlength=data.n_items) > 0
        if texts is not None:
            known |= texts.any(axis=1)
        if data.private is not None and data.private.gram is not None:
            known = np.ones(data.n_items, dtype=np.bool_)  # which items have likes is not public
            weights = solve(gram(rows, texts) + data.private.gram, ridge)
            return (pruned(weights, KEPT) if data.n_items > DENSE_WEIGHTS else weights), known
        if data.n_items > given.max_dense_items:
            return fit_local(rows, texts, ridge, given.neighbours, rng), known
        matrix = gram(rows, texts)
        if data.n_items > DENSE_WEIGHTS:
            return pruned(solve(matrix, ridge), KEPT), known
        if data.triples is not None and rows.shape[0] > data.n_users:
            facts = sparse.csr(csr_array(rows[data.n_users :].T))
            added = ridge.constant + ridge.share * np.diagonal(matrix)
            self._graph = GraphRows(facts, graph_features(data.triples).entities, added.astype(np.float32))
        return solve(matrix, ridge), known

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what of the contributions comes through entities, see :class:`GraphRows`.

        Nothing where the graph does not count, or where only the largest weights of the model are kept.
        """
        if self._graph is None or not isinstance(self._weights, np.ndarray) or not self._known[item]:
            return []
        return self._graph.through(self._history.rows(np.array([user])), self._weights, item)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history, weights and the graph's rows as arrays."""
        return {**super().state(), **sparse.store("graph", self._graph)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._graph = sparse.restore(GraphRows, "graph", state)
        return super().load_state(state)


def gram(rows: csr_array, texts: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return ``rows.T @ rows + texts @ texts.T`` as a dense matrix, shape ``(n_items, n_items)``."""
    n_items = rows.shape[1]
    result = np.zeros((n_items, n_items), dtype=np.float32) if texts is None else texts @ texts.T
    for block, product in sparse.gram_blocks(rows):
        result[block] += product.toarray()
    return result


@dataclass(frozen=True, slots=True)
class Ridge:
    """What is added to the diagonal of the Gram matrix: ``constant + share * diagonal``."""

    constant: float
    share: float = 0.0


def solve(gram_matrix: NDArray[np.float32], ridge: Ridge) -> NDArray[np.float32]:
    """Return the weights ``B`` of EASE and EDLAE, diagonal 0; ``gram_matrix`` is overwritten.

    Args:
        gram_matrix: ``G``, shape ``(n_items, n_items)``.
        ridge: the regularisation.

    Raises:
        DataError: the matrix is not positive definite in float32; a larger ridge helps.
    """
    from scipy.linalg import lapack  # costs a tenth of a second, and only fitting needs it

    diagonal = np.einsum("ii->i", gram_matrix)  # a view
    diagonal += ridge.constant + ridge.share * diagonal
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


def fit_local(
    rows: csr_array, texts: NDArray[np.float32] | None, ridge: Ridge, neighbours: int, rng: np.random.Generator
) -> csr_array:
    """Regress each item on the items nearest to it.

    The exact solution regresses an item on all others; nearly all its weight falls on few of them. So the regression
    is restricted to the ``neighbours`` nearest by cosine, as fsSLIM does for SLIM (Ning and Karypis, SLIM: Sparse
    Linear Methods for Top-N Recommender Systems, ICDM 2011), which takes time and memory linear in the catalogue.

    Args:
        rows: likes and graph rows, shape ``(r, n_items)``.
        texts: scaled centred text vectors, shape ``(n_items, dim)``, or None.
        ridge: the regularisation.
        neighbours: how many items a regression may use.
        rng: draws lots between equally near neighbours.

    Returns:
        The weights, CSR of shape ``(n_items, n_items)``, at most ``neighbours`` entries a column.
    """
    n_items = rows.shape[1]
    gram = _sparse_gram(rows, rng)
    # Not that of the Gram matrix, whose long rows are cut and may have lost it.
    diagonal = np.asarray(rows.multiply(rows).sum(axis=0), dtype=np.float32)
    if texts is not None:
        diagonal = diagonal + np.einsum("ij,ij->i", texts, texts)
    near = _nearest(gram, texts, diagonal, min(neighbours, n_items - 1), rng)
    width = max(int(np.diff(near.indptr).max(initial=0)), 1)
    # Thousands of small systems: a second thread is mostly waited for, on a busy machine for most of the time.
    with limited_threads(1):
        blocks = [
            _regress(near[block], np.arange(block.start, block.stop), gram, texts, diagonal, ridge)
            for block in sparse.row_blocks(np.full(n_items, width * width), SYSTEM_ENTRIES)
        ]
    return sparse.csr(vstack(blocks, format="csr").T)


def _sparse_gram(rows: csr_array, rng: np.random.Generator) -> csr_array:
    """Multiply out; where that takes more than GRAM_ENTRIES, only the largest entries of long rows are kept."""
    lengths = np.diff(rows.indptr).astype(np.float64)
    n_items = rows.shape[1]
    cap = n_items if (lengths**2).sum() <= GRAM_ENTRIES else max(GRAM_ENTRIES // n_items, 1)
    blocks = [sparse.top_k(product, cap, rng) for _, product in sparse.gram_blocks(rows)]
    return sparse.csr(vstack(blocks, format="csr"))


def _nearest(
    gram: csr_array, texts: NDArray[np.float32] | None, diagonal: NDArray[np.float32], k: int, rng: np.random.Generator
) -> csr_array:
    """Return for each item (row) its ``k`` nearest others, with the Gram matrix's entries as data."""
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-12))
    n_items = gram.shape[0]
    costs = np.diff(gram.indptr) + 1 if texts is None else np.full(n_items, n_items)
    blocks = []
    for block in sparse.row_blocks(costs):
        part = gram[block]
        if texts is not None:
            part = csr_array(part.toarray() + texts[block] @ texts.T)
        own = np.repeat(np.arange(block.start, block.stop), np.diff(part.indptr)) == part.indices
        # The row's own norm changes nothing in its order.
        cosine = csr_array((part.data * scale[part.indices], part.indices, part.indptr), shape=part.shape)
        cosine.data[own | (cosine.data <= 0)] = 0
        cosine.eliminate_zeros()
        blocks.append(sparse.top_k(cosine, k, rng))
    near = vstack(blocks, format="csr")
    near.data = near.data / scale[near.indices]
    return csr_array(near)


def _regress(
    near: csr_array,
    targets: NDArray[np.int64],
    gram: csr_array,
    texts: NDArray[np.float32] | None,
    diagonal: NDArray[np.float32],
    ridge: Ridge,
) -> csr_array:
    """Solve the regressions of ``targets`` -> their weights as rows, shape ``(t, n_items)``."""
    lengths = np.diff(near.indptr)
    width = max(int(lengths.max()), 1)
    present = np.arange(width) < lengths[:, None]  # (t, k)
    inputs = np.repeat(targets[:, None], width, axis=1)
    inputs[present] = near.indices
    right = np.zeros(present.shape, dtype=np.float32)
    right[present] = near.data
    left = _systems(gram, inputs)
    weights = np.empty(present.shape, dtype=np.float32)
    for block in sparse.row_blocks(np.full(len(targets), width * width)):
        part, there = left[block], present[block]
        if texts is not None:
            chosen = texts[inputs[block]]  # (b, k, dim)
            part += chosen @ chosen.transpose(0, 2, 1)
        part *= there[:, :, None] & there[:, None, :]
        # Where there is no input the equation reads 1 * weight = 0.
        ridged = diagonal[inputs[block]] * (1 + ridge.share) + ridge.constant
        np.einsum("tii->ti", part)[:] = np.where(there, ridged, 1)
        weights[block] = np.linalg.solve(part, right[block][:, :, None])[:, :, 0]
    return csr_array((weights[present], near.indices, near.indptr), shape=near.shape)


def _systems(gram: csr_array, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ``gram[S, S]`` for each row ``S`` of ``inputs`` of shape ``(t, k)`` -> float32 ``(t, k, k)``.

    Looking entries up in a sparse matrix one by one is slow. So the work is ordered by row of the Gram matrix: a few
    rows at a time are made dense, and all that any system needs of them is copied.
    """
    n_items = gram.shape[0]
    width = inputs.shape[1]
    result = np.empty((*inputs.shape, width), dtype=np.float32)
    wanted = np.argsort(inputs, axis=None, kind="stable")  # places (target, input), by item
    uses = np.bincount(inputs.ravel(), minlength=n_items)
    starts = np.concatenate([[0], np.cumsum(uses)])
    for block in sparse.row_blocks(uses * width + n_items, sparse.BLOCK_ENTRIES // 2):
        places = wanted[starts[block.start] : starts[block.stop]]
        if not len(places):
            continue
        rows = gram[block].toarray()
        target, slot = np.divmod(places, width)
        local = inputs[target, slot] - block.start
        result[target, slot] = rows[local[:, None], inputs[target]]
    return result


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
