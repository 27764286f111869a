"""A limit on how often something is done: no more than so many times in any minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable


class RateLimit:
    """Lets callers wait until they may go on.

    Args:
        per_minute: how often in any 60 seconds; 0 for no limit.
        clock, sleep: replaced in tests.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._clock, self._sleep = per_minute, clock, sleep
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        if self._limit <= 0:
            return
        while True:
            with self._lock:
                now = self._clock()
                while self._times and now - self._times[0] >= 60:
                    self._times.popleft()
                if len(self._times) < self._limit:
                    self._times.append(now)
                    return
                pause = 60 - (now - self._times[0])
            self._sleep(pause)
