"""Scores of all items for few users at a time, as fast as memory gives the vectors of the items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEW = 8
"""More users at once are a product of matrices, for which the order in memory hardly counts."""

SMALL = 4 << 20
"""Bytes of vectors that a cache holds anyway."""


class ByFactor:
    """Item vectors, and for few users a second copy of them in which the numbers of one factor lie side by side.

    For a single user each vector is read once and used once, so memory decides. A sum of long rows, one a factor, is
    read nearly twice as fast as a product with each short row.

    Args:
        items: shape ``(n_items, k)``; not to be changed.
    """

    def __init__(self, items: Floats) -> None:
        self._items = items
        self._columns: Floats | None = None

    def scores(self, users: Floats) -> Floats:
        """Return the products with ``users`` of shape ``(u, k)``, shape ``(u, n_items)``."""
        if len(users) > FEW or self._items.nbytes <= SMALL:
            return np.asarray(users @ self._items.T)
        if self._columns is None:
            self._columns = np.ascontiguousarray(self._items.T)
        return np.asarray(users @ self._columns)
