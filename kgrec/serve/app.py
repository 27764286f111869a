"""The web application: who may ask, how much at once, and what an error looks like; the routes stand in ``api``.

Errors are problem details (RFC 9457). Without keys only the machine itself may ask; a page of another origin may not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kgrec.errors import (
    ConsentError,
    CorruptArtifactError,
    DataError,
    GuardRefusedError,
    KgrecError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    StorageError,
    UsageError,
    UserError,
)
from kgrec.live.event_log import BusyError
from kgrec.serve.api import router
from kgrec.serve.data_api import data_router
from kgrec.serve.jobs import MAX_IMPORT
from kgrec.serve.keys import Key, Scope
from kgrec.serve.page_actions import action_router
from kgrec.serve.pages import page_router
from kgrec.serve.serving import Serving
from kgrec.serve.watching import Answered

MAX_BODY = 1 << 20
"""Bytes of a request at most."""

IMPORT = "/v1/jobs/import"

SENDING_S = 20.0
"""Seconds that a request may take to come."""

TOO_LONG = f"a request may hold {MAX_BODY:,} bytes, an import {MAX_IMPORT:,}"

ROUTERS = (router, data_router, page_router, action_router)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")

STATUS: tuple[tuple[type[KgrecError], int], ...] = (
    (BusyError, 503),
    (StorageError, 503),
    (NotFoundError, 404),
    (ConsentError, 403),
    (GuardRefusedError, 422),
    (CorruptArtifactError, 500),
    (DataError, 422),
    (MissingExtraError, 501),
    (ModelError, 502),
    (UsageError, 400),
    (UserError, 400),
)
"""Status of an error; what is not listed is 500."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def problem(status: int, title: str, hint: str | None = None, **more: Any) -> JSONResponse:
    """Return an error as problem details."""
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    body = {"type": "about:blank", "title": title, "status": status, **({"hint": hint} if hint else {}), **more}
    return JSONResponse(body, status, headers, "application/problem+json")


def create_app(serving: Serving, *, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """Return the application.

    Args:
        serving: what routes work with.
        hosts: names under which it may be asked, so that a page of another site cannot reach it by renaming itself.
    """
    app = FastAPI(
        title="kgrec", version=version("kgrec"), docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json"
    )
    app.state.serving = serving

    async def known(_request: Request, error: Exception) -> Response:
        assert isinstance(error, KgrecError)
        status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
        return problem(status, error.message, error.hint)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()[:20]]
        return problem(422, "the request cannot be used", errors=faults)

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail))

    async def unexpected(_request: Request, _error: Exception) -> Response:
        return problem(500, "unexpected error", "the server's log says more")

    app.add_exception_handler(KgrecError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
    for part in ROUTERS:
        app.include_router(part)
    app.add_middleware(Gatekeeper, serving=serving, hosts=hosts)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(serving.metrics.text(serving.live), media_type=CONTENT_TYPE_LATEST)

    return app


def scope_of(method: str, path: str) -> Scope | None:
    """Return what a key must be allowed to for a request; None where none is needed."""
    if path.startswith("/health/"):
        return None
    if (path.startswith("/v1/users/") and method == "DELETE") or path == "/page/forget":
        return "erase"
    if path.startswith(ADMIN):
        return "admin"
    return "read" if method in ("GET", "HEAD", "OPTIONS") or path in ASKING else "write"


ADMIN = ("/v1/models", "/models", "/page/models", "/metrics", "/v1/off-policy", "/v1/jobs")
"""What only those who run the server may ask for."""

SLOW = ("/v1/generate", "/v1/jobs", "/v1/users-for-item", "/v1/graph", "/v1/models", "/texts", "/graph", "/page/models")
"""What may take seconds, and must not take the places of lists."""

ASKING = frozenset(
    f"/v1/{name}"
    for name in (
        *("recommend", "similar", "rank", "search", "explain", "why-not", "counterfactual", "chat", "generate"),
        *("generate/stream", "graph/query", "users-for-item", "next"),
    )
) | {"/chat", "/graph/query"}
"""Requests with a body that change nothing; whatever else is sent needs the scope ``write``."""


class Gatekeeper:
    """Lets in whom the keys and the limits let in, and counts how long answers take."""

    def __init__(self, app: Any, serving: Serving, hosts: tuple[str, ...]) -> None:
        self.app, self.serving = app, serving
        self.hosts = {host.casefold() for host in hosts}
        self.waiting = serving.live.config.serve.waiting
        self.running = {False: 0, True: 0}
        """Requests being answered: those that are quick, and those that take long by themselves."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        refused = self._refusal(scope["method"], scope["path"], headers)
        begun, status = time.perf_counter(), 500
        counted, slow, path = False, scope["path"].startswith(SLOW), scope["path"]

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *SAFE]
            elif not message.get("more_body"):
                leave()  # whoever reads slowly holds no place
            await send(message)

        def leave() -> None:
            nonlocal counted
            self.running[slow] -= counted
            counted = False

        try:
            if refused is None and path != IMPORT:
                try:  # before it takes a place: whoever sends slowly, or never ends, holds nobody up
                    async with asyncio.timeout(SENDING_S):
                        receive = await _whole(receive)
                except TimeoutError:
                    refused = problem(408, f"the request did not come within {SENDING_S:g} s")
                except HTTPException as error:
                    refused = problem(error.status_code, error.detail)
            wanted = not path.startswith(("/health/", "/metrics"))
            if refused is None and wanted and self.running[slow] >= self.waiting:
                refused = problem(503, "too many requests at once", "send it again after a moment")
            if refused is not None:
                await refused(scope, receive, watched)
                return
            counted = wanted
            self.running[slow] += counted
            self.serving.metrics.running.set(sum(self.running.values()))
            await self.app(scope, _limited(receive, MAX_IMPORT) if path == IMPORT else receive, watched)
        finally:
            leave()
            route = scope.get("route")  # set by the router; absent of what no route answers
            labels = (route.path if isinstance(route, Route) else "unknown", scope["method"], str(status))
            spent = time.perf_counter() - begun
            self.serving.metrics.seconds.labels(*labels).observe(spent)
            if self.serving.watches:
                key = self._key(headers)
                told = Answered(
                    labels[0], labels[1], status, spent, key.name if key else "", headers.get("traceparent", "")
                )
                for watch in self.serving.watches:
                    watch(told)

    def _refusal(self, method: str, path: str, headers: dict[str, str]) -> JSONResponse | None:
        host = headers.get("host", "").casefold()
        name = host[: host.rindex(":")] if ":" in host and not host.endswith("]") else host
        if name not in self.hosts and "*" not in self.hosts:
            return problem(421, f"this server does not go by the name {name[:80]!r}", "start it with --allow-host NAME")
        if method not in ("GET", "HEAD") and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return problem(403, "a page of another site may not change anything here")
        if method not in ("GET", "HEAD") and (origin := headers.get("origin")) and origin.partition("://")[2] != host:
            return problem(403, "a page of another site may not change anything here")
        length = headers.get("content-length") or "0"
        if not length.isdigit() or int(length) > (MAX_IMPORT if path == IMPORT else MAX_BODY):
            return problem(413, TOO_LONG)
        wanted = scope_of(method, path)
        if not self.serving.keys.keys or wanted is None:
            return None
        if (key := self._key(headers)) is None:
            return problem(401, "a key is needed", "send the header `Authorization: Bearer KEY`")
        if wanted not in key.scopes:
            return problem(403, f"this key may not {wanted}", f"a key with the scope {wanted!r} may")
        if wait := self.serving.keys.wait(key):
            return problem(429, "this key's quota is used up", f"send it again after {wait:.2f} s")
        return None

    def _key(self, headers: dict[str, str]) -> Key | None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        return self.serving.keys.find(shown.strip()) if scheme.casefold() == "bearer" else None


SAFE = tuple(
    (name.encode(), value.encode())
    for name, value in (
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),  # without a referrer browsers name no origin for forms, and are refused
        ("x-frame-options", "DENY"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
        ),
    )
)
"""Headers of every answer."""


async def _whole(receive: Receive) -> Receive:
    """Read all of a request; what comes after it is still received.

    Raises:
        HTTPException: it is too long, whatever its header says.
    """
    read, body, last = _limited(receive, MAX_BODY), bytearray(), False
    while not last:
        message = await read()
        body += message.get("body", b"")
        last = not message.get("more_body")
    kept: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
    if message["type"] != "http.request":
        kept.append(message)

    async def again() -> Message:
        return kept.pop(0) if kept else await receive()

    return again


def _limited(receive: Receive, most: int) -> Receive:
    """Stop reading where a body is longer than it may be, whatever its header says."""
    length = 0

    async def read() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > most:
            raise HTTPException(413, TOO_LONG)
        return message

    return read
