"""Lists for many users, in blocks of them on several threads; and how high each item stands in users' lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.fusion import Asked
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.types import Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BUFFER = 1 << 24
"""Scores of a block at most: 64 MiB."""

SAMPLE = 4_096
"""Users who are looked at, at most."""

LAST = 200
"""Place up to which lists are looked at."""

UNSEEN = np.int32(0)
"""Stands where fewer users have the item in their lists."""

Lists = tuple[slice, NDArray[np.int64], NDArray[np.float32]]
"""Which of those asked for, and the positions and scores of their best items."""


def rank_blocks(
    ranker: Ranker,
    asked: Asked,
    rules: ListRules,
    *,
    seen: csr_array | None,
    block_size: int,
    threads: int = 1,
) -> Iterator[Lists]:
    """Iterate over blocks of users with the positions and scores of their best items, in order.

    Args:
        ranker: the trained hybrid.
        asked: positions of users at training, or the profiles of people who came later.
        rules: what may stand in the lists; reserved items add a column each.
        seen: items that those asked for know by now, CSR of shape ``(len(asked), n_items)``, or None.
        block_size: users at once, at most; large catalogues get fewer.
        threads: blocks that are worked on at the same time.
    """
    from threadpoolctl import threadpool_limits

    n_items = len(ranker.item_ids)
    size = max(1, min(block_size, BUFFER // max(n_items, 1), len(asked)))
    buffers: SimpleQueue[Scores] = SimpleQueue()
    ranker.fusion.prepare()  # before the threads start
    starts = iter(range(0, len(asked), size))

    def lists(start: int) -> Lists:
        block = slice(start, min(start + size, len(asked)))
        buffer = buffers.get()
        try:
            users, scores = asked[block], buffer[: block.stop - block.start]
            ranker.fusion.fuse(users, ranker.seen_at_training(users), scores)
            return block, *ranker.rank(scores, rules, None if seen is None else seen[block])
        finally:
            buffers.put(buffer)  # also after an error: others wait for it

    if threads == 1 or len(asked) <= size:
        buffers.put(np.empty((size, n_items), dtype=np.float32))
        yield from map(lists, starts)
        return
    for _ in range(threads):
        buffers.put(np.empty((size, n_items), dtype=np.float32))
    # A thread a block: what is not a product of matrices runs on all of them, too.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Lists]] = deque()
        for start in starts:
            waiting.append(pool.submit(lists, start))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
    rules = ListRules(min(LAST, n_items))
    blocks = rank_blocks(ranker, users, rules, seen=ranker.seen[users], block_size=block_size)
    lists = [items for _, items, _ in blocks]
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
