"""Content: items whose texts are near those of the history; and a kernel of likeness by texts and graph.

The kernel is what the scorers of cold items and of feedback compare items by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array, hstack, vstack

from kgrec.models import sparse
from kgrec.models.features import centred, graph_features, unit_rows
from kgrec.models.history import History, UserLikes
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import WORDS, Contribution, TextShare, Traits
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.types import (
    FactorScores,
    ItemIndices,
    Profile,
    Scores,
    SparseScores,
    SummedScores,
    TrainingData,
    Triples,
    UserIndices,
    Vectors,
)

PAIRS = 200_000
"""Pairs of items on which the weights are learned."""
SHRINKAGE = 2e-4
"""Ridge on the weights, a pair counting 1: what few items have must tell more to count."""
LEARNED = 0.8
"""Share of the learned kernel; the rest is the plain mean of texts and graph, which few data cannot upset."""


class ContentOptions(Options):
    """Options of ``[scorers.content]``."""

    nearest: float = Field(0.5, ge=0, le=1, description="share of the nearest neighbours in the score")
    neighbours: int = Field(50, ge=1, description="how many nearest texts an item keeps")
    own_words: float = Field(0.3, ge=0, description="weight of what users say of themselves")


class Content(Configured):
    """Scores an item by the mean similarity of its text to the texts that the user liked.

    The score is ``(1 - nearest) * mean_i w_i cos(z_j, z_i) + nearest * mean_i w_i near(j, i)`` over the items ``i`` of
    the history plus ``own_words * cos(z_j, z_user)``, where ``z`` are text vectors less the mean of all items, and
    ``near`` is the cosine if ``i`` is among the ``neighbours`` texts nearest to ``j``, else 0: what is very near
    counts, however far the rest of the history is. It needs no interactions of the scored item, so new items are
    scored like old ones; NaN for items without text and for users of whom no text is known.
    """

    Options = ContentOptions
    options: ContentOptions
    traits: ClassVar[Traits] = Traits(content_based=True)

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.has_texts else "no item has a text"

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try few and more neighbours and the plain mean; one setting where there are no texts."""
        return [{}, {"nearest": 0.9, "neighbours": 20}, {"nearest": 0.0}] if data.has_texts else [{}]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {"nearest": Real(0.0, 1.0), "neighbours": Whole(5, 200, log=True)}
        if data.user_text is not None and data.user_text.any():
            span["own_words"] = Real(0.0, 2.0)
        return span

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:  # noqa: ARG003
        """Return about how many seconds a fit takes: all pairs of texts."""
        return 2.5e-8 * data.n_items**2

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Centre the vectors and find the neighbours."""
        self._history = History.of(data.matrix)
        texts = data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), dtype=np.float32)
        self._vectors, self._mean = centred(texts)
        self._known: NDArray[np.bool_] = np.asarray(self._vectors.any(axis=1), dtype=np.bool_)
        self._lengths: NDArray[np.float32] | None = np.linalg.norm(texts - self._mean, axis=1).astype(np.float32)
        self._settings = np.array([self.options.nearest, self.options.own_words])
        self._near = _neighbours(self._vectors, self.options.neighbours, np.random.default_rng(seed))
        told = data.user_text is not None and data.item_text is not None and data.user_text.any()
        nobody = np.zeros((0, len(self._mean)), dtype=np.float32)  # a row for everybody would be large
        self._words = self._centre(data.user_text) if told and data.user_text is not None else nobody
        return self

    def _centre(self, vectors: Vectors) -> Vectors:
        """Put texts of users into the space of the items' vectors; zero rows stay zero."""
        return unit_rows(np.where(np.asarray(vectors.any(axis=1))[:, None], vectors - self._mean, np.float32(0)))

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``."""
        users = np.asarray(users, dtype=np.int64)
        return self._score(self._history.rows(users), self._words_of(users))

    def _words_of(self, users: UserIndices) -> Vectors:
        words = np.zeros((len(users), len(self._mean)), dtype=np.float32)
        known = users < len(self._words)
        words[known] = self._words[users[known]]
        return words

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return np.asarray(self._score(self._history.new(profile), self._new_words(profile))[0])

    def _new_words(self, profile: Profile) -> Vectors:
        if profile.text_vector is not None and len(profile.text_vector) == len(self._mean):
            return self._centre(np.asarray(profile.text_vector, dtype=np.float32)[None, :])
        return np.zeros((1, len(self._mean)), dtype=np.float32)

    def compact(self, users: UserIndices) -> SummedScores:
        """Return the product of texts, and what the nearest ones add."""
        users = np.asarray(users, dtype=np.int64)
        return self._compact(self._history.rows(users), self._words_of(users))

    def compact_new(self, profiles: Sequence[Profile]) -> SummedScores:
        """Return the same for people who were not there at training."""
        words = [np.zeros((0, len(self._mean)), dtype=np.float32), *map(self._new_words, profiles)]
        return self._compact(self._history.new_rows(profiles), np.concatenate(words))

    def _compact(self, rows: csr_array, words: Vectors) -> SummedScores:
        means = self._means(rows)
        nearest, own_words = (np.float32(value) for value in self._settings)
        interests = (1 - nearest) * (means @ self._vectors) + own_words * words
        told = (np.diff(means.indptr) > 0) | np.asarray(words.any(axis=1))
        product = FactorScores(interests.astype(np.float32, copy=False), self._vectors, told, self._known)
        near = sparse.csr(means @ self._near if nearest > 0 else csr_array(rows.shape, dtype=np.float32))
        near.data *= nearest
        return SummedScores(product, SparseScores(near, told, self._known))

    def _score(self, rows: csr_array, words: Vectors) -> Scores:
        form = self._compact(rows, words)
        scores = form.product.users @ self._vectors.T + form.added.matrix.toarray()
        scores[:, ~self._known] = np.nan
        scores[~form.known_users] = np.nan
        return np.asarray(scores, dtype=np.float32)

    def _means(self, rows: csr_array) -> csr_array:
        """Scale histories to weights that sum to 1, over the items that have a text."""
        rows = sparse.csr(rows.copy())
        rows.data[~self._known[rows.indices]] = 0
        rows.eliminate_zeros()
        users = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        sums = np.bincount(users, weights=rows.data, minlength=rows.shape[0])
        return csr_array(((rows.data / sums[users]).astype(np.float32), rows.indices, rows.indptr), shape=rows.shape)

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores of ``items`` by the items of the user's history and the user's own words."""
        return self._split(self._history.likes(user), self._words_of(np.array([user]))[0], items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return self._split(UserLikes.of(self._history.new(profile)), self._new_words(profile)[0], items)

    def _split(self, row: UserLikes, words: Vectors, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        told = self._known[row.indices] & (row.data != 0)
        liked, strengths = row.indices[told], row.data[told]
        means = UserLikes(liked, (strengths / max(float(strengths.sum(dtype=np.float64)), 1e-30)).astype(np.float32))
        nearest, own_words = (np.float32(value) for value in self._settings)
        cosines = self._vectors[items] @ self._vectors[means.indices].T
        near = sparse.dense_block(self._near, means.indices, items).T
        shares = ((1 - nearest) * cosines + nearest * near) * means.data  # (items, history)
        own = own_words * (self._vectors[items] @ words)[:, None]
        known = self._known[items, None]
        from_words = Contribution("text", np.array([-1]), own * known)
        return [Contribution("item", means.indices, shares * known), from_words]

    def by_text(self, user: int, item: int) -> list[TextShare]:
        """Say how the contributions depend on the item's text; what all texts have in common is a part of its own.

        The cosine to ``z_i`` is linear in the item's vector once its distance from the mean of all is known.
        """
        if self._lengths is None or not self._known[item]:
            return []
        users = np.array([user])
        means = self._means(self._history.rows(users))
        nearest, own_words = (np.float32(value) for value in self._settings)
        near = self._near[means.indices][:, [item]].toarray()[:, 0] != 0
        shares = ((1 - nearest) + nearest * near) * means.data / self._lengths[item]
        found = [
            TextShare(int(source), weights)
            for source, weights in zip(means.indices, shares[:, None] * self._vectors[means.indices], strict=True)
        ]
        said = own_words / self._lengths[item] * self._words_of(users)[0]
        return [*found, TextShare(WORDS, said)] if said.any() else found

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return history, vectors and neighbours as arrays."""
        return {
            **self._history.state(),
            **sparse.to_state("near", self._near),
            "vectors": self._vectors,
            "mean": self._mean,
            "words": self._words,
            "settings": self._settings,
            **({} if self._lengths is None else {"lengths": self._lengths}),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        self._near = sparse.from_state("near", state)
        self._vectors, self._mean = state["vectors"], state["mean"]
        self._words, self._settings = state["words"], state["settings"]
        self._lengths = state.get("lengths")
        self._known = np.asarray(self._vectors.any(axis=1), dtype=np.bool_)
        return self


def _neighbours(vectors: Vectors, k: int, rng: np.random.Generator) -> csr_array:
    """Return the cosines of each item (column) to its ``k`` nearest others (rows), positive ones only."""
    n_items = len(vectors)
    blocks = []
    for block in sparse.row_blocks(np.full(n_items, n_items)):
        cosines = vectors[block] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + block.start] = 0
        if n_items > k:  # drop what cannot be among the k nearest before anything is sorted
            cosines[cosines < np.partition(cosines, n_items - k, axis=1)[:, n_items - k, None]] = 0
        np.maximum(cosines, 0, out=cosines)
        blocks.append(sparse.top_k(csr_array(cosines), k, rng))
    return sparse.csr(vstack(blocks, format="csr").T)


def nearest_texts(texts: Vectors, k: int, rng: np.random.Generator) -> csr_array:
    """Return the cosines of each item (row) to the ``k`` items of the nearest texts, CSR of shape ``(n, n)``.

    Args:
        texts: shape ``(n, dim)``, zero rows where an item has no text.
        k: neighbours an item.
        rng: draws lots between equally near ones.
    """
    return sparse.csr(_neighbours(centred(texts)[0], k, rng).T)


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
    words = [data.item_terms] if data.item_terms is not None and data.item_terms.nnz else []
    parts = [_texts(data), *words, *_of_graph(data.triples)[:1]]
    return _weighted(parts, _scaled(np.ones(len(parts)), parts))


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
    graph = _of_graph(data.triples)
    parts = [_texts(data), *graph]
    weights = _scaled(np.array([1.0] * min(len(parts), 2) + [0.0] * max(len(graph) - 1, 0)), parts)
    learned = _regress(parts, likes, np.flatnonzero(warm), rng)
    if learned.any():
        weights = (1 - LEARNED) * weights + LEARNED * _scaled(learned, parts)
    return _weighted(parts, weights)


def _weighted(parts: list[Any], weights: NDArray[np.float64]) -> ContentKernel:
    """Return the sum of the parts' kernels, texts first."""
    roots = np.sqrt(weights).astype(np.float32)
    blocks = [part * root for part, root in zip(parts[1:], roots[1:], strict=True) if root > 0]
    empty = np.zeros((len(parts[0]), 0), dtype=np.float32)
    return ContentKernel(parts[0] * roots[0], sparse.csr(hstack(blocks, format="csr") if blocks else empty))


def _texts(data: TrainingData) -> NDArray[np.float32]:
    """Return the centred text vectors; no columns without texts."""
    if not data.has_texts or data.item_text is None:
        return np.zeros((data.n_items, 0), dtype=np.float32)
    return centred(data.item_text)[0]


def _squares(part: NDArray[np.float32] | csr_array) -> NDArray[np.float64]:
    """Return the diagonal of a part's kernel, shape ``(n_items,)``."""
    squares = part.multiply(part) if isinstance(part, csr_array) else part * part
    return np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()


def _scaled(weights: NDArray[np.float64], parts: list[Any]) -> NDArray[np.float64]:
    """Scale ``weights`` so that the diagonal of the kernel is 1 in the mean over the items that have content."""
    diagonal = np.tensordot(weights, np.array([_squares(part) for part in parts]), axes=1)
    described = diagonal > 0
    return weights / diagonal[described].mean() if described.any() else weights


def _of_graph(triples: Triples | None) -> list[csr_array]:
    """Return all features of the graph, then those of each relation and direction; rows of unit length or zero."""
    if triples is None or not len(triples):
        return []
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


def _regress(parts: list[Any], likes: csr_array, warm: ItemIndices, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the weights of the parts, texts first, not yet scaled."""
    from scipy.optimize import nnls  # costs a tenth of a second, and only fitting needs it

    n_kernels, texts = len(parts), parts[0]
    if len(warm) < 2:
        return np.zeros(n_kernels)
    left, right = warm[rng.integers(len(warm), size=(2, PAIRS))]
    left, right = left[left != right], right[left != right]
    cosine = _products(_unit(sparse.csr(likes.T)), left, right)
    columns = [np.einsum("ij,ij->i", texts[left], texts[right])]
    columns += [_products(part, left, right) for part in parts[1:]]
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
