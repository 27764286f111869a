"""A client of a server of `kgrec serve`, for programs: typed, on one kept connection, safe to repeat.

Needs httpx2 only, not what serving needs::

    with Client("http://localhost:8080", key="...") as kgrec:
        shown = kgrec.recommend("u1", n=5, explain=True)
        kgrec.send([{"user_id": "u1", "item_id": shown.items[0].item_id, "action": "click", "rec_id": shown.rec_id}])
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from kgrec.errors import KgrecError, MissingExtraError

MAX_BATCH = 1_000
"""Events of one call; more are sent in several."""
LONGEST_WAIT = 30.0
"""Seconds that a server may ask to wait before the next try."""
AGAIN = (429, 503)
"""Answers after which a call is sent again."""


class ServerError(KgrecError):
    """The server refused or could not answer.

    Attributes:
        status: of HTTP; 0 where there was no answer.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class ShownItem:
    """A place of a list: an item, its title, its score and, where asked for, a reason."""

    item_id: str
    title: str
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list.

    Attributes:
        items: best first.
        rec_id: goes with the events that follow from it.
        seq: of the last event that was counted.
        model: fingerprint of the models.
        placement, experiment, variant: what it was made by; empty where there is none.
    """

    items: tuple[ShownItem, ...]
    rec_id: str = ""
    seq: int = 0
    model: str = ""
    placement: str = ""
    experiment: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of events: ``seq`` of the newest in the log, how many were new, how many known already."""

    seq: int
    new: int
    known: int


class Client:
    """Asks a server.

    A call that met a full server or a broken connection is sent again, at most ``retries`` times; events get an id
    first, so each counts once.

    Args:
        url: where the server listens.
        key: of `kgrec keys add`, where it wants one.
        timeout: seconds for an answer.
        retries: times that a call is sent again.
        transport: of httpx2, for tests and proxies.

    Raises:
        MissingExtraError: httpx2 is not installed.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout: float = 10.0, retries: int = 3, transport: Any = None
    ) -> None:
        try:
            import httpx2
        except ModuleNotFoundError:
            raise MissingExtraError.of("asking a server", "client") from None
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # Redirects are not followed: they would take the key along.
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._broken, self.retries = httpx2.HTTPError, retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call any route of the API; see ``/v1/openapi.json``.

        Args:
            method: of HTTP.
            path: ``/v1/...``.
            body: JSON values, or None.
            query: parameters of the address.

        Raises:
            ServerError: it refused, could not answer, or was not there.
        """
        for turn in range(self.retries + 1):
            last = turn == self.retries
            try:
                answer = self._http.request(method, path, json=body, params=query or None)
            except self._broken as error:
                if last:
                    raise ServerError(
                        f"no answer of {self._http.base_url}: {error or type(error).__name__}", hint="is it running?"
                    ) from None
                time.sleep(0.2 * 2**turn)
                continue
            if answer.status_code in AGAIN and not last:
                time.sleep(_wait(answer.headers.get("retry-after"), turn))
                continue
            return _value(answer)
        raise AssertionError  # the last turn returns or raises

    def recommend(self, user_id: str | None = None, **options: Any) -> ShownList:
        """Return a list for a user; ``options`` as in the body of ``/v1/recommend``: n, likes, where, explain."""
        return _list(self.call("POST", "/v1/recommend", {"user_id": user_id, **options}))

    def similar(self, item_id: str, n: int = 10) -> ShownList:
        """Return the items that somebody would get who likes nothing but this one."""
        return _list(self.call("POST", "/v1/similar", {"item_id": item_id, "n": n}))

    def trending(self, n: int = 20) -> ShownList:
        """Return what most people turn to now."""
        return _list(self.call("GET", "/v1/trending", n=n))

    def send(self, events: Iterable[Mapping[str, Any]]) -> Received:
        """Send events, any number: ``user_id``, ``action``, ``item_id`` and more as in ``/v1/events``.

        When this returns they are on the server's disk, and the next list counts them.
        """
        seq = new = known = 0
        given = [{"event_id": uuid.uuid4().hex, **event} for event in events]
        for start in range(0, len(given), MAX_BATCH):
            told = self.call("POST", "/v1/events", {"events": given[start : start + MAX_BATCH]})
            seq, new, known = told["seq"], new + told["new"], known + told["known"]
        return Received(seq, new, known)

    def seen(self, rec_id: str, item_ids: Sequence[str] | None = None) -> None:
        """Say that a list, or some of its items, was really looked at."""
        self.call(
            "POST", "/v1/impressions", {"rec_id": rec_id, "item_ids": None if item_ids is None else list(item_ids)}
        )

    def explain(self, user_id: str, item_id: str) -> dict[str, Any]:
        """Return why an item is, or is not, in the user's list, JSON values."""
        return dict(self.call("POST", "/v1/explain", {"user_id": user_id, "item_id": item_id}))

    def generate(self, user_id: str | None = None, **options: Any) -> list[dict[str, Any]]:
        """Return texts; ``options`` as in the body of ``/v1/generate``: item_ids, kind, language."""
        return list(self.call("POST", "/v1/generate", {"user_id": user_id, **options})["texts"])

    def put_item(self, item_id: str, **what: Any) -> dict[str, Any]:
        """Put an item as it is from now on; a new one may be in the next list. As in ``PUT /v1/items/ID``."""
        return dict(self.call("PUT", f"/v1/items/{quote(item_id, safe='')}", what))

    def forget(self, user_id: str) -> dict[str, Any]:
        """Remove the live events, receipts and edits of a user."""
        return dict(self.call("DELETE", f"/v1/users/{quote(user_id, safe='')}"))


def _wait(told: str | None, turn: int) -> float:
    """Return how long to wait before the next try, seconds."""
    try:
        return min(max(float(told or ""), 0.0), LONGEST_WAIT)
    except ValueError:
        return float(0.2 * 2**turn)


def _value(answer: Any) -> Any:
    try:
        value = answer.json()
    except (ValueError, RecursionError):
        value = None
    if answer.is_success and value is not None:
        return value
    told = value if isinstance(value, dict) else {}
    title = str(told.get("title") or f"status {answer.status_code} without an explanation")
    faults = "; ".join(
        f"{one.get('where')}: {one.get('what')}" for one in told.get("errors", ()) if isinstance(one, dict)
    )
    raise ServerError(
        f"{title}: {faults}" if faults else title, hint=told.get("hint") or None, status=answer.status_code
    )


def _list(value: Any) -> ShownList:
    """Read a list; what this version does not know is left out."""
    try:
        items = tuple(ShownItem(**_known(ShownItem, item)) for item in value["items"])
        return ShownList(**{**_known(ShownList, value), "items": items})
    except (KeyError, TypeError, AttributeError) as error:
        raise ServerError(f"the server's list cannot be read: {error}", hint="is it a server of kgrec?") from None


def _known(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: value[field.name] for field in fields(kind) if field.name in value}
