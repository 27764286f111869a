"""At most so many of a brand, an author, a series."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, ordered


class Cap:
    """Drops an item where the list already holds as many as may be of one of its values.

    Args:
        attribute: of the items: brand, author, series...
        most: items of a value in a list.
    """

    def __init__(self, *, attribute: str, most: int = 2) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, not {most}")
        self.attribute, self.most = attribute, most

    def prepare(self, data: RerankData) -> Self:
        """Arrange the values of each item in a row."""
        matrix = data.item_groups(self.attribute).matrix
        count = np.diff(matrix.indptr)
        self._values = np.full((data.n_items, max(int(count.max(initial=0)), 1)), -1, dtype=np.int64)
        rows = np.repeat(np.arange(data.n_items), count)
        self._values[rows, np.arange(len(rows)) - matrix.indptr[rows]] = matrix.indices
        self._n_values = matrix.shape[1]
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return what is kept, shape ``(u, c)``."""
        u, c = lists.items.shape
        rows = np.arange(u)[:, None]
        # One column more than there are values: what an item lacks is counted there, and never over the cap.
        held = np.zeros((u, self._n_values + 1), dtype=np.int32)
        kept = np.zeros((u, c), dtype=np.bool_)
        for column in range(c):  # all users at once, one place after the other: what is dropped does not count
            item = lists.items[:, column]
            values = np.where(item[:, None] >= 0, self._values[item], -1)
            full = (held[rows, values] >= self.most) & (values >= 0)
            kept[:, column] = (item >= 0) & ~full.any(axis=1)
            held[rows, values] += kept[:, [column]]
        return ordered(lists.scores, kept)
