"""Lists for many users: blocks of them on several threads, in buffers that are used again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.types import ItemIndices, Mask, Profile, Scores, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.ranking.ranker import Ranker

BUFFER = 1 << 24
"""Scores of a block at most: 64 MiB."""

Lists = tuple[slice, NDArray[np.int64], NDArray[np.float32]]
"""Which of those asked for, and the positions and scores of their best items."""


def rank_blocks(
    ranker: Ranker,
    asked: UserIndices | Sequence[Profile],
    n: int,
    *,
    seen: csr_array | None,
    allowed: Mask | None,
    block_size: int,
    include_seen: bool = False,
    reserved: ItemIndices | None = None,
    threads: int = 1,
) -> Iterator[Lists]:
    """Iterate over blocks of users with the positions and scores of their best ``n`` items, in order.

    Args:
        ranker: the trained hybrid.
        asked: positions of users at training, or the profiles of people who came later.
        n: length of the lists.
        seen: items that those asked for know by now, CSR of shape ``(len(asked), n_items)``, or None.
        allowed: items that may be recommended, shape ``(n_items,)``, or None for all.
        block_size: users at once, at most; large catalogues get fewer.
        include_seen: see :meth:`kgrec.ranking.ranker.Ranker.rank`.
        reserved: see there; so many more columns are returned.
        threads: blocks that are worked on at the same time.
    """
    from threadpoolctl import threadpool_limits

    n_items = len(ranker.item_ids)
    size = max(1, min(block_size, BUFFER // max(n_items, 1), len(asked)))
    buffers: SimpleQueue[Scores] = SimpleQueue()
    options = {"n": n, "allowed": allowed, "include_seen": include_seen, "reserved": reserved}
    ranker.fusion.prepare()  # before the threads start
    starts = iter(range(0, len(asked), size))

    def known(block: slice) -> csr_array | None:
        return None if seen is None else seen[block]

    def lists(start: int) -> Lists:
        block = slice(start, min(start + size, len(asked)))
        buffer = buffers.get()
        try:
            return block, *_lists(ranker, asked[block], buffer[: block.stop - block.start], known(block), options)
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


def _lists(
    ranker: Ranker,
    whom: UserIndices | Sequence[Profile],
    out: Scores,
    seen: csr_array | None,
    options: Mapping[str, Any],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    ranker.fusion.fuse(whom, ranker.seen_at_training(whom), out)
    return ranker.rank_in_place(out, seen=seen, **options)
