"""How alike items are by texts and graph, each relation weighted by how well it tells who likes what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, hstack

from kgrec.models import sparse
from kgrec.models.features import centred, graph_features
from kgrec.types import ItemIndices, TrainingData, Triples

PAIRS = 200_000
"""Pairs of items on which the weights are learned."""
SHRINKAGE = 2e-4
"""Ridge on the weights, a pair counting 1: what few items have must tell more to count."""
LEARNED = 0.8
"""Share of the learned kernel; the rest is the plain mean of texts and graph, which few data cannot upset."""


@dataclass(frozen=True, slots=True)
class ContentKernel:
    """A kernel ``K = Z Z' + F F'`` between items, its diagonal 1 in the mean over the items that have content.

    Attributes:
        texts: centred text vectors, weighted, shape ``(n_items, dim)``; no columns without texts.
        features: features of the graph, weighted, CSR of shape ``(n_items, f)``; no columns without graph.
    """

    texts: NDArray[np.float32]
    features: csr_array

    @property
    def described(self) -> NDArray[np.bool_]:
        """Which items have a text or a feature, shape ``(n_items,)``."""
        return np.asarray(self.texts.any(axis=1) | (np.diff(self.features.indptr) > 0))

    def between(self, rows: ItemIndices, columns: ItemIndices) -> NDArray[np.float32]:
        """Return the kernel between two sets of items, shape ``(rows, columns)``."""
        product = self.texts[rows] @ self.texts[columns].T
        product += (self.features[rows] @ self.features[columns].T).toarray()
        return product

    def smooth(self, rows: csr_array) -> NDArray[np.float32]:
        """Return ``rows @ K``, without writing the kernel down; shapes ``(r, n_items)``."""
        found = (rows @ self.texts) @ self.texts.T
        found += ((rows @ self.features) @ self.features.T).toarray()
        return np.asarray(found, dtype=np.float32)


def plain(data: TrainingData) -> ContentKernel:
    """Give texts, words and graph equal weight, whichever of them there are; unlike :func:`learn` it needs no likes.

    Args:
        data: texts, terms of the texts and graph are read.
    """
    has_text = data.item_text is not None and bool(data.item_text.any())
    texts = centred(data.item_text)[0] if has_text and data.item_text is not None else _no_columns(data.n_items)
    parts = [] if data.item_terms is None or not data.item_terms.nnz else [data.item_terms]
    parts += [] if data.triples is None or not len(data.triples) else _of_graph(data.triples)[:1]
    present = [_squares(part) for part in [texts] * has_text + parts]
    if not present:
        return ContentKernel(texts, _empty(data.n_items, 0))
    roots = np.sqrt(_scaled(np.ones(len(present)), present)).astype(np.float32)
    blocks = [part * root for part, root in zip(parts, roots[int(has_text) :], strict=True)]
    features = sparse.csr(hstack(blocks, format="csr")) if blocks else _empty(data.n_items, 0)
    return ContentKernel(texts * roots[0] if has_text else texts, features)


def learn(data: TrainingData, likes: csr_array, warm: NDArray[np.bool_], rng: np.random.Generator) -> ContentKernel:
    """Weigh texts, the whole graph, and each relation and direction of it.

    Each of them gives a kernel of its own: products of centred unit text vectors, or of idf-weighted features (see
    :func:`kgrec.models.features.graph_features`) whose rows have unit length. Their weights are those of the
    non-negative ridge regression of the cosine between two items' likes on the kernels, over random pairs of items,
    with an intercept: a sum of kernels that agrees with the behaviour (Cortes, Mohri and Rostamizadeh, Algorithms for
    Learning Kernels Based on Centered Alignment, JMLR 2012). The result is mixed with the plain mean of
    texts and graph.

    Args:
        data: texts and graph are read.
        likes: shape ``(n_users, n_items)``.
        warm: the items that the regression may look at, shape ``(n_items,)``.
        rng: draws the pairs.
    """
    has_text = data.item_text is not None and bool(data.item_text.any())
    texts = centred(data.item_text)[0] if has_text and data.item_text is not None else _no_columns(data.n_items)
    graph = [] if data.triples is None or not len(data.triples) else _of_graph(data.triples)
    plain = np.array([1.0] * has_text + [1.0] * bool(graph) + [0.0] * max(len(graph) - 1, 0))
    if not len(plain):
        return ContentKernel(texts, _empty(data.n_items, 0))
    present = [_squares(part) for part in [texts] * has_text + graph]
    weights = _scaled(plain, present)
    learned = _regress(texts if has_text else None, graph, likes, np.flatnonzero(warm), rng)
    if learned.any():
        weights = (1 - LEARNED) * weights + LEARNED * _scaled(learned, present)
    roots = np.sqrt(weights).astype(np.float32)
    if has_text:
        texts = texts * roots[0]
    blocks = [part * root for part, root in zip(graph, roots[int(has_text) :], strict=True) if root > 0]
    features = hstack(blocks, format="csr") if blocks else _empty(data.n_items, 0)
    return ContentKernel(texts, sparse.csr(features))


def _empty(n_rows: int, n_columns: int) -> csr_array:
    return sparse.csr(np.zeros((n_rows, n_columns), dtype=np.float32))


def _no_columns(n_items: int) -> NDArray[np.float32]:
    return np.zeros((n_items, 0), dtype=np.float32)


def _squares(part: NDArray[np.float32] | csr_array) -> NDArray[np.float64]:
    """Return the diagonal of a part's kernel, shape ``(n_items,)``."""
    squares = part.multiply(part) if isinstance(part, csr_array) else part * part
    return np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()


def _scaled(weights: NDArray[np.float64], diagonals: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Scale ``weights`` so that the diagonal of the kernel is 1 in the mean over the items that have content."""
    diagonal = np.tensordot(weights, np.array(diagonals), axes=1)
    described = diagonal > 0
    return weights / diagonal[described].mean() if described.any() else weights


def _of_graph(triples: Triples) -> list[csr_array]:
    """Return all features of the graph, then those of each relation and direction; rows of unit length or zero."""
    features = graph_features(triples)
    if not features.matrix.nnz:
        return []
    weighted = sparse.csr(features.matrix @ diags_array(features.idf()))
    kinds = 2 * features.relations + features.inverse
    return [
        _unit(weighted),
        *(_unit(sparse.csr(weighted[:, np.flatnonzero(kinds == kind)])) for kind in np.unique(kinds)),
    ]


def _unit(matrix: csr_array) -> csr_array:
    norms = np.sqrt(_squares(matrix))
    return sparse.csr(diags_array(np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)) @ matrix)


def _regress(
    texts: NDArray[np.float32] | None,
    graph: list[csr_array],
    likes: csr_array,
    warm: ItemIndices,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the weights of texts (if any) and of the parts of the graph, not yet scaled."""
    from scipy.optimize import nnls  # costs a tenth of a second, and only fitting needs it

    n_kernels = (texts is not None) + len(graph)
    if len(warm) < 2:
        return np.zeros(n_kernels)
    left, right = warm[rng.integers(len(warm), size=(2, PAIRS))]
    left, right = left[left != right], right[left != right]
    cosine = _products(_unit(sparse.csr(likes.T)), left, right)
    columns = [] if texts is None else [np.einsum("ij,ij->i", texts[left], texts[right])]
    columns += [_products(part, left, right) for part in graph]
    inputs = np.column_stack([*columns, np.ones(len(left))]).astype(np.float64)
    gram = inputs.T @ inputs / len(left)
    gram[np.arange(n_kernels), np.arange(n_kernels)] += SHRINKAGE
    root = np.linalg.cholesky(gram + 1e-12 * np.eye(len(gram)))
    # |R w - R^-T b|^2 is the regression's error up to a constant, in as many rows as there are kernels.
    target = np.linalg.solve(root, inputs.T @ cosine / len(left))
    return np.asarray(nnls(root.T, target)[0][:-1], dtype=np.float64)


def _products(rows: csr_array, left: ItemIndices, right: ItemIndices) -> NDArray[np.float64]:
    """Return the products of rows, pair by pair, shape ``(p,)``."""
    return np.asarray(rows[left].multiply(rows[right]).sum(axis=1), dtype=np.float64).ravel()
