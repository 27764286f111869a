"""The same figures for parts of the users or of the items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.evaluate.judging import TestSet
from kgrec.evaluate.metrics import PerUser
from kgrec.ranking.top_k import hits, ndcg
from kgrec.types import Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FEW = 3
"""Users and items with at most so many likes are hardly known."""

MANY = 20
"""Users with more likes are well known."""

HEAD = 0.5
"""The popular items are those that together draw this share of all likes."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the test.

    Attributes:
        by: what it is cut by.
        name: of the part.
        users: which of the test_set's users are in it, shape ``(u,)``.
        items: which items count as relevant, shape ``(n_items,)``, or None for all.
    """

    by: str
    name: str
    users: Mask
    items: Mask | None = None


def make_slices(test_set: TestSet) -> list[Slice]:
    """Cut by how much is known of the user and by how popular the item is; empty parts are left out."""
    known = np.diff(test_set.history.indptr)
    bands = {
        "new (no likes)": known == 0,
        f"1 to {FEW} likes": (known > 0) & (known <= FEW),
        f"{FEW + 1} to {MANY} likes": (known > FEW) & (known <= MANY),
        f"more than {MANY} likes": known > MANY,
    }
    slices = [Slice("user activity", name, mask) for name, mask in bands.items()]
    everybody = np.ones(len(test_set.users), dtype=np.bool_)
    items = popularity_bands(test_set.popularity)
    slices += [Slice("item popularity", name, everybody, mask) for name, mask in items.items()]
    tested = np.zeros(test_set.truth.shape[1], dtype=np.bool_)
    tested[test_set.truth.indices] = True
    return [s for s in slices if s.users.any() and (s.items is None or (s.items & tested).any())]


def popularity_bands(popularity: NDArray[np.int64]) -> dict[str, Mask]:
    """Sort items from cold to popular: names of the bands and which items are in them, each of shape ``(n_items,)``."""
    popular = head(popularity)
    rare = (popularity > 0) & (popularity <= FEW)
    return {
        "cold (no likes)": popularity == 0,
        f"rare (1 to {FEW} likes)": rare & ~popular,
        "middle": (popularity > FEW) & ~popular,
        f"popular ({HEAD:.0%} of all likes)": popular,
    }


def head(popularity: NDArray[np.int64]) -> Mask:
    """Mark the fewest items that together draw :data:`HEAD` of all likes, shape ``(n_items,)``."""
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    marked = np.zeros(len(popularity), dtype=np.bool_)
    marked[order[before < HEAD * popularity.sum()]] = True
    return marked & (popularity > 0)


def slice_ndcg(top: NDArray[np.int64], test_set: TestSet, part: Slice, k: int) -> PerUser:
    """Return NDCG@k of the test_set's users in a slice, NaN for all others, shape ``(u,)``.

    The lists stay what they are; of a slice of items only those items count as relevant.
    """
    truth = test_set.truth if part.items is None else _only(test_set.truth, part.items)
    values = ndcg(hits(top[:, :k], truth), np.diff(truth.indptr).astype(np.int64))
    return np.where(part.users, values, np.nan)


def _only(truth: csr_array, items: Mask) -> csr_array:
    from scipy.sparse import csr_array

    kept = items[truth.indices]
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))[kept]
    return csr_array((truth.data[kept], (rows, truth.indices[kept])), shape=truth.shape)
