"""What callers ask for, in any of the ways people write it, as a :class:`kgrec.types.Request`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from kgrec.errors import UsageError
from kgrec.ranking.where import Where, conditions
from kgrec.types import Request, as_texts, canonical_id

if TYPE_CHECKING:
    from kgrec.config import RecommendConfig


def as_request(
    user: str | int | Sequence[str] | None,
    defaults: RecommendConfig,
    *,
    n: int | None = None,
    include_seen: bool | None = None,
    where: Where = (),
    rerank: str | Sequence[str] | None = None,
    by: Literal["relevance", "rating"] = "relevance",
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
    )
