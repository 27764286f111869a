"""A user's vector as the sum of what it is made of, and what each part gives to items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrec.models.gnn.graph import Floats
from kgrec.models.gnn.messages import Messages
from kgrec.plugin.protocols import BEYOND, WORDS, Contribution, EntityContribution, TextShare
from kgrec.types import ItemIndices

KINDS = {BEYOND: "bias", WORDS: "text"}


@dataclass(frozen=True)
class UserParts:
    """Parts of a user's vector.

    Attributes:
        sources: item of the history that each comes from; :data:`BEYOND` for the id embedding, :data:`WORDS` for the
            user's own words, shape ``(s,)``.
        vectors: the parts, shape ``(s, d)``.
    """

    sources: NDArray[np.int64]
    vectors: Floats

    @classmethod
    def of(cls, items: ItemIndices, from_items: Floats, own: Floats, words: Floats | None) -> UserParts:
        """Put them together.

        Args:
            items: of the history, shape ``(k,)``.
            from_items: what each gives, shape ``(k, d)``.
            own: id embedding and words, shape ``(d,)``.
            words: what of it comes from the words, shape ``(d,)``, or None.
        """
        tail = [BEYOND] if words is None else [BEYOND, WORDS]
        rest = [own] if words is None else [own - words, words]
        sources = np.concatenate([items, tail]).astype(np.int64)
        return cls(sources, np.concatenate([from_items, np.stack(rest)]))

    def contributions(self, items: ItemIndices, targets: Floats) -> list[Contribution]:
        """Return what each part gives to ``items`` ``(i,)`` with the vectors ``targets`` ``(i, d)``."""
        shares = targets @ self.vectors.T  # (i, s)
        places, parts = np.nonzero(shares)
        return [
            Contribution(
                int(items[place]),
                KINDS.get(int(self.sources[part]), "item"),
                max(int(self.sources[part]), -1),
                float(shares[place, part]),
            )
            for place, part in zip(places, parts, strict=True)
        ]

    def through(self, messages: Messages, item: int) -> list[EntityContribution]:
        """Return what comes to ``item`` by the messages of its neighbours in the graph."""
        return messages.through(self.sources, self.vectors, item)

    def by_text(self, projection: Floats) -> list[TextShare]:
        """Return how each part's share depends on the scored item's own text, before it is passed to anybody.

        Args:
            projection: from a centred text to the share of it in the item's final vector, shape ``(t, d)``.
        """
        weights = self.vectors @ projection.T  # (s, t)
        return [TextShare(int(s), row) for s, row in zip(self.sources, weights, strict=True) if row.any()]
