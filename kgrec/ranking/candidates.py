"""The items worth fusing: the best of each scorer, with everyone's standard score of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.fusion import Candidates, standardise
from kgrec.ranking.selection import HeldOut, mask_seen
from kgrec.ranking.top_k import hits, top_k

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.plugin.protocols import Scorer


def collect(
    scorers: Mapping[str, Scorer], held_out: HeldOut, known: csr_array, *, per_scorer: int = 60, block_size: int = 256
) -> Candidates:
    """Score the union of each scorer's best items by all scorers, for the held-out users.

    A dense array of all items, users and scorers would exhaust memory on large catalogues; beyond the best sixty of
    every scorer nothing reaches a list of twenty.

    Args:
        scorers: fitted, by name.
        held_out: for whom.
        known: likes that the scorers were fitted on, shape ``(n_users, n_items)``; they are no part of the standard.
        per_scorer: how many of each scorer's best items.
        block_size: users at once.
    """
    parts = [_block(scorers, held_out, known, block, per_scorer) for block in held_out.blocks(block_size)]
    width = max((items.shape[1] for _, items in parts), default=1)
    scores = [np.pad(s, ((0, 0), (0, 0), (0, width - s.shape[2])), constant_values=-np.inf) for s, _ in parts]
    items = [np.pad(i, ((0, 0), (0, width - i.shape[1])), constant_values=-1) for _, i in parts]
    if not parts:
        empty = np.zeros((len(scorers), 0, 1), dtype=np.float32)
        none = np.zeros((0, 1), dtype=np.int64)
        return Candidates(empty, none.astype(np.bool_), np.zeros(0, dtype=np.int64), none)
    n_relevant = np.diff(held_out.truth.indptr).astype(np.int64)
    everyone = np.concatenate(items)
    return Candidates(np.concatenate(scores, axis=1), hits(everyone, held_out.truth), n_relevant, everyone)


def _block(
    scorers: Mapping[str, Scorer], held_out: HeldOut, known: csr_array, block: slice, per_scorer: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return standard scores ``(s, u, c)`` and items ``(u, c)`` of a block of users; -inf and -1 are padding."""
    masked = held_out.masked[block]
    users = held_out.users[block]
    fitted = known[users]
    standard = []
    wanted = np.zeros(masked.shape, dtype=np.bool_)
    rows = np.arange(masked.shape[0])[:, None]
    for scorer in scorers.values():
        scores = standardise(np.asarray(scorer.score(users), dtype=np.float32), fitted)
        standard.append(scores)
        ranked = scores.copy()
        mask_seen(ranked, masked)
        best, _ = top_k(ranked, per_scorer)
        wanted[np.broadcast_to(rows, best.shape)[best >= 0], best[best >= 0]] = True
    width = int(wanted.sum(axis=1).max(initial=1))
    # A stable sort of "not wanted" brings the wanted positions to the front of each row.
    items = np.argsort(~wanted, axis=1, kind="stable")[:, :width]
    padding = ~np.take_along_axis(wanted, items, axis=1)
    scores = np.stack([np.take_along_axis(s, items, axis=1) for s in standard])
    scores[:, padding] = -np.inf
    return scores, np.where(padding, -1, items)
