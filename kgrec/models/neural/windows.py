"""Histories as rows of equal length, for networks that look at sequences. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

EMPTY = -1
"""Stands where a row holds no item."""


@dataclass(frozen=True, slots=True)
class Likes:
    """The likes of all users, each user's in order, oldest first.

    Attributes:
        users: shape ``(l,)``, ascending.
        items: shape ``(l,)``.
        strengths: shape ``(l,)``.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    strengths: NDArray[np.float32]


def ordered_likes(matrix: csr_array, steps: NDArray[np.int64] | None) -> Likes:
    """Return the likes of ``matrix`` by user, then by time of the last event on the item.

    Args:
        matrix: strengths, shape ``(n_users, n_items)``.
        steps: as of :func:`kgrec.models.recency.steps_back`; None keeps the order of the items.
    """
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.arange(len(users)) if steps is None else np.lexsort((-steps, users))
    return Likes(users[order], matrix.indices[order].astype(np.int64), matrix.data[order])


def windows(users: NDArray[np.int64], length: int, stride: int | None = None) -> NDArray[np.int64]:
    """Cut each user's entries into windows from the last one on -> positions of entries, shape ``(w, length)``.

    Windows are filled from the right: the latest entry stands in the last column, and ``EMPTY`` where there is none.

    Args:
        users: whose each entry is, ascending, shape ``(l,)``.
        length: entries in a window.
        stride: entries from the start of one window to that of the next; ``length`` by default. Windows of a
            smaller stride share entries.
    """
    stride = stride or length
    starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else np.zeros(0, dtype=np.int64)
    counts = np.diff(np.r_[starts, len(users)])
    # The last window of a user ends at the last entry, the one before it ``stride`` entries earlier, and so on.
    shared = length - stride
    n_windows = np.maximum(-(-(counts - shared) // stride), 1)
    owners = np.repeat(np.arange(len(starts)), n_windows)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    ends = (starts + counts)[owners] - number * stride
    positions = ends[:, None] - length + np.arange(length)
    return np.where(positions >= starts[owners][:, None], positions, EMPTY)


def latest(matrix: csr_array, steps: NDArray[np.int64] | None, length: int) -> NDArray[np.int64]:
    """Return each user's latest ``length`` items, the latest in the last column -> ``(n_users, length)``.

    Args:
        matrix: strengths, shape ``(n_users, n_items)``.
        steps: as of :func:`kgrec.models.recency.steps_back`.
        length: columns.
    """
    likes = ordered_likes(matrix, steps)
    found = np.full((matrix.shape[0], length), EMPTY, dtype=np.int64)
    back = np.repeat(matrix.indptr[1:], np.diff(matrix.indptr)) - 1 - np.arange(len(likes.users))
    kept = back < length
    found[likes.users[kept], length - 1 - back[kept]] = likes.items[kept]
    return found
