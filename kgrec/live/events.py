"""An event as it arrives: what a user did, or was shown, just now. Everything about it is bounded."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from kgrec.config import Action
from kgrec.types import canonical_id

MAX_BATCH = 1_000
"""Events of one call at most."""

EARLIEST, LATEST = 631_152_000, 4_102_444_800
"""Unix seconds between which a time can be: 1990 and 2100."""


def _id(text: str) -> str:
    if not (found := canonical_id(text)):
        raise ValueError("an id must not be blank")
    return found


Id = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_id)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Of a placement, an experiment or a variant."""


class Strict(BaseModel):
    """A record from outside: unknown fields are errors, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Event(Strict):
    """Something a user did.

    Attributes:
        user_id: who; an id that training did not know is a new user.
        action: what, one of kgrec's actions; ``impression`` says that the item was only shown.
        item_id: with which item; only a search has none.
        value: rating or amount.
        time: unix seconds; by default the moment of arrival.
        text: of a comment or search.
        event_id: an event of the same id counts once, however often it is sent.
        rec_id: the list in which the item was shown.
    """

    user_id: Id
    action: Action
    item_id: Id | None = None
    value: float | None = None
    time: float | None = Field(default=None, ge=EARLIEST, le=LATEST)
    text: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    event_id: Id | None = None
    rec_id: Annotated[str, StringConstraints(max_length=64)] | None = None

    def model_post_init(self, _context: Any, /) -> None:
        """Refuse an event without an item that is no search."""
        if self.item_id is None and self.action != "search":
            raise ValueError(f"an event {self.action!r} needs an item_id")
