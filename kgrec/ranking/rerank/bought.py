"""What was bought once need not be offered again."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.models.ndcg import hits
from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, ordered


class Bought:
    """Drops what the user has bought, or all that shares an attribute with it.

    Args:
        attribute: of the items, such as the kind of a thing that one needs once; None: only the very items.
    """

    def __init__(self, *, attribute: str | None = None) -> None:
        self.attribute = attribute

    def prepare(self, data: RerankData) -> Self:
        """Take the values of the attribute."""
        self._matrix = None if self.attribute is None else data.item_groups(self.attribute).matrix
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return what is kept, shape ``(u, c)``."""
        dropped = hits(lists.items, lists.bought)
        if self._matrix is not None and lists.bought.nnz:
            kinds = lists.bought.astype(np.float32) @ self._matrix.astype(np.float32)  # (u, g)
            flat = np.flatnonzero(lists.items.ravel() >= 0)
            rows, items = flat // lists.items.shape[1], lists.items.ravel()[flat]
            shared = np.asarray((kinds[rows] * self._matrix[items].astype(np.float32)).sum(axis=1)).ravel() > 0
            dropped.ravel()[flat] |= shared
        return ordered(lists.scores, (lists.items >= 0) & ~dropped)
