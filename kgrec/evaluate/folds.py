"""K-fold cross-validation of lists: every liked pair is held out once."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.errors import UsageError
from kgrec.types import Mask

K_FOLD = "k-fold"
"""The protocol's name."""

FOLDS = 5
"""Parts when nothing else is said."""


def fold_of_pairs(
    pairs: NDArray[np.int64], users: NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal each user's pairs out to the folds, at random and as evenly as they go, shape ``(p,)``.

    A user's folds differ by one pair at most; whoever has fewer pairs than there are folds is tested in as many.

    Args:
        pairs: distinct pairs of user and item, shape ``(p,)``.
        users: whose they are, shape ``(p,)``.
        n_folds: parts.
        rng: draws the order, and at which fold each user's dealing starts.
    """
    dealt = (
        pl.DataFrame({"place": np.arange(len(pairs)), "user": users, "draw": rng.random(len(pairs))})
        .sort("user", "draw")
        .with_columns(rank=pl.int_range(pl.len()).over("user"))
        .sort("place")
    )
    starts = rng.integers(n_folds, size=int(users.max(initial=-1)) + 1)
    folds: NDArray[np.int64] = (dealt["rank"].to_numpy() + starts[users]) % n_folds
    return folds


def hold_out_fold(
    dataset: Dataset, pairs: NDArray[np.int64], liked: Mask, fold: int, n_folds: int, seed: int
) -> tuple[Mask, Mask]:
    """Return which rows are fitted on and which are tested on in one fold, each of shape ``(n_rows,)``.

    All of the user's rows on a held-out item leave the fit part, not just the like.

    Args:
        dataset: the interactions.
        pairs: a number for each row's user and item, shape ``(n_rows,)``.
        liked: which rows are likes of an item, shape ``(n_rows,)``.
        fold: which part is held out, from 0.
        n_folds: parts.
        seed: of the dealing; the same for all folds.

    Raises:
        UsageError: there are fewer than two folds, or no such fold.
    """
    if n_folds < 2 or not 0 <= fold < n_folds:
        raise UsageError(f"there is no fold {fold} of {n_folds}", hint="give at least two --folds")
    known, first = np.unique(pairs[liked], return_index=True)
    users = dataset.interactions["user"].cast(pl.Int64).to_numpy()[liked][first]
    folds = fold_of_pairs(known, users, n_folds, np.random.default_rng([seed, 17]))
    held = np.isin(pairs, known[folds == fold])
    return ~held, held & liked
