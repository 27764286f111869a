"""What a user changed by hand of what lists think of her: likes of items, and more or less of a kind; with undo."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from kgrec.live.events import Strict
from kgrec.live.lists import Boost
from kgrec.live.records import Records

STEP, FARTHEST = 1.0, 3.0
"""What "less of" and "more of" take and add each time, in deviations of the user's scores, and in all at most."""

KEPT = 20
"""Changes that can be undone."""


class Edits(Strict):
    """Edits of a user.

    Attributes:
        weights: how much items are liked, by id; 0: not at all.
        leanings: condition on items -> what it adds, in deviations of the user's scores.
        past: what these two were before each change, the oldest first.
    """

    weights: dict[str, float] = {}  # noqa: RUF012
    leanings: dict[str, float] = {}  # noqa: RUF012
    past: Annotated[tuple[tuple[dict[str, float], dict[str, float]], ...], Field(max_length=KEPT)] = ()

    @classmethod
    def of(cls, records: Records, user_id: str | None) -> Self:
        """Return the edits that are kept of a user."""
        kept = None if user_id is None else records.edits.get(user_id)
        return cls() if kept is None else cls.model_validate_json(kept)

    def save(self, records: Records, user_id: str) -> None:
        """Keep them."""
        records.put("edits", [(user_id, self.model_dump_json())])

    def weighed(self, weights: dict[str, float | None]) -> Self:
        """Return them with some weights set; None takes one back."""
        all_of_them: dict[str, float | None] = {**self.weights, **weights}
        return self._changed({key: one for key, one in all_of_them.items() if one is not None}, self.leanings)

    def leaning(self, where: str, by: float) -> Self:
        """Return them with more, or less, of what meets a condition."""
        total = max(-FARTHEST, min(FARTHEST, self.leanings.get(where, 0.0) + by))
        kept = {**self.leanings, where: total}
        return self._changed(self.weights, {key: one for key, one in kept.items() if one})

    def undone(self) -> Self:
        """Return them as they were before the last change."""
        if not self.past:
            return self
        weights, leanings = self.past[-1]
        return self.model_copy(update={"weights": weights, "leanings": leanings, "past": self.past[:-1]})

    def boosts(self) -> list[Boost]:
        """Return the leanings as lists take them."""
        return [Boost(where=(where,), by=by) for where, by in self.leanings.items()]

    def _changed(self, weights: dict[str, float], leanings: dict[str, float]) -> Self:
        past = (*self.past, (self.weights, self.leanings))[-KEPT:]
        return self.model_copy(update={"weights": weights, "leanings": leanings, "past": past})
