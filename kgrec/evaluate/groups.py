"""How far groups of users are apart: by gender, age and whatever else the users table says, and by activity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.evaluate.lists_record import Gap
from kgrec.evaluate.metrics import PerUser
from kgrec.evaluate.test_set import TestSet
from kgrec.models.ndcg import hits, ndcg
from kgrec.significance import BLOCK, DRAWS, bootstrap, holm, percentiles
from kgrec.types import Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SMALLEST_GROUP = 10
"""Groups of fewer users say nothing."""

MOST_GROUPS = 12
"""An attribute with more values makes no groups."""

N_BANDS = 3
"""Numbers are cut into so many groups of the same size."""

ACTIVITY = "activity"
"""Grouping by how many items a user interacted with."""


def group_gaps(dataset: Dataset, metric: str, values: PerUser, rng: np.random.Generator) -> list[Gap]:
    """Compare groups of users: ``max over groups of mean - min over groups of mean`` (Ekstrand et al., FAT* 2018).

    Args:
        dataset: its users table says who is in which group; numbers are cut into bands.
        metric: name of the values.
        values: one a user, by the user's position, shape ``(n,)`` with ``n <= n_users``; NaN where not tested.
        rng: draws users and permutations.
    """
    gaps = []
    for name, groups in groupings(dataset):
        table = pl.DataFrame({"group": groups.head(len(values)), "value": values})
        table = table.filter(pl.col("group").is_not_null() & pl.col("value").is_not_nan())
        table = table.filter(pl.len().over("group") >= SMALLEST_GROUP).sort("group", maintain_order=True)
        if table["group"].n_unique() > 1:
            gaps.append(_gap(name, metric, table, rng))
    corrected = holm([gap.p for gap in gaps])
    return [gap.model_copy(update={"p_holm": p}) for gap, p in zip(gaps, corrected, strict=True)]


def _gap(name: str, metric: str, table: pl.DataFrame, rng: np.random.Generator) -> Gap:
    keys = table["group"].unique(maintain_order=True).to_list()
    parts = [rows["value"].to_numpy() for rows in table.partition_by("group", maintain_order=True)]
    means = [float(part.mean()) for part in parts]
    best, worst = parts[int(np.argmax(means))], parts[int(np.argmin(means))]
    low, high = percentiles((best, worst), _difference, rng)
    return Gap(
        attribute=name,
        metric=metric,
        groups=dict(zip(keys, means, strict=True)),
        sizes={key: len(part) for key, part in zip(keys, parts, strict=True)},
        gap=max(means) - min(means),
        intervals={key: bootstrap(part, rng) for key, part in zip(keys, parts, strict=True)},
        low=low,
        high=high,
        p=_permutation_p(parts, rng),
        effect=_cohens_d(best, worst),
    )


def _difference(a: NDArray[np.float64], b: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    return np.asarray(a.mean(axis=axis) - b.mean(axis=axis))


def _permutation_p(groups: Sequence[NDArray[np.float64]], rng: np.random.Generator) -> float:
    """Return how often a random dealing out of the users gives a range of group means as large (Fisher 1935)."""
    from scipy.stats import permutation_test

    def spread(*dealt: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        means = np.stack([group.mean(axis=axis) for group in dealt])
        return np.asarray(
            np.round(np.ptp(means, axis=0), 12)
        )  # the sums of the same numbers in another order are equal

    batch = max(1, BLOCK // sum(map(len, groups)))
    found = permutation_test(
        groups, spread, n_resamples=DRAWS, batch=batch, vectorized=True, alternative="greater", rng=rng
    )
    return float(found.pvalue)


def _cohens_d(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Cohen's d of two groups: difference of the means over the pooled standard deviation (Cohen 1988)."""
    freedom = len(a) + len(b) - 2
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / freedom)
    return float((a.mean() - b.mean()) / pooled) if pooled > 0 else 0.0


def groupings(dataset: Dataset) -> Iterator[tuple[str, pl.Series]]:
    """Iterate over attributes of the users and each user's group by it, null for none; last by activity."""
    for name, attribute in dataset.user_attributes.items():
        column = dataset.users[name]
        if attribute.multi or not column.count():
            continue
        numbers = column.cast(pl.Float64, strict=False)
        if column.n_unique() > MOST_GROUPS and numbers.count() == column.count():
            yield name, _bands(numbers)
        elif column.drop_nulls().n_unique() <= MOST_GROUPS:
            yield name, column.cast(pl.String)
    yield ACTIVITY, _bands(_activity(dataset))


def _activity(dataset: Dataset) -> pl.Series:
    """Return how many items each user interacted with in all of the data, shape ``(n_users,)``."""
    pairs = dataset.interactions.filter(pl.col("item").is_not_null()).select("user", "item").unique()
    counts = np.bincount(pairs["user"].to_numpy().astype(np.int64), minlength=dataset.n_users)
    return pl.Series(counts, dtype=pl.Float64)


def _bands(numbers: pl.Series) -> pl.Series:
    """Cut numbers into bands of about the same size, named by their ends and in their order."""
    values = numbers.to_numpy()
    edges = np.nanquantile(values, np.arange(1, N_BANDS) / N_BANDS)
    whole = bool((numbers.drop_nulls() % 1 == 0).all())
    shown = numbers.cast(pl.Int64) if whole else numbers
    bands = pl.DataFrame({"value": shown, "band": np.searchsorted(edges, values, side="right")})
    ends = pl.format("{} to {}", pl.col("value").min().over("band"), pl.col("value").max().over("band"))
    named = bands.with_columns(name=pl.when(pl.col("value").is_not_null()).then(ends))
    order = named.drop_nulls("name").sort("band")["name"].unique(maintain_order=True)
    return named["name"].cast(pl.Enum(order))


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
