"""What callers ask for, in any of the ways people write it, as a :class:`kgrec.types.Request`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from kgrec.errors import UsageError
from kgrec.ranking.where import Where, conditions
from kgrec.types import Request, as_texts, canonical_id

if TYPE_CHECKING:
    from kgrec.config import RecommendConfig

Moment = str | float | date
"""A moment as callers give it: a date or time, as text too, or unix seconds; without a zone it is UTC."""


def as_request(
    user: str | int | Sequence[str] | None,
    defaults: RecommendConfig,
    *,
    n: int | None = None,
    include_seen: bool | None = None,
    where: Where = (),
    rerank: str | Sequence[str] | None = None,
    by: Literal["relevance", "rating"] = "relevance",
    at: Moment | None = None,
) -> Request:
    """Return the request that is meant; what is None is as in kgrec.toml.

    Raises:
        UsageError: something cannot be meant.
    """
    if user is not None and not isinstance(user, str | int):
        hint = "for several users take recommend_many" if isinstance(user, list | tuple | set) else None
        raise UsageError(f"a user is an id or a Request, not {user!r:.80}", hint=hint)
    return Request(
        None if user is None else canonical_id(user),
        defaults.n if n is None else n,
        defaults.include_seen if include_seen is None else include_seen,
        conditions(where),
        rerank=None if rerank is None else as_texts(rerank, "rerank"),
        by=by,
        at=None if at is None else to_moment(at),
    )


def to_moment(at: Moment) -> int:
    """Return a moment as unix seconds; a date is its first second.

    Raises:
        UsageError: it is no moment.
    """
    if isinstance(at, date):
        whole = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)
        return int((whole if whole.tzinfo else whole.replace(tzinfo=UTC)).timestamp())
    import polars as pl

    from kgrec.data.times import to_seconds

    found = None
    if isinstance(at, str | int | float) and not isinstance(at, bool):
        found = to_seconds(pl.Series([str(at)], dtype=pl.String))[0]
    if found is None:
        raise UsageError(f"{at!r:.80} is no moment", hint="give a date or time like 2024-05-31 or 2024-05-31 18:00")
    return int(found)
