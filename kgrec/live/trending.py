"""What most people turn to now: counts of events by item, decaying, and by the minute."""

from __future__ import annotations

import time
from collections import Counter, deque

import numpy as np
import polars as pl

MINUTES = 1_440
"""Minutes that are counted apart, back from the latest event."""


class Trending:
    """Counts by the id of the item, whichever models are served. Not safe for several threads: the caller holds a lock.

    Args:
        hours: after which an event counts half.
    """

    def __init__(self, hours: float) -> None:
        self._rate = np.log(2) / (hours * 3600)
        self._slots: dict[str, int] = {}
        self._counts, self._at = np.zeros(1024), 0.0
        self._minutes: deque[tuple[int, Counter[str]]] = deque()

    def add(self, events: pl.DataFrame) -> None:
        """Count events with items, impressions and dislikes left out; a time to come counts as now."""
        now = time.time()
        kept = events.filter(~pl.col("action").is_in(["impression", "dislike"]) & pl.col("item_id").is_not_null())
        if not kept.height:
            return
        minute = (pl.min_horizontal("time", pl.lit(now)) // 60).cast(pl.Int64)
        found = kept.group_by(minute.alias("minute"), "item_id").len().sort("minute")
        slots = np.array([self._slots.setdefault(key, len(self._slots)) for key in found["item_id"]], dtype=np.int64)
        if len(self._slots) > len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(len(self._slots))])
        times = np.minimum(60.0 * found["minute"].to_numpy() + 60, now)
        latest = max(self._at, float(times.max()))
        self._counts *= np.exp(-self._rate * (latest - self._at))
        self._at = latest
        np.add.at(self._counts, slots, found["len"].to_numpy() * np.exp(-self._rate * (latest - times)))
        oldest = int(latest // 60) - MINUTES
        by_minute = dict(self._minutes)
        for at, key, count in found.select("minute", "item_id", "len").filter(pl.col("minute") >= oldest).iter_rows():
            by_minute.setdefault(at, Counter())[key] += count
        self._minutes = deque(sorted((at, counts) for at, counts in by_minute.items() if at >= oldest))

    def best(self, n: int, now: float, minutes: int | None = None) -> list[tuple[str, float]]:
        """Return ids and counts of the items with the highest counts above 0.

        Args:
            n: how many.
            now: unix seconds.
            minutes: count what came in so many minutes, each event as one; None: what came, decayed.
        """
        if minutes is not None:
            first = int((now - 60 * minutes) // 60) + 1
            counted: Counter[str] = Counter()
            for at, counts in self._minutes:
                if at >= first:
                    counted.update(counts)
            return [(key, float(count)) for key, count in counted.most_common(n)]
        ids = list(self._slots)
        counts = self._counts[: len(ids)] * np.exp(-self._rate * max(now - self._at, 0.0))
        order = np.argsort(-counts, kind="stable")[:n]
        return [(ids[place], float(counts[place])) for place in order if counts[place] > 1e-9]
