"""Standard scores: mean and deviation of each user's scores, also of those that are not written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.types import FactorScores, Scores, SparseScores, SummedScores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ROWS = 4_096
"""Items whose vectors are doubled in precision at once."""

GATHERED = 1 << 22
"""Numbers gathered at once."""

DENSE = 40
"""Where more than one in so many scores is that of a seen item, writing all down is cheaper than picking these."""


def standardise(scores: Scores, seen: csr_array | None = None) -> Scores:
    """Return each row shifted to mean 0 and scaled to deviation 1; what a scorer cannot score becomes 0, the mean.

    A row without spread (a user nothing is known of) becomes 0 throughout, so other scorers decide.

    Args:
        scores: shape ``(u, n_items)``, NaN where the scorer cannot score.
        seen: items that do not count for mean and deviation, CSR of the same shape: what a scorer gives to the items
            that it was fitted on differs from scorer to scorer, and none of them is ranked.
    """
    complete = bool(np.isfinite(scores.sum(axis=1)).all())  # one pass, no mask: nearly all scorers score everything
    known = None if complete else np.isfinite(scores)
    rows, columns = np.zeros((2, 0), dtype=np.int64)
    if seen is not None:
        places = SeenPlaces.of(seen)
        rows, columns = places.rows, places.columns
    if known is not None:
        kept = known[rows, columns]
        rows, columns = rows[kept], columns[kept]
    filled = scores if known is None else np.where(known, scores, np.float32(0))
    scored = np.full(len(scores), scores.shape[1]) if known is None else known.sum(axis=1)
    count = np.maximum(scored - np.bincount(rows, minlength=len(scores)), 1)
    total = filled.sum(axis=1) - np.bincount(rows, filled[rows, columns], len(scores))
    mean = (total / count).astype(np.float32)[:, None]
    centred = filled - mean
    if known is not None:
        centred[~known] = 0
    apart = centred[rows, columns]
    centred[rows, columns] = 0  # not subtracted afterwards: they may be larger than all others together
    squares = np.vecdot(centred, centred)
    centred[rows, columns] = apart
    deviation = np.sqrt(np.maximum(squares, 0) / count)[:, None]
    flat = is_flat(mean, deviation)
    centred *= np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, deviation)).astype(np.float32)
    return np.asarray(centred, dtype=np.float32)


def is_flat(mean: NDArray[Any], deviation: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which rows have no spread beyond rounding."""
    return np.asarray(deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Product:
    """What is the same for all users of a scorer whose scores are products.

    Attributes:
        items: vectors, zero rows for unknown items, shape ``(n_items, k)``.
        centre: their mean over the known items, shape ``(k,)``.
        gram: sum over the known items of ``(y - centre)(y - centre)'``, shape ``(k, k)``.
    """

    items: NDArray[np.float32]
    centre: NDArray[np.float64]
    gram: NDArray[np.float64]

    @classmethod
    def of(cls, items: NDArray[np.float32], known: NDArray[np.bool_]) -> Product:
        """Prepare the vectors of the items, of which ``known`` can be scored."""
        masked = items if known.all() else np.where(known[:, None], items, np.float32(0))
        centre = masked.sum(axis=0, dtype=np.float64) / max(int(known.sum()), 1)
        gram = np.zeros((items.shape[1], items.shape[1]))
        for start in range(0, len(items), ROWS):
            block = slice(start, start + ROWS)
            part = masked[block][known[block]].astype(np.float64) - centre
            gram += part.T @ part
        return cls(masked, centre, gram)


@dataclass(frozen=True, slots=True)
class SeenPlaces:
    """The places of seen items in a block, which count neither for mean nor for deviation."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    n_rows: int

    @classmethod
    def of(cls, seen: csr_array) -> SeenPlaces:
        """Return the places of the nonzeros of ``seen``, shape ``(u, n_items)``."""
        rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
        return cls(rows, seen.indices.astype(np.int64), seen.shape[0])

    def of_known(self, known: NDArray[np.bool_]) -> SeenPlaces:
        """Leave out items that a scorer cannot score."""
        if known.all():
            return self
        kept = known[self.columns]
        return SeenPlaces(self.rows[kept], self.columns[kept], self.n_rows)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum up values at the places, by row."""
        return np.bincount(self.rows, values, self.n_rows).astype(np.float64, copy=False)

    def left(self, known: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the known items of each row that are not seen, at least 1; for :meth:`of_known`."""
        return np.maximum(int(known.sum()) - np.bincount(self.rows, minlength=self.n_rows), 1)


def product_statistics(
    product: Product, part: FactorScores, seen: SeenPlaces
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of each row over the known items that are not seen, shapes ``(u,)``."""
    users = part.users.astype(np.float64)
    middle = users @ product.centre
    squares = np.einsum("uk,uk->u", users @ product.gram, users)
    places = seen.of_known(part.known_items)
    off = _picked(part.users, product.items, places) - middle[places.rows]
    count = places.left(part.known_items)
    shift = -places.sums(off) / count
    variance = (squares - places.sums(off**2)) / count - shift**2
    return middle + shift, np.sqrt(np.maximum(variance, 0))


def _picked(users: NDArray[np.float32], items: NDArray[np.float32], places: SeenPlaces) -> NDArray[np.float32]:
    """Return the products at some places."""
    rows, columns = places.rows, places.columns
    if len(users) == 1:
        return np.asarray(items[columns] @ users[0])
    if len(rows) * DENSE > len(users) * len(items):
        return np.asarray((users @ items.T)[rows, columns])
    found = np.empty(len(rows), dtype=np.float32)
    step = max(GATHERED // max(users.shape[1], 1), 1)
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        found[block] = np.einsum("ek,ek->e", users[rows[block]], items[columns[block]])
    return found


@dataclass(frozen=True, slots=True)
class Entries:
    """Sparse scores by their places in a block, counted through row by row; of unknown items they are 0."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, part: SparseScores) -> Entries:
        """Return the entries of a block."""
        matrix = part.matrix
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        places = rows * matrix.shape[1]
        places += matrix.indices
        if part.known_items.all():
            return cls(rows, places, matrix.data)
        return cls(rows, places, np.where(part.known_items[matrix.indices], matrix.data, np.float32(0)))

    def statistics(
        self, part: SparseScores, seen: SeenPlaces, scratch: Scores
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and deviation of each row over the known items that are not seen, shapes ``(u,)``.

        Args:
            part: whose entries these are.
            seen: what does not count.
            scratch: contiguous, shape ``(u, n_items)``; overwritten here and there.
        """
        seen = seen.of_known(part.known_items)
        at_seen = seen.rows * scratch.shape[1] + seen.columns
        flat = scratch.reshape(-1)
        flat[at_seen] = 0
        flat[self.places] = self.values
        values, apart = self.values.astype(np.float64), flat[at_seen].astype(np.float64)
        count = seen.left(part.known_items)
        mean = (np.bincount(self.rows, values, len(scratch)) - seen.sums(apart)) / count
        squares = np.bincount(self.rows, values * values, len(scratch)) - seen.sums(apart * apart)
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))

    def beside(
        self, product: Product, part: SummedScores, seen: SeenPlaces, mean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return twice the covariance of a product and these entries over the known items not seen, shape ``(u,)``.

        Args:
            product: of the product.
            part: whose entries these are.
            seen: what does not count.
            mean: of the product, shape ``(u,)``.
        """
        seen = seen.of_known(part.known_items)
        width = len(part.known_items)
        columns = self.places - self.rows * width
        kept = ~np.isin(self.places, seen.rows * width + seen.columns)
        places = SeenPlaces(self.rows[kept], columns[kept], seen.n_rows)
        centred = _picked(part.product.users, product.items, places) - mean[places.rows]
        together = places.sums(self.values[kept] * centred)
        return np.asarray(2 * together / seen.left(part.known_items))

    def add_to(self, out: Scores, scale: NDArray[np.float32]) -> None:
        """Add the scores, times the scale of each row, to a contiguous array of shape ``(u, n_items)``."""
        out.reshape(-1)[self.places] += self.values * scale[self.rows]
