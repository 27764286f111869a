"""What users were shown, and what of it they turned down: impressions, and ratings where they are marked so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import FeedbackConfig
from kgrec.data.dataset import Dataset
from kgrec.types import Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IMPRESSION = "impression"
"""The action of a row that says that an item was shown, and nothing of what the user did."""


def touched(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in which a user did something with an item: no searches, and nothing that was only shown."""
    return rows.filter(pl.col("item").is_not_null() & (pl.col("action") != IMPRESSION))


def shown_matrix(dataset: Dataset, mask: Mask) -> csr_array:
    """Return how often each item was shown to each user: float32 CSR ``(n_users, n_items)``, sorted indices.

    Args:
        dataset: the interactions.
        mask: rows to count, shape ``(n_rows,)``.
    """
    rows = dataset.interactions.filter(pl.Series(mask) & (pl.col("action") == IMPRESSION))
    return _counts(rows, dataset)


def rejected_matrix(
    dataset: Dataset,
    mask: Mask,
    weights: NDArray[np.float32],
    feedback: FeedbackConfig,
    threshold: float | None,
) -> csr_array:
    """Return what each user was shown and did not like: 1 a pair, float32 CSR ``(n_users, n_items)``, sorted indices.

    A pair is rejected if a row of ``mask`` is an impression of it, or, with ``feedback.low_ratings_reject``, a rating
    below the threshold, and no row of ``mask`` is a like of it. So a click makes good for the impression it came from.

    Args:
        dataset: the interactions.
        mask: rows to look at, shape ``(n_rows,)``.
        weights: as of :func:`kgrec.data.split.like_weights`, shape ``(n_rows,)``.
        feedback: whether low ratings reject.
        threshold: as of :func:`kgrec.data.split.like_threshold`.
    """
    against = pl.col("action") == IMPRESSION
    if feedback.low_ratings_reject and threshold is not None:
        against |= (pl.col("action") == "rate") & (pl.col("value") < threshold).fill_null(False)
    rows = dataset.interactions.with_columns(liked=pl.Series(weights) > 0).filter(pl.Series(mask))
    likes = rows.filter("liked").select("user", "item").unique()
    rejected = rows.filter(against & ~pl.col("liked")).select("user", "item").unique()
    return _counts(rejected.join(likes, on=["user", "item"], how="anti"), dataset)


def _counts(rows: pl.DataFrame, dataset: Dataset) -> csr_array:
    from scipy.sparse import coo_array

    rows = rows.drop_nulls("item")
    places = (rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy().astype(np.int64))
    ones = np.ones(rows.height, dtype=np.float32)
    matrix = coo_array((ones, places), shape=(dataset.n_users, dataset.n_items)).tocsr()
    matrix.sort_indices()
    return matrix
