"""The re-ranker: what has to be learned first comes first."""

import numpy as np


class EducationReranker:
    """Puts courses behind what they need first, and drops those whose prerequisites a learner can neither show nor get.

    Args:
        attribute: of the items, ids of the courses that come first.
        ready: keep only courses whose prerequisites the learner has completed.
    """

    def __init__(self, attribute: str = "prerequisites", *, ready: bool = False) -> None:
        self.attribute, self.ready = attribute, ready

    def prepare(self, data):
        """Look up the prerequisites of each course, as positions of items."""
        place = {item: k for k, item in enumerate(data.item_ids)}
        groups = data.item_groups(self.attribute)
        names = [place.get(name, -1) for name in groups.names]
        rows = np.split(groups.matrix.indices, groups.matrix.indptr[1:-1])
        self.needs = [{names[column] for column in row} - {k, -1} for k, row in enumerate(rows)]
        return self

    def rerank(self, lists):
        """Return the new order as columns of the candidates, shape (u, c), -1 after what is kept."""
        new = np.full(lists.items.shape, -1, dtype=np.int64)
        for u, items in enumerate(lists.items):
            known = set(lists.liked.indices[lists.liked.indptr[u] : lists.liked.indptr[u + 1]])
            waiting = [column for column, item in enumerate(items) if item >= 0]
            for k in range(len(waiting)):
                free = (column for column in waiting if self.needs[items[column]] <= known)
                column = next(free, None)  # the best course that may stand here
                if column is None:
                    break
                new[u, k] = column
                waiting.remove(column)
                known |= set() if self.ready else {items[column]}
        return new
