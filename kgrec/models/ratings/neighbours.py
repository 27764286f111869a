"""Neighbourhoods: what like-minded people, or the user himself on like items, gave beyond the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.models import options, sparse
from kgrec.models.ratings.biases import Biases
from kgrec.models.ratings.table import Ratings
from kgrec.types import ItemIndices, UserIndices

MOST_SIMILAR = 512
"""Similarities kept of each user or item; the nearest who rated the other side are sought among them."""


SIDES = ("items", "users")
"""Whose neighbours."""

_BASELINE = "baseline."


class Neighbours:
    """Baseline plus the weighted deviations of the nearest neighbours, of users or of items.

    By items: ``r_ui = b_ui + sum_j s_ij (r_uj - b_uj) / (damping + sum_j s_ij)`` over the ``neighbours`` items ``j``
    rated by ``u`` that are most similar to ``i``, positive similarities only; by users with the roles exchanged
    (Koren 2010, equation 3; ``KNNBaseline`` of Surprise is this with ``damping`` 0, which lets one far neighbour speak
    as loud as forty near ones). The baseline is :class:`Biases`. Similarities, of the deviations ``e = r - b``:

    * ``cosine``: ``e_i . e_j / (|e_i| |e_j| + shrinkage)``, the adjusted cosine (Sarwar et al., WWW 2001), shrunk:
      pairs who share little are not similar, however much they agree there;
    * ``pearson``: the cosine over the common raters only, times ``(n_ij - 1) / (n_ij - 1 + 20 shrinkage)``
      (Koren 2010, equation 2). It takes four sparse products instead of one.

    Args:
        by: ``"items"`` or ``"users"``.
        neighbours: the most that speak.
        similarity: ``"cosine"`` or ``"pearson"``.
        shrinkage: in squares of the typical deviation; what rests on few common ratings is trusted less.
        damping: pulls towards the baseline where the neighbours are few and far.
    """

    def __init__(
        self,
        *,
        by: str = "items",
        neighbours: int = 40,
        similarity: str = "cosine",
        shrinkage: float = 5.0,
        damping: float = 0.3,
    ) -> None:
        self.by = options.choice("by", by, SIDES)
        self.neighbours = options.integer("neighbours", neighbours, low=1, high=MOST_SIMILAR)
        self.similarity = options.choice("similarity", similarity, ("cosine", "pearson"))
        self.shrinkage = options.number("shrinkage", shrinkage, low=0)
        self.damping = options.number("damping", damping, low=0)

    def fit(self, ratings: Ratings, *, seed: int) -> Self:
        """Learn the baseline and who is near whom."""
        self._baseline = Biases().fit(ratings)
        left = ratings.values - self._baseline.raw(ratings.users, ratings.items)
        deviations = ratings.matrix(left)  # (n_users, n_items)
        # Rows: those who may be neighbours; columns: what they rated, or who rated them.
        self._rows = deviations if self.by == "users" else sparse.csr(deviations.T)
        rng = np.random.default_rng([seed, 19])
        spread = max(float(np.sqrt(np.mean(np.square(left)))) if len(ratings) else 0.0, 1e-12)
        blocks = [sparse.top_k(block, MOST_SIMILAR, rng) for block in self._similarities(self._rows, spread)]
        self._similar = sparse.csr(vstack(blocks, format="csr"))
        return self

    def _similarities(self, rows: csr_array, spread: float) -> Iterator[csr_array]:
        """Yield the positive similarities of the rows in blocks, float32 CSR ``(b, n_rows)``."""
        rows = csr_array((rows.data / np.float32(spread), rows.indices, rows.indptr), shape=rows.shape)
        squares = csr_array((rows.data**2, rows.indices, rows.indptr), shape=rows.shape)
        pattern = csr_array((np.ones_like(rows.data), rows.indices, rows.indptr), shape=rows.shape)
        norms = np.sqrt(np.asarray(squares.sum(axis=1), dtype=np.float64)).astype(np.float32)
        shrinkage = np.float32(self.shrinkage)
        columns, columns_pattern, columns_squares = (sparse.csr(matrix.T) for matrix in (rows, pattern, squares))
        for block, product in sparse.gram_blocks(columns):
            product.sort_indices()
            here = np.repeat(np.arange(block.start, block.stop), np.diff(product.indptr))
            there = product.indices
            if self.similarity == "cosine":
                product.data /= np.maximum(norms[here] * norms[there] + shrinkage, np.float32(1e-12))
            else:
                n_common = _entries(pattern[block] @ columns_pattern, product) - 1
                lengths = _entries(squares[block] @ columns_pattern, product)
                lengths *= _entries(pattern[block] @ columns_squares, product)
                trust = n_common / np.maximum(n_common + 20 * shrinkage, np.float32(1e-12))
                product.data *= trust / np.maximum(np.sqrt(lengths), np.float32(1e-12))
            product.data[(here == there) | (product.data < 0)] = 0  # nobody is his own neighbour
            product.eliminate_zeros()
            yield product

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict each pair -> float32 ``(p,)``, within the scale."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        found = self._baseline.raw(users, items) + self._beyond(users, items)
        return self._baseline.clip(found)

    def _beyond(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Return what the neighbours say beyond the baseline, shape ``(p,)``."""
        targets, others = (users, items) if self.by == "users" else (items, users)
        raters = sparse.csr(self._rows.T)  # row o: who rated o, and how far from the baseline
        pattern = csr_array((np.ones_like(raters.data), raters.indices, raters.indptr), shape=raters.shape)
        costs = np.diff(raters.indptr)[others] + np.diff(self._similar.indptr)[targets] + 1
        said = np.zeros(len(targets), dtype=np.float32)
        rng = np.random.default_rng(0)  # only among equals, who all say the same or weigh nothing
        for pairs in sparse.row_blocks(costs):
            here = others[pairs]
            weights = sparse.top_k(
                sparse.csr(self._similar[targets[pairs]].multiply(pattern[here])), self.neighbours, rng
            )
            spoken = np.asarray(weights.multiply(raters[here]).sum(axis=1), dtype=np.float32)
            total = np.asarray(weights.sum(axis=1), dtype=np.float32) + np.float32(self.damping)
            said[pairs] = spoken / np.maximum(total, np.float32(1e-12))
        return said

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the baseline, the deviations, the similarities and how they are used."""
        return {
            **{f"{_BASELINE}{name}": array for name, array in self._baseline.state().items()},
            **sparse.to_state("rows", self._rows),
            **sparse.to_state("similar", self._similar),
            "settings": np.array([SIDES.index(self.by), self.neighbours, self.damping]),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose state this is."""
        parts = {name.removeprefix(_BASELINE): array for name, array in state.items() if name.startswith(_BASELINE)}
        self._baseline = Biases().load_state(parts)
        self._rows, self._similar = sparse.from_state("rows", state), sparse.from_state("similar", state)
        side, neighbours, self.damping = (float(value) for value in state["settings"])
        self.by, self.neighbours = SIDES[int(side)], int(neighbours)
        return self


def _entries(matrix: csr_array, like: csr_array) -> NDArray[np.float32]:
    """Return the entries of a product in the order of another product of the same patterns, shape ``(nnz,)``."""
    matrix.sort_indices()
    if matrix.nnz != like.nnz:  # scipy keeps entries that cancel out, so that the patterns are the same
        raise ValueError(f"products of the same patterns have {matrix.nnz} and {like.nnz} entries")
    return np.asarray(matrix.data, dtype=np.float32)
