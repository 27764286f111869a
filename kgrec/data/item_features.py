"""What the tables tell of items: categories, by which lists are calibrated and diverse, and when each item appeared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.types import Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_CATEGORIES = 500
"""An attribute with more values names things, it does not sort them."""

SMALLEST = 3
"""Categories hold at least so many items on average."""


def item_categories(dataset: Dataset) -> tuple[str, csr_array] | None:
    """Return the attribute that sorts the items best, and its values as boolean CSR of shape ``(n_items, g)``.

    That is the attribute with a relation that most items have; of those, the one with the fewest values.
    None where no attribute sorts.
    """
    from scipy.sparse import csr_array

    best: tuple[tuple[int, int], str, pl.DataFrame] | None = None
    for name, attribute in dataset.item_attributes.items():
        if attribute.relation is None:
            continue
        column = pl.DataFrame({"item": np.arange(dataset.n_items), "value": dataset.items[name]})
        values = (column.explode("value") if attribute.multi else column).drop_nulls("value").unique()
        n_values, n_with = values["value"].n_unique(), values["item"].n_unique()
        if not 2 <= n_values <= MOST_CATEGORIES or values.height < SMALLEST * n_values:
            continue
        if best is None or (n_with, -n_values) > best[0]:
            best = ((n_with, -n_values), name, values)
    if best is None:
        return None
    _, name, values = best
    codes = values["value"].cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
    entries = (np.ones(len(codes), dtype=np.bool_), (values["item"].to_numpy(), codes))
    return name, csr_array(entries, shape=(dataset.n_items, int(codes.max()) + 1))


def list_features(item_text: Vectors | None, categories: csr_array | None) -> Vectors | None:
    """Return the vectors by which lists are diverse: of the texts, else of the categories, else none."""
    if item_text is not None:
        return item_text
    return None if categories is None else np.asarray(categories.todense(), dtype=np.float32)


def first_seen(interactions: pl.DataFrame, n_items: int) -> tuple[NDArray[np.float64], float]:
    """Return when each item was first interacted with, and when anything was last interacted with.

    Args:
        interactions: columns as in :data:`kgrec.data.dataset.INTERACTIONS`.
        n_items: number of items.

    Returns:
        unix seconds of shape ``(n_items,)``, NaN where no interaction has a time; the latest time, NaN without any.
    """
    known = interactions.filter(pl.col("item").is_not_null() & pl.col("time").is_not_null())
    earliest = known.group_by("item").agg(pl.col("time").min())
    first = np.full(n_items, np.nan)
    first[earliest["item"].to_numpy()] = earliest["time"].to_numpy()
    return first, float(known["time"].max()) if known.height else float("nan")  # type: ignore[arg-type]
