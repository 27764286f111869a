"""The log of what was shown after training, taken from a split, and lists for those who are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION, as_observed
from kgrec.data.split import interaction_matrix, to_events
from kgrec.evaluate.clicks import Showings
from kgrec.evaluate.splits import Holdout
from kgrec.evaluate.uplift import ShownLog, make_log
from kgrec.ranking.selection import mask_seen
from kgrec.ranking.top_k import top_k, with_reserved
from kgrec.types import Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.rerank.pipeline import Pipeline
    from kgrec.ranking.training_inputs import TrainingInputs

SPLITS = ("time", "given")
"""Splits whose test part is a later stretch of the log; others tear what was shown from what came of it."""


def held_log(
    dataset: Dataset, holdout: Holdout, weights: NDArray[np.float32], training: TrainingInputs, clip: float
) -> ShownLog | None:
    """Return what was shown after the fit part and what came of it; None where the data does not tell.

    Args:
        dataset: what was split.
        holdout: how it was split.
        weights: how much each row is a like, shape ``(n_rows,)``.
        training: what the systems are trained on.
        clip: smallest propensity.
    """
    if holdout.name not in SPLITS:
        return None
    later = ~holdout.fit
    if holdout.name == "time":  # a row without a time may be of any day
        later &= dataset.interactions["time"].is_not_null().to_numpy()
    shown = _shown_to(dataset, later)
    if not shown.nnz:
        return None
    liked = interaction_matrix(to_events(dataset, later, weights), dataset.n_users, dataset.n_items)
    return make_log(shown, liked, training.seen, as_observed(training.everything or training.fit), clip)


def _shown_to(dataset: Dataset, mask: Mask) -> csr_array:
    """Return how often each item was shown to each user in the rows of ``mask``, CSR ``(n_users, n_items)``."""
    from scipy.sparse import csr_array as csr

    rows = dataset.interactions.filter(pl.Series(mask) & (pl.col("action") == IMPRESSION)).drop_nulls("item")
    places = (rows["user"].to_numpy().astype(np.int64), rows["item"].to_numpy().astype(np.int64))
    return csr((np.ones(rows.height), places), shape=(dataset.n_users, dataset.n_items))


def lists_of_log(
    ranker: Ranker, log: ShownLog, k: int, *, block_size: int, steps: Pipeline | None
) -> NDArray[np.int64]:
    """Return the lists of those who were shown something, shape ``(u, k)``, -1 for none.

    Args:
        ranker: trained on the fit part.
        log: whom to rank for.
        k: length of the lists.
        block_size: users at once.
        steps: re-rankers that the lists go through, or None.
    """
    tops = []
    for start in range(0, len(log.users), block_size):
        block = slice(start, start + block_size)
        users = log.users[block]
        scores = ranker.fused(ranker.parts(users), users)
        mask_seen(scores, log.masked[block])
        if steps is None:
            tops.append(top_k(scores, k)[0])
        else:
            found = with_reserved(scores, *top_k(scores, max(k, steps.candidates)), steps.reserved)
            tops.append(steps.apply(*found, users, log.history[block], k)[0])
    return np.concatenate(tops)


def held_showings(dataset: Dataset, holdout: Holdout, weights: NDArray[np.float32]) -> Showings | None:
    """Return what was shown after the fit part and whether it was clicked; None where the data does not tell.

    A showing counts as clicked if the user liked the item in what was held out. Where no item that was liked has a
    showing too, the log writes either the one or the other, and likes are showings that were clicked. What one user
    was shown at the same time makes a group; without times, all that the user was shown.

    Args:
        dataset: what was split.
        holdout: how it was split.
        weights: how much each row is a like, shape ``(n_rows,)``.
    """
    if holdout.name not in SPLITS:
        return None
    rows = dataset.interactions.select(
        pl.col("user", "item").cast(pl.Int64),
        "time",
        shown=pl.col("action") == IMPRESSION,
        liked=pl.Series(weights > 0),
    )
    rows = rows.filter(pl.Series(~holdout.fit)).drop_nulls("item")
    likes = rows.filter("liked").select("user", "item").unique()
    showings = rows.filter("shown")
    if showings.join(likes, on=["user", "item"], how="semi").is_empty():
        showings = rows.filter(pl.col("shown") | pl.col("liked"))
    timed = showings.height > 0 and showings["time"].null_count() == 0
    key = ["user", "time"] if timed else ["user"]
    pairs = showings.unique([*key, "item"], maintain_order=True)
    pairs = pairs.join(likes.with_columns(clicked=True), on=["user", "item"], how="left", maintain_order="left")
    pairs = pairs.with_columns(pl.col("clicked").fill_null(False), group=pl.struct(key).rank("dense") - 1)
    if not 0 < pairs["clicked"].sum() < pairs.height:
        return None
    users, of_users = np.unique(pairs["user"].to_numpy(), return_inverse=True)
    items, columns = np.unique(pairs["item"].to_numpy(), return_inverse=True)
    groups, clicked = pairs["group"].to_numpy().astype(np.int64), pairs["clicked"].to_numpy()
    by = "what a user was shown at the same time" if timed else "all that a user was shown"
    return Showings(users, items, of_users.astype(np.int64), columns.astype(np.int64), groups, clicked, by)
