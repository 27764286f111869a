"""How high each item stands with the users who rank it highest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.blocks import rank_blocks

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker

SAMPLE = 4_096
"""Users who are looked at, at most."""

LAST = 200
"""Place up to which lists are looked at."""

UNSEEN = np.int32(0)
"""Stands where fewer users have the item in their lists."""


def best_ranks(ranker: Ranker, most: int, *, seed: int, block_size: int, sample: int = SAMPLE) -> NDArray[np.int32]:
    """Return the highest places that each item has in users' lists, the best first, shape ``(n_items, most)``.

    Of many users a sample is looked at, and a place is that of the sample's user who stands for as many: the third best
    of all users is about the best of a third of them.

    Args:
        ranker: trained; what users have seen is left out of their lists.
        most: places of each item.
        seed: draws the sample.
        block_size: users at once.
        sample: users at most.

    Returns:
        places from 1; :data:`UNSEEN` where fewer users have the item among their best :data:`LAST`.
    """
    n_users, n_items = len(ranker.user_ids), len(ranker.item_ids)
    users = np.arange(n_users)
    if n_users > sample:
        users = np.sort(np.random.default_rng([seed, 31]).choice(n_users, sample, replace=False))
    lists = [
        items
        for _, items, _ in rank_blocks(
            ranker, users, min(LAST, n_items), seen=ranker.seen[users], allowed=None, block_size=block_size
        )
    ]
    found = np.concatenate([*lists, np.zeros((0, min(LAST, n_items)), dtype=np.int64)])
    rows, columns = np.nonzero(found >= 0)
    items = found[rows, columns]
    order = np.lexsort((columns, items))
    items, places = items[order], columns[order] + 1
    count = np.bincount(items, minlength=n_items)
    within = np.arange(len(items)) - np.repeat(np.cumsum(count) - count, count)
    best = np.full((n_items, most), UNSEEN, dtype=np.int32)
    kept = within < most
    best[items[kept], within[kept]] = places[kept]
    stands_for = np.maximum(np.ceil(np.arange(1, most + 1) * len(users) / max(n_users, 1)).astype(int), 1)
    return best[:, stands_for - 1]
