"""What users were shown, what of it they turned down, and weights that undo who was shown what.

What was never shown could not be liked, and what everybody sees is liked often. Weighing each like by the inverse of
the propensity (the probability that the item was seen) makes the observed likes stand for all likes there would be
(Schnabel et al., *Recommendations as Treatments*, ICML 2016; Saito et al., *Unbiased Recommender Learning from
Missing-Not-At-Random Implicit Feedback*, WSDM 2020).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import DebiasConfig, FeedbackConfig
from kgrec.data.dataset import Dataset
from kgrec.plugin.domain import AGAINST
from kgrec.types import Mask, TrainingData

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IMPRESSION = "impression"
"""The action of a row that says that an item was shown, and nothing of what the user did."""


def touched(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in which a user did something with an item: no searches, and nothing that was only shown."""
    return rows.filter(pl.col("item").is_not_null() & (pl.col("action") != IMPRESSION))


def rejected_matrix(
    dataset: Dataset,
    mask: Mask,
    weights: NDArray[np.float32],
    feedback: FeedbackConfig,
    threshold: float | None,
) -> csr_array:
    """Return what each user was shown and did not like: 1 a pair, float32 CSR ``(n_users, n_items)``, sorted indices.

    A pair is rejected if a row of ``mask`` is an impression of it, a dislike or a skip, or, with
    ``feedback.low_ratings_reject``, a rating below the threshold, and no row of ``mask`` is a like of it. So a click
    cancels the impression it came from.

    Args:
        dataset: the interactions.
        mask: rows to look at, shape ``(n_rows,)``.
        weights: as of :func:`kgrec.data.split.like_weights`, shape ``(n_rows,)``.
        feedback: whether low ratings reject.
        threshold: as of :func:`kgrec.data.split.like_threshold`.
    """
    against = pl.col("action").is_in([IMPRESSION, *AGAINST])
    if feedback.low_ratings_reject and threshold is not None:
        against |= (pl.col("action") == "rate") & (pl.col("value") < threshold).fill_null(False)
    rows = dataset.interactions.with_columns(liked=pl.Series(weights) > 0).filter(pl.Series(mask))
    likes = rows.filter("liked").select("user", "item").unique()
    rejected = rows.filter(against & ~pl.col("liked")).select("user", "item").unique()
    return pair_matrix(rejected.join(likes, on=["user", "item"], how="anti"), dataset)


def pair_matrix(rows: pl.DataFrame, dataset: Dataset) -> csr_array:
    """Return how many of ``rows`` each user and item has: float32 CSR ``(n_users, n_items)``, sorted indices."""
    from scipy.sparse import coo_array

    rows = rows.drop_nulls("item")
    places = (rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy().astype(np.int64))
    ones = np.ones(rows.height, dtype=np.float32)
    matrix = coo_array((ones, places), shape=(dataset.n_users, dataset.n_items)).tocsr()
    matrix.sort_indices()
    return matrix


def popularity_propensities(popularity: NDArray[np.int64], power: float) -> NDArray[np.float64]:
    """Return ``(n_i / max n) ** power`` for the number ``n_i`` of users who like an item (Saito et al. 2020).

    Saito et al. take the power 0.5; Yang et al. (RecSys 2018) call it ``(gamma + 1) / 2``. Known up to a factor only,
    which self-normalised estimates do not need.

    Args:
        popularity: shape ``(n_items,)``.
        power: 0 makes all items equally likely.
    """
    return np.asarray((popularity / max(int(popularity.max(initial=0)), 1)) ** power, dtype=np.float64)


def times_shown(dataset: Dataset, mask: Mask) -> NDArray[np.int64] | None:
    """Return to how many users each item was shown in the rows of ``mask``, shape ``(n_items,)``; None: not known.

    Args:
        dataset: the interactions; rows with the action ``impression`` say that an item was shown.
        mask: rows to count, shape ``(n_rows,)``.
    """
    rows = dataset.interactions.filter(pl.Series(mask) & (pl.col("action") == IMPRESSION)).drop_nulls("item")
    if not rows.height:
        return None
    items = rows.select("user", "item").unique()["item"].to_numpy().astype(np.int64)
    return np.bincount(items, minlength=dataset.n_items).astype(np.int64)


def inverse_propensities(
    popularity: NDArray[np.int64], config: DebiasConfig, shown: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return ``1 / max(propensity, clip)`` of each item, shape ``(n_items,)``.

    Clipping trades a little bias for much variance: one like of an item that hardly anybody saw would otherwise count
    as much as hundreds of others (Strehl et al., NeurIPS 2010).

    Args:
        popularity: users who like each item, shape ``(n_items,)``.
        config: power and clip.
        shown: how often each item was shown, shape ``(n_items,)``: the propensity is then ``shown_i / max shown``
            instead of a guess from popularity. None where the data does not tell.
    """
    guessed = shown is None
    found = popularity_propensities(popularity if shown is None else shown, config.power if guessed else 1.0)
    return 1.0 / np.maximum(found, config.clip)


def debiased(data: TrainingData, config: DebiasConfig, shown: NDArray[np.int64] | None = None) -> TrainingData:
    """Weigh each like by the inverse propensity of its item; ``training = "none"`` changes nothing.

    The weights are scaled so that their mean over all likes is 1: what options such as ALS's ``alpha`` mean stays. The
    matrix and the events behind it are weighed alike, so every scorer that reads strengths reads them weighed.

    Args:
        data: the likes; their own counts are the popularity.
        config: whether, and how.
        shown: how often each item was shown, shape ``(n_items,)``, or None where the data does not tell.
    """
    if config.training == "none" or not data.matrix.nnz:
        return data
    item_weights = like_factors(data.matrix, config, shown)
    matrix = data.matrix.copy()
    matrix.data = matrix.data * item_weights[matrix.indices]
    events = replace(data.events, weights=data.events.weights * item_weights[data.events.items])
    return replace(data, matrix=matrix, events=events, item_weights=item_weights)


def like_factors(likes: csr_array, config: DebiasConfig, shown: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Return the inverse propensity of each item over its mean over all likes, shape ``(n_items,)``."""
    popularity = np.bincount(likes.indices, minlength=likes.shape[1]).astype(np.int64)
    inverse = inverse_propensities(popularity, config, shown)
    return np.asarray(inverse / inverse[likes.indices].mean(), dtype=np.float32)


def as_observed(data: TrainingData) -> csr_array:
    """Return ``data.matrix`` without the weights of :func:`debiased`."""
    if data.item_weights is None:
        return data.matrix
    matrix = data.matrix.copy()
    matrix.data = matrix.data / data.item_weights[matrix.indices]
    return matrix
