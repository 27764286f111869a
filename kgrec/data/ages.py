"""When each item appeared, as far as the interactions tell."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray


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
