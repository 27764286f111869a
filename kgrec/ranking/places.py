"""At which place of a user's list the next like stands: how sure a list may be of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.models.top_k import mask_seen

if TYPE_CHECKING:
    from kgrec.ranking.fusion import Fusion
    from kgrec.ranking.training_inputs import HeldOut

USERS, BLOCK = 2_000, 256
"""Held-out users that are looked at, and at once."""


def bounds(n_items: int) -> NDArray[np.int64]:
    """Return the first place of each stretch of places, from 0, each about half as long again as the one before."""
    edges = [0, 1, 2, 3, 5, 8, 12, 18]
    while edges[-1] < n_items:
        edges.append(int(edges[-1] * 1.5))
    return np.array([edge for edge in edges if edge < n_items], dtype=np.int64)


def place_shares(fusion: Fusion, held_out: HeldOut, n_items: int) -> list[float]:
    """Return which share of the held-out likes stands in each stretch of :func:`bounds`; empty where there are none.

    Args:
        fusion: of scorers that know nothing of the held-out likes.
        held_out: users and what they liked.
        n_items: length of a row of scores.
    """
    starts = bounds(n_items)
    counts = np.zeros(len(starts))
    for block in held_out.blocks(BLOCK):
        if block.start >= USERS:
            break
        users, masked, truth = held_out.users[block], held_out.masked[block], held_out.truth[block]
        scores = np.empty((len(users), n_items), dtype=np.float32)
        fusion.fuse(users, masked, scores)
        mask_seen(scores, masked)
        order = np.argsort(-scores, axis=1, kind="stable")
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.broadcast_to(np.arange(n_items), order.shape), axis=1)
        rows = np.repeat(np.arange(len(users)), np.diff(truth.indptr))
        found = places[rows, truth.indices]
        counts += np.bincount(np.searchsorted(starts, found, side="right") - 1, minlength=len(starts))
    return (counts / counts.sum()).round(6).tolist() if counts.sum() else []


def place_odds(shares: list[float], n_items: int, n: int) -> NDArray[np.float64]:
    """Return the probability that the next like stands at each of the first ``n`` places, shape ``(n,)``.

    Args:
        shares: of :func:`place_shares`.
        n_items: as there.
        n: places.
    """
    starts = bounds(n_items)
    if len(shares) != len(starts):
        return np.zeros(n)
    lengths = np.diff([*starts, n_items])
    each = np.array(shares) / max(sum(shares), 1.0)  # they are kept rounded
    return np.repeat(each / lengths, lengths)[:n]
