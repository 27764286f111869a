"""Content: items whose texts are near those of the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.models import options, sparse
from kgrec.models.features import centred, unit_rows
from kgrec.models.history import History
from kgrec.plugin.protocols import WORDS, Contribution, TextShare
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.types import ItemIndices, Profile, Scores, TrainingData, UserIndices, Vectors


class Content:
    """Scores an item by the mean similarity of its text to the texts that the user liked.

    The score is ``(1 - nearest) * mean_i w_i cos(z_j, z_i) + nearest * mean_i w_i near(j, i)`` over the items ``i`` of
    the history plus ``own_words * cos(z_j, z_user)``, where ``z`` are text vectors less the mean of all items, and
    ``near`` is the cosine if ``i`` is among the ``neighbours`` texts nearest to ``j``, else 0: what is very near
    counts, however far the rest of the history is. It needs no interactions of the scored item, so new items are
    scored like old ones; NaN for items without text and for users of whom no text is known.

    Args:
        nearest: share of the nearest neighbours in the score, in ``[0, 1]``.
        neighbours: how many nearest texts an item keeps.
        own_words: weight of what users say of themselves.
    """

    content_based = True
    """It can score an item that nobody has touched."""

    def __init__(self, *, nearest: float = 0.5, neighbours: int = 50, own_words: float = 0.3) -> None:
        self.nearest = options.number("nearest", nearest, low=0, high=1)
        self.neighbours = options.integer("neighbours", neighbours, low=1)
        self.own_words = options.number("own_words", own_words, low=0)

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.item_text is not None and data.item_text.any() else "no item has a text"

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try few and more neighbours and the plain mean; one setting where there are no texts."""
        if data.item_text is None or not data.item_text.any():
            return [{}]
        return [{}, {"nearest": 0.9, "neighbours": 20}, {"nearest": 0.0}]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {"nearest": Real(0.0, 1.0), "neighbours": Whole(5, 200, log=True)}
        if data.user_text is not None and data.user_text.any():
            span["own_words"] = Real(0.0, 2.0)
        return span

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Centre the vectors and find the neighbours."""
        self._history = History.of(data.matrix)
        texts = data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), dtype=np.float32)
        self._vectors, self._mean = centred(texts)
        self._known: NDArray[np.bool_] = np.asarray(self._vectors.any(axis=1), dtype=np.bool_)
        self._lengths: NDArray[np.float32] | None = np.linalg.norm(texts - self._mean, axis=1).astype(np.float32)
        self._settings = np.array([self.nearest, self.own_words])
        self._near = _neighbours(self._vectors, self.neighbours, np.random.default_rng(seed))
        words = np.zeros((data.n_users, len(self._mean)), dtype=np.float32)
        if data.user_text is not None and data.item_text is not None:
            words = self._centre(data.user_text)
        self._words = words
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

    def _score(self, rows: csr_array, words: Vectors) -> Scores:
        means = self._means(rows)
        nearest, own_words = (np.float32(value) for value in self._settings)
        interests = (1 - nearest) * (means @ self._vectors) + own_words * words
        scores = interests @ self._vectors.T
        if nearest > 0:
            scores += nearest * (means @ self._near).toarray()
        scores[:, ~self._known] = np.nan
        silent = ~np.asarray(words.any(axis=1))
        scores[(np.diff(means.indptr) == 0) & silent] = np.nan
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
        users = np.array([user])
        return self._split(self._history.rows(users), self._words_of(users)[0], items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return self._split(self._history.new(profile), self._new_words(profile)[0], items)

    def _split(self, row: csr_array, words: Vectors, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        means = self._means(row)
        nearest, own_words = (np.float32(value) for value in self._settings)
        cosines = self._vectors[items] @ self._vectors[means.indices].T
        near = self._near[means.indices][:, items].toarray().T
        shares = ((1 - nearest) * cosines + nearest * near) * means.data  # (items, history)
        own = own_words * (self._vectors[items] @ words)
        parts = np.concatenate([shares, own[:, None]], axis=1)
        sources = [*means.indices.tolist(), -1]
        targets, columns = np.nonzero(parts * self._known[items, None])
        return [
            Contribution(int(items[t]), "item" if sources[c] >= 0 else "text", sources[c], float(parts[t, c]))
            for t, c in zip(targets, columns, strict=True)
        ]

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
