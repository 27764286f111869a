"""The same figures for parts of the users or of the items, and how far groups of users are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.evaluate.judging import Exam
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

SMALLEST_GROUP = 10
"""Groups of fewer users say nothing."""

MOST_GROUPS = 12
"""An attribute with more values makes no groups."""

N_BANDS = 3
"""Numbers are cut into so many groups of the same size."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the test.

    Attributes:
        by: what it is cut by.
        name: of the part.
        users: which of the exam's users are in it, shape ``(u,)``.
        items: which items count as relevant, shape ``(n_items,)``, or None for all.
    """

    by: str
    name: str
    users: Mask
    items: Mask | None = None


def make_slices(exam: Exam) -> list[Slice]:
    """Cut by how much is known of the user and by how popular the item is; empty parts are left out."""
    known = np.diff(exam.history.indptr)
    bands = {
        "new (no likes)": known == 0,
        f"1 to {FEW} likes": (known > 0) & (known <= FEW),
        f"{FEW + 1} to {MANY} likes": (known > FEW) & (known <= MANY),
        f"more than {MANY} likes": known > MANY,
    }
    slices = [Slice("user activity", name, mask) for name, mask in bands.items()]
    everybody = np.ones(len(exam.users), dtype=np.bool_)
    items = popularity_bands(exam.popularity)
    slices += [Slice("item popularity", name, everybody, mask) for name, mask in items.items()]
    tested = np.zeros(exam.truth.shape[1], dtype=np.bool_)
    tested[exam.truth.indices] = True
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


def slice_ndcg(top: NDArray[np.int64], exam: Exam, part: Slice, k: int) -> PerUser:
    """Return NDCG@k of the exam's users in a slice, NaN for all others, shape ``(u,)``.

    The lists stay what they are; of a slice of items only those items count as relevant.
    """
    truth = exam.truth if part.items is None else _only(exam.truth, part.items)
    values = ndcg(hits(top[:, :k], truth), np.diff(truth.indptr).astype(np.int64))
    return np.where(part.users, values, np.nan)


def _only(truth: csr_array, items: Mask) -> csr_array:
    from scipy.sparse import csr_array

    kept = items[truth.indices]
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))[kept]
    return csr_array((truth.data[kept], (rows, truth.indices[kept])), shape=truth.shape)


@dataclass(frozen=True, slots=True)
class Gap:
    """How unequally a system serves the groups of an attribute.

    Attributes:
        attribute: of the users.
        metric: what is compared.
        groups: mean of the metric by group.
        sizes: users by group.
        gap: largest mean minus smallest.
    """

    attribute: str
    metric: str
    groups: dict[str, float]
    sizes: dict[str, int]
    gap: float


def group_gaps(dataset: Dataset, exam: Exam, metric: str, values: PerUser) -> list[Gap]:
    """Compare groups of users: ``max over groups of mean - min over groups of mean`` (Ekstrand et al. 2018).

    Args:
        dataset: its users table says who is in which group; numbers are cut into bands.
        exam: whose users the values belong to.
        metric: name of the values.
        values: one a user, shape ``(u,)``.
    """
    gaps = []
    for name, groups in _groupings(dataset):
        table = (
            pl.DataFrame({"group": groups.gather(exam.users), "value": values})
            .filter(pl.col("group").is_not_null() & pl.col("value").is_not_nan())
            .group_by("group")
            .agg(pl.col("value").mean(), n=pl.len())
            .filter(pl.col("n") >= SMALLEST_GROUP)
            .sort("group")
        )
        if table.height > 1:
            keys, means = table["group"].to_list(), table["value"].to_list()
            sizes = dict(zip(keys, table["n"].to_list(), strict=True))
            gaps.append(Gap(name, metric, dict(zip(keys, means, strict=True)), sizes, max(means) - min(means)))
    return gaps


def _groupings(dataset: Dataset) -> Iterator[tuple[str, pl.Series]]:
    for name, attribute in dataset.user_attributes.items():
        column = dataset.users[name]
        if attribute.multi or not column.count():
            continue
        numbers = column.cast(pl.Float64, strict=False)
        if column.n_unique() > MOST_GROUPS and numbers.count() == column.count():
            yield name, _bands(numbers)
        elif column.drop_nulls().n_unique() <= MOST_GROUPS:
            yield name, column.cast(pl.String)


def _bands(numbers: pl.Series) -> pl.Series:
    """Cut numbers into bands of about the same size, named by their ends."""
    values = numbers.to_numpy()
    edges = np.nanquantile(values, np.arange(1, N_BANDS) / N_BANDS)
    whole = bool((numbers.drop_nulls() % 1 == 0).all())
    shown = numbers.cast(pl.Int64) if whole else numbers
    bands = pl.DataFrame({"value": shown, "band": np.searchsorted(edges, values, side="right")})
    ends = pl.format("{} to {}", pl.col("value").min().over("band"), pl.col("value").max().over("band"))
    return bands.select(pl.when(pl.col("value").is_not_null()).then(ends)).to_series()
