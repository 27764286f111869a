"""How many threads numerical libraries get, and how they get memory: chosen, not left to chance.

Two threads that share a core with other work spin at each barrier and end up many times slower than one, so what counts
is what the machine has free, not what it has.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the two settings in malloc.h of the GNU C library."""

KEPT = 128 << 20
"""Free bytes that stay with the process."""

LARGEST = 32 << 20
"""Arrays up to so many bytes are made of what was kept; the library allows no more."""


@dataclass(frozen=True, slots=True)
class ThreadChoice:
    """A number of threads and why."""

    count: int
    why: str


def choose_threads(requested: int | None = None) -> ThreadChoice:
    """Return ``requested``, or as many threads as there are cores for this process that nobody else uses now."""
    if requested is not None:
        return ThreadChoice(requested, "set by train.threads")
    cores = usable_cores()
    busy = _busy_cores()
    free = max(1, min(cores, round(cores - busy)))
    if free < cores:
        return ThreadChoice(free, f"{cores} cores are usable and other work keeps about {busy:.1f} of them busy")
    return ThreadChoice(free, f"{cores} cores are usable and free")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:  # a container's share of the machine (cgroup v2): "max 100000" or "<microseconds> <period>"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, int(int(quota) / int(period)))) if quota != "max" else cores
    except (OSError, ValueError):
        return cores


def _busy_cores(seconds: float = 0.1) -> float:
    """Return how many cores others keep busy right now; a load average would still count what ended a minute ago."""
    before = _cpu_times()
    time.sleep(seconds if before else 0)
    after = _cpu_times()
    if before is None or after is None or after[1] <= before[1]:
        return 0.0
    idle, total = after[0] - before[0], after[1] - before[1]
    return (1 - idle / total) * (os.cpu_count() or 1)


def _cpu_times() -> tuple[int, int] | None:
    """Return idle and total time of all cores in ticks since boot, None where the system does not tell."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return ticks[3] + ticks[4], sum(ticks)


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Hold BLAS, OpenMP and (where it is loaded) torch to ``count`` threads inside the block."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        if torch and before is not None:
            torch.set_num_threads(before)


def keep_freed_memory() -> bool:
    """Let large arrays be made of memory that this process has already, and say whether that could be arranged.

    The GNU C library fetches large arrays from the system and gives them back at once. The system clears each page when
    it is touched, which can take longer than the computation that fills it; a training makes thousands of such arrays.
    Nothing happens where there is another C library.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
