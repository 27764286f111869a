"""The best k of many scores, vectorised over users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.types import ItemIndices, Scores


MANY = 4_096
"""Rows of more scores are sifted first."""

FEWEST_GROUPS = 256
"""Lists up to this length can be found by sifting."""

CROWD = 16
"""A row in which more than so many times ``k`` scores pass the sieve has many equal scores and is not sifted."""


def top_k(scores: Scores, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return positions and values of each row's ``k`` largest scores, largest first.

    Args:
        scores: shape ``(u, n)``; -inf and NaN are never taken.
        k: length of the lists.

    Returns:
        positions, shape ``(u, k)``, -1 where a row has fewer than ``k``; values, same shape, -inf there. Equal scores
        keep the order of the positions, which carries no meaning: items are numbered at random.
    """
    if 0 < k <= FEWEST_GROUPS and scores.shape[1] > MANY:
        return _sifted(np.asarray(scores, dtype=np.float32), k)
    return _partitioned(scores, k)


def _partitioned(scores: Scores, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    usable = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32, copy=False)
    k_found = min(k, usable.shape[1])
    if k_found == 0:
        return np.full((len(usable), k), -1, dtype=np.int64), np.full((len(usable), k), -np.inf, dtype=np.float32)
    best = np.argpartition(usable, -k_found, axis=1)[:, -k_found:]
    least = np.take_along_axis(usable, best, axis=1).min(axis=1, keepdims=True)
    equal = usable == least
    above = usable > least
    needed = k_found - above.sum(axis=1)
    for row in np.flatnonzero(equal.sum(axis=1) > needed):  # the first of those that are level with the last place
        best[row] = np.concatenate([np.flatnonzero(above[row]), np.flatnonzero(equal[row])[: needed[row]]])
    best.sort(axis=1)
    values = np.take_along_axis(usable, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1).astype(np.int64)
    values = np.take_along_axis(values, order, axis=1)
    best[values == -np.inf] = -1
    if k_found < k:
        pad = ((0, 0), (0, k - k_found))
        best = np.pad(best, pad, constant_values=-1)
        values = np.pad(values, pad, constant_values=-np.inf)
    return best, values


def _sifted(scores: Scores, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Do as :func:`top_k` for long rows: what is below the ``k``-th largest of the groups' maxima is not in the list.

    The scores are split into groups, and the maximum of each is a score, so at least ``k`` scores reach that threshold;
    in shuffled rows hardly more do. Only these are sorted.
    """
    n_rows, n = scores.shape
    n_groups = max(FEWEST_GROUPS, 4 * k)  # group g holds the columns g, g + n_groups, ...
    best = scores[:, :n_groups].copy()
    for start in range(n_groups, n, n_groups):
        part = scores[:, start : start + n_groups]
        np.fmax(best[:, : part.shape[1]], part, out=best[:, : part.shape[1]])
    best[np.isnan(best)] = -np.inf
    least = np.maximum(np.partition(best, -k, axis=1)[:, -k, None], np.finfo(np.float32).min)  # never take -inf
    reached = scores >= least
    crowded = np.count_nonzero(reached, axis=1) > CROWD * k
    reached[crowded] = False
    rows, columns = np.divmod(np.flatnonzero(reached), n)
    values = scores[rows, columns]
    order = np.lexsort((-values, rows))  # stable: equal scores keep the order of the positions
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = place < k
    taken = order[kept]
    positions = np.full((n_rows, k), -1, dtype=np.int64)
    found = np.full((n_rows, k), -np.inf, dtype=np.float32)
    positions[rows[kept], place[kept]] = columns[taken]
    found[rows[kept], place[kept]] = values[taken]
    if crowded.any():
        positions[crowded], found[crowded] = _partitioned(scores[crowded], k)
    return positions, found


def with_reserved(
    scores: NDArray[np.float32], best: NDArray[np.int64], values: NDArray[np.float32], reserved: ItemIndices
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Add reserved items to the candidates of everybody who may get them and has them not yet.

    Args:
        scores: of all items, shape ``(u, n_items)``, -inf and NaN for what may not be recommended.
        best: candidates, shape ``(u, c)``.
        values: their scores, same shape.
        reserved: items, shape ``(k,)``.
    """
    if not len(reserved):
        return best, values
    own = scores[:, reserved]
    there = (best[:, :, None] == reserved).any(axis=1)  # (u, k)
    added = np.isfinite(own) & ~there
    items = np.where(added, reserved, -1)
    return np.concatenate([best, items], axis=1), np.concatenate([values, np.where(added, own, -np.inf)], axis=1)


def mask_seen(scores: Scores, seen: csr_array) -> None:
    """Set to -inf, in place, the scores at the nonzeros of ``seen``; both of shape ``(u, n_items)``."""
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    scores[rows, seen.indices] = -np.inf
