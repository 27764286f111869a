"""What users did by now, in the numbering of the training: also those who came after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.impressions import touched
from kgrec.models.sparse import take_rows
from kgrec.types import Profile

if TYPE_CHECKING:
    from kgrec.project import Project


def newcomers(project: Project, user_ids: Sequence[str]) -> tuple[list[Profile], csr_array]:
    """Return what people who came after training like by now, and what they have seen.

    Likes are weighed as training would: a low rating is none.

    Args:
        project: the workspace.
        user_ids: of users in the dataset.

    Returns:
        One profile each; what they have seen, CSR of shape ``(len(user_ids), n_items)``.
    """
    from kgrec.data.split import heaviest_weight, interaction_matrix, like_threshold, like_weights, to_events

    dataset, feedback = project.dataset, project.config.feedback
    positions = dataset.user_positions(list(user_ids))
    whose = pl.Series(positions).cast(pl.UInt32)
    own = replace(dataset, interactions=dataset.interactions.filter(pl.col("user").is_in(whose.implode())))
    # The scale of ratings is everybody's, and so is the heaviest event.
    scaled = feedback.model_copy(update={"like_threshold": like_threshold(dataset, feedback)})
    weights = like_weights(own, scaled, project.domain)
    events = to_events(own, np.ones(own.interactions.height, dtype=np.bool_), weights)
    heaviest = heaviest_weight(dataset, feedback, project.domain)
    likes = interaction_matrix(events, dataset.n_users, dataset.n_items, heaviest=heaviest)[positions]
    factors = _item_factors(project)
    if factors is not None:
        likes.data = likes.data * factors[likes.indices]
    items = training_positions(project)
    profiles = []
    for row in range(len(positions)):  # one a newcomer: a profile is what scorers are asked with
        of_row = slice(likes.indptr[row], likes.indptr[row + 1])
        known = items[likes.indices[of_row]]
        profiles.append(Profile(known[known >= 0], likes.data[of_row][known >= 0]))
    return profiles, _renumbered(own.interactions, positions, items, len(project.ranker.item_ids))


def _item_factors(project: Project) -> NDArray[np.float32] | None:
    """Return how likes of each item are weighed against the popularity of what is seen; None: not at all."""
    from kgrec.data.propensity import like_factors, times_shown
    from kgrec.data.split import interaction_matrix, like_weights, to_events

    debias, dataset = project.config.debias, project.dataset
    if debias.training == "none":
        return None
    rows = np.ones(dataset.interactions.height, dtype=np.bool_)
    events = to_events(dataset, rows, like_weights(dataset, project.config.feedback, project.domain))
    likes = interaction_matrix(events, dataset.n_users, dataset.n_items)
    return like_factors(likes, debias, times_shown(dataset, rows))


def seen_by(project: Project, user_id: str) -> csr_array:
    """Return all items that a user interacted with by now, CSR of shape ``(1, n_items)``."""
    ranker = project.ranker
    position = ranker.user_positions.get(user_id)
    if position is not None and not project.workspace.stale("models"):
        return take_rows(ranker.seen, np.array([position]))
    positions = project.dataset.user_positions([user_id])
    rows = project.dataset.interactions.filter(pl.col("user") == positions[0])
    return _renumbered(rows, positions, training_positions(project), len(ranker.item_ids))


def seen_by_all(project: Project) -> csr_array:
    """Return what every user of the training interacted with by now, CSR of shape ``(n_users, n_items)``."""
    ranker = project.ranker
    if not project.workspace.stale("models"):
        return ranker.seen
    users = project.dataset.users.with_row_index("__position__").select("__position__", "user_id")
    asked = pl.DataFrame({"user_id": list(ranker.user_ids)}, schema={"user_id": pl.String})
    positions = asked.join(users, on="user_id", how="left", maintain_order="left")["__position__"]
    found = positions.cast(pl.Int64).fill_null(-1).to_numpy()  # who is no longer in the dataset has seen nothing
    return _renumbered(project.dataset.interactions, found, training_positions(project), len(ranker.item_ids))


def training_positions(project: Project) -> NDArray[np.int64]:
    """Position in the dataset -> position at training, -1 for an item that came later; shape ``(n_items,)``."""
    if not project.workspace.stale("models"):
        return np.arange(project.dataset.n_items)
    known = project.ranker.item_positions
    ids = project.dataset.items["item_id"].to_list()
    return np.fromiter((known.get(key, -1) for key in ids), dtype=np.int64, count=len(ids))


def _renumbered(
    interactions: pl.DataFrame, users: NDArray[np.int64], items: NDArray[np.int64], n_items: int
) -> csr_array:
    """Return which items the users, given by their positions in the dataset, interacted with, one row each."""
    rows = touched(interactions).select("user", "item").unique()
    place = np.full(max(int(users.max(initial=-1)) + 1, 1), -1, dtype=np.int64)
    place[users[users >= 0]] = np.flatnonzero(users >= 0)
    whom, what = rows["user"].to_numpy().astype(np.int64), items[rows["item"].to_numpy()]
    row = np.where(whom < len(place), place[np.minimum(whom, len(place) - 1)], -1)
    kept = (row >= 0) & (what >= 0)
    seen = csr_array((np.ones(int(kept.sum()), dtype=np.bool_), (row[kept], what[kept])), shape=(len(users), n_items))
    seen.sort_indices()
    return seen
