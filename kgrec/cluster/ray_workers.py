"""Blocks on processes of Ray: in order, a bounded number at a time, each until it is done, whatever dies meanwhile."""

from __future__ import annotations

import platform
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

from kgrec.errors import ClusterError, KgrecError

S = TypeVar("S")
B = TypeVar("B")
R = TypeVar("R")

AHEAD = 2
"""Blocks that a worker has before it at most, so that it does not wait for the next one."""
WINDOW = 4
"""Blocks for each worker, at most, that were begun and not taken yet."""
ATTEMPTS = 5
"""Workers that may die in turn under one block, or twice as many before they begin, before that is an error."""
PATIENCE_S = 120.0
"""Seconds to wait for a worker where none is there."""
LOOK_S = 1.0
"""Seconds between two looks whether the head is there."""
MISSED = 5
"""Looks in a row at which the head does not answer: it is dead."""


class Worker:
    """A process of the cluster: it keeps what the blocks of a job share."""

    def __init__(self) -> None:
        self._job = -1
        self._work: Callable[[Any, Any], Any] | None = None
        self._shared: Any = None

    def where(self) -> tuple[str, str, str]:
        """Return machine, and the versions that must be those of the asking process."""
        return socket.gethostname(), version("kgrec"), platform.python_version()

    def run(self, job: int, kept: list[Any], block: Any) -> tuple[bool, Any]:
        """Return whether the block is done, and the result or the error."""
        try:
            if job != self._job:
                import ray

                self._shared = None  # that of the last job goes before the next one comes
                self._work, shared, reopen = ray.get(kept[0])
                self._shared = shared if reopen is None else reopen()
                self._job = job
            assert self._work is not None
            return True, self._work(self._shared, block)
        except Exception as error:  # it is raised where the block was asked for
            return False, error if isinstance(error, KgrecError) else _plain(error)


def _plain(error: Exception) -> Exception:
    """Return an error that can be sent, with the place where it arose."""
    import traceback

    told = RuntimeError(f"{type(error).__name__}: {error}")
    told.add_note("".join(traceback.format_exception(error))[-4000:])
    return told


@dataclass
class _Job:
    """A map under way.

    Attributes:
        number: tells the workers' jobs apart.
        kept: reference of work and shared values, in a list so that Ray hands over the reference itself.
        again: blocks whose worker died.
        running: reference -> number, block, worker.
        done: results that wait for those before them.
        deaths: of workers under a block.
    """

    number: int
    kept: list[Any]
    again: deque[tuple[int, Any]] = field(default_factory=deque)
    running: dict[Any, tuple[int, Any, Any]] = field(default_factory=dict)
    done: dict[int, Any] = field(default_factory=dict)
    deaths: dict[int, int] = field(default_factory=dict)


class RayWorkers:
    """Workers on Ray; see :class:`kgrec.workers.Workers`.

    A worker that dies, by its machine, the kernel's memory killer or a fault, is replaced where there is room, and its
    blocks are done again by whoever is there; so a block's work may run twice, and its result counts once.

    Args:
        ray: the package, connected.
        address: of the head.
        count: workers.
    """

    def __init__(self, ray: Any, address: str, count: int) -> None:
        self._ray, self._address, self._count = ray, address, count
        self._jobs = 0
        self._starting: dict[Any, Any] = {}
        self._there: list[Any] = []
        self._missed, self._looked, self._stillborn = 0, 0.0, 0
        self._make = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)

    @property
    def count(self) -> int:
        """Blocks that are worked on at the same time."""
        return self._count

    def map(
        self,
        work: Callable[[S, B], R],
        shared: S,
        blocks: Iterable[B],
        *,
        reopen: Callable[[], S] | None = None,
    ) -> Iterator[R]:
        """Yield ``work(shared, block)`` of each block, in their order.

        Raises:
            ClusterError: the cluster is gone, or workers die under a block again and again.
        """
        self._jobs += 1
        job = _Job(self._jobs, [])
        coming = enumerate(blocks)
        more, taken = True, 0
        try:
            job.kept.append(self._ray.put((work, None if reopen else shared, reopen)))
            waited = time.monotonic()
            while True:
                self._fill()
                while job.again or more:
                    worker = self._free(job)
                    if worker is None or (not job.again and self._full(job)):
                        break
                    number, block = job.again.popleft() if job.again else next(coming, (-1, None))
                    if number < 0:
                        more = False
                        break
                    job.running[worker.run.remote(job.number, job.kept, block)] = (number, block, worker)
                while taken in job.done:
                    yield job.done.pop(taken)
                    taken += 1
                    waited = time.monotonic()
                if not (more or job.again or job.running or job.done):
                    return
                if self._there:
                    waited = time.monotonic()
                elif time.monotonic() - waited > PATIENCE_S:
                    raise ClusterError(
                        f"the cluster at {self._address} has no room for a worker", hint="look at `ray status` there"
                    )
                self._wait(job)
        except self._ray.exceptions.RayError as error:
            raise self._gone(error) from error
        finally:
            for reference in job.running:
                self._ray.cancel(reference, force=False)

    def _fill(self) -> None:
        """Start workers until there are as many as wanted."""
        while len(self._there) + len(self._starting) < self._count:
            worker = self._make.remote()
            self._starting[worker.where.remote()] = worker

    def _free(self, job: _Job) -> Any:
        """Return the worker with the fewest blocks before it, None where all have enough."""
        if not self._there:
            return None
        load = [sum(worker is one for _, _, worker in job.running.values()) for one in self._there]
        least = min(load)
        return self._there[load.index(least)] if least < AHEAD else None

    def _full(self, job: _Job) -> bool:
        return len(job.running) + len(job.done) >= WINDOW * self._count

    def _wait(self, job: _Job) -> None:
        """Take in what is ready."""
        references = [*job.running, *self._starting]
        ready, _ = self._ray.wait(references, num_returns=1, timeout=LOOK_S)
        if time.monotonic() - self._looked > LOOK_S:
            self._look()
        for reference in ready:
            if reference in self._starting:
                self._arrived(self._starting.pop(reference), reference)
            else:
                self._ended(job, reference)

    def _arrived(self, worker: Any, reference: Any) -> None:
        try:
            machine, there, python = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn < 2 * ATTEMPTS:
                return
            raise ClusterError(
                f"workers cannot start: {' '.join(str(error).split())[-300:]}",
                hint=f"kgrec {version('kgrec')} must be installed on all machines of the cluster",
            ) from error
        self._stillborn = 0
        own = version("kgrec"), platform.python_version()
        if (there, python.rpartition(".")[0]) != (own[0], own[1].rpartition(".")[0]):
            raise ClusterError(
                f"{machine} has kgrec {there} on Python {python}, this process kgrec {own[0]} on Python {own[1]}",
                hint="install the same there",
            )
        self._there.append(worker)

    def _ended(self, job: _Job, reference: Any) -> None:
        number, block, worker = job.running.pop(reference)
        try:
            good, found = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            self._there = [one for one in self._there if one is not worker]
            job.deaths[number] = job.deaths.get(number, 0) + 1
            if job.deaths[number] >= ATTEMPTS:
                told = f"{ATTEMPTS} workers died in turn over the same part of the work"
                why = " ".join(str(error).split())[-200:]
                raise ClusterError(
                    f"{told}: {why}", hint="is there memory enough? `dmesg` tells whom the kernel killed"
                ) from error
            job.again.append((number, block))
            return
        if not good:
            raise found
        job.done[number] = found

    def _look(self) -> None:
        """Make sure that the head is there; Ray itself would end this process after a while, without a word.

        Raises:
            ClusterError: it is not.
        """
        host, _, port = self._address.rpartition(":")
        self._missed = 0 if answers(host, int(port), seconds=LOOK_S) else self._missed + 1
        self._looked = time.monotonic()
        if self._missed >= MISSED:
            raise self._gone(None)

    def _gone(self, error: Exception | None) -> ClusterError:
        why = f": {' '.join(str(error).split())[:300]}" if error else ""
        hint = "what was published stands; start the cluster and run the command again, it goes on from what is kept"
        return ClusterError(f"the cluster at {self._address} does not answer any more{why}", hint=hint)


def answers(host: str, port: int, *, seconds: float) -> bool:
    """Say whether somebody takes connections there."""
    try:
        socket.create_connection((host.strip("[]"), port), timeout=seconds).close()
    except OSError:
        return False
    return True
