"""What operation sees of requests: a line of JSON, and a span for OpenTelemetry, each without what people sent.

Routes are named as they are written (``/v1/users/{user_id}``), never with the ids, words and keys of a request; of an
error stands its type and where it arose, not its words.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kgrec.errors import MissingExtraError

LOGGER = logging.getLogger("kgrec.serve")

ENDPOINT = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Where one of these is set, spans are sent there."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered.

    Attributes:
        route, method, status: as the API names them.
        seconds: how long it took.
        key: name of the key's holder, or empty.
        trace: the header ``traceparent``, or empty.
    """

    route: str
    method: str
    status: int
    seconds: float
    key: str = ""
    trace: str = ""


Watch = Callable[[Answered], None]


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, Any] = {"time": round(record.created, 3), "level": record.levelname.lower()}
        if isinstance(record.msg, Mapping):
            told |= record.msg
        elif record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-6:]
            told |= {"event": "error", "error": record.exc_info[0].__name__}
            told["at"] = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        else:
            told |= {"event": "server", "message": record.getMessage()}
        return json.dumps(told, ensure_ascii=False)


def log_config() -> dict[str, Any]:
    """Return how Python's logging and uvicorn's write lines of JSON to standard error."""
    handler = {"class": "logging.StreamHandler", "formatter": "json"}
    loggers = {name: {"handlers": ["err"], "level": "INFO", "propagate": False} for name in ("kgrec.serve", "uvicorn")}
    formatters = {"json": {"()": JsonLines}}
    base: dict[str, Any] = {"version": 1, "disable_existing_loggers": False, "formatters": formatters}
    return {**base, "handlers": {"err": handler}, "loggers": loggers}


def log(one: Answered) -> None:
    """Write the line of a request."""
    ms = round(1000 * one.seconds, 2)
    told = {"event": "request", "method": one.method, "route": one.route, "status": one.status, "ms": ms}
    LOGGER.info({**told, **({"key": one.key} if one.key else {})})


def tracing() -> Watch | None:
    """Return what makes a span of each request, where :data:`ENDPOINT` says whom to send them to.

    Raises:
        MissingExtraError: it does, and OpenTelemetry is not installed.
    """
    if not any(os.environ.get(name) for name in ENDPOINT):
        return None
    try:
        from opentelemetry import propagate
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, Status, StatusCode
    except ModuleNotFoundError:
        raise MissingExtraError.of(ENDPOINT[0], "otel") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "kgrec"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("kgrec.serve")

    def watch(one: Answered) -> None:
        end = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": one.method,
            "http.route": one.route,
            "http.response.status_code": one.status,
        }
        span = tracer.start_span(
            f"{one.method} {one.route}",
            propagate.extract({"traceparent": one.trace}),
            SpanKind.SERVER,
            attributes,
            start_time=end - int(one.seconds * 1e9),
        )
        if one.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    return watch
