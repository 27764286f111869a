"""What others have chosen, in the order of the scores."""

from __future__ import annotations

from typing import Self

import numpy as np

from kgrec.plugin.reranking import CandidateLists, RerankData
from kgrec.ranking.rerank.steps import Order, as_they_are, completed


class ByScore:
    """Lists the items that will be shown by their fused scores, whatever order earlier re-rankers gave them.

    For re-rankers that care what is in the list, not where: diversity, coverage and popularity of a list stay as they
    are, while relevant items come up, which is where people look.
    """

    def prepare(self, data: RerankData) -> Self:  # noqa: ARG002
        """Do nothing: the candidates tell all."""
        return self

    def rerank(self, lists: CandidateLists) -> Order:
        """Return the new order, shape ``(u, c)``."""
        if lists.fused is None or not lists.items.size:
            return as_they_are(lists.items)
        shown = lists.items[:, : lists.n] >= 0
        order = np.argsort(np.where(shown, -lists.fused[:, : lists.n], np.inf), axis=1, kind="stable")
        return completed(np.where(np.take_along_axis(shown, order, axis=1), order, -1), lists.items)
