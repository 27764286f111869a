"""What the routes work with, and the figures that are kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from kgrec.live.event_log import BusyError
from kgrec.live.service import LiveService
from kgrec.models.threads import usable_cores
from kgrec.project import Project
from kgrec.serve.jobs import Jobs
from kgrec.serve.keys import Keys
from kgrec.serve.watching import Watch

QUEUED_S = 0.05
"""Seconds of work that may wait for a moment whatever a list costs, so that a burst of quick ones is taken."""

STANDING_S = 0.1
"""Seconds after which a queue that did not empty is no burst: from then on hardly any list waits for others."""

T = TypeVar("T")


class ListQueue:
    """Makes as many lists at once as there are cores, and lets nobody wait much longer than making one takes.

    A queue that stands only makes everybody wait as long as it is (Nichols and Jacobson, Controlling Queue Delay, ACM
    Queue 2012); so bursts may wait, and who comes while it stands is told to come back.

    Args:
        cores: lists that are made at once; more would only wait for each other.
    """

    def __init__(self, cores: int) -> None:
        self._limiter, self._cores, self._usual = CapacityLimiter(cores), cores, 0.0
        self._short = time.perf_counter()

    async def run(self, make: Callable[[], T]) -> T:
        """Make a list in a thread.

        Raises:
            BusyError: as many wait as are being made, and either it has been so for :data:`STANDING_S`, or theirs is
                work for longer than :data:`QUEUED_S`.
        """
        waiting, now = self._limiter.statistics().tasks_waiting, time.perf_counter()
        if waiting < self._cores:
            self._short = now
        elif now - self._short > STANDING_S or waiting * self._usual / self._cores > QUEUED_S:
            raise BusyError("too many lists are asked for at once", hint="send it again after a moment")

        def timed() -> tuple[T, float]:
            begun = time.perf_counter()
            return make(), time.perf_counter() - begun

        made, spent = await to_thread.run_sync(timed, limiter=self._limiter)
        self._usual += 0.1 * (spent - self._usual)
        return made


class Metrics:
    """Figures for Prometheus, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        buckets = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
        labels = ("route", "method", "status")
        self.seconds = Histogram(
            "kgrec_request_seconds",
            "Time to answer, whatever the answer",
            labels,
            buckets=buckets,
            registry=self.registry,
        )
        self.events = Counter("kgrec_events", "Events taken", ("kind",), registry=self.registry)
        self.running = Gauge("kgrec_requests_running", "Requests being answered", registry=self.registry)
        self.sequence = Gauge("kgrec_events_applied", "Sequence number counted up to", registry=self.registry)
        self.cached = Gauge("kgrec_lists_cached", "Lists in memory", registry=self.registry)

    def text(self, live: LiveService) -> bytes:
        """Return all figures in Prometheus' format."""
        self.sequence.set(live.models.profiles.applied)
        self.cached.set(live.cached)
        return generate_latest(self.registry)


@dataclass(frozen=True)
class Serving:
    """What routes work with.

    Attributes:
        live: makes lists and takes events.
        project: the workspace.
        keys: who may ask; without any, whoever reaches the port.
        metrics: counts requests.
        watches: what else is told of each.
    """

    live: LiveService
    project: Project
    keys: Keys
    metrics: Metrics
    watches: tuple[Watch, ...] = ()

    @cached_property
    def lists(self) -> ListQueue:
        """Where lists are made."""
        return ListQueue(max(usable_cores(), 2))

    @cached_property
    def jobs(self) -> Jobs:
        """Bulk imports and exports."""
        return Jobs(self.live, self.project.workspace.root)


def as_json(value: Any, status: int = 200) -> Response:
    """Return JSON values as an answer, without validating them a second time."""
    return Response(to_json(value), status, media_type="application/json")


def serving(request: Request) -> Serving:
    """Return what the application serves with."""
    found: Serving = request.app.state.serving
    return found


def live(request: Request) -> LiveService:
    """Return what makes lists."""
    return serving(request).live
