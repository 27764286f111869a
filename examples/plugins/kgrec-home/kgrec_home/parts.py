"""The re-ranker and the guard."""

import re
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from kgrec.plugin.generation import Violation

DAY = {  # words for a part of the day, and its hours
    r"\b(?:this )?mornings?\b|\bmorgens\b|\bam morgen\b|早上|早晨|上午": (5, 12),
    r"\bafternoons?\b|\bnachmittags?\b|下午": (12, 18),
    r"\bevenings?\b|\btonight\b|\babends?\b|晚上|今晚|傍晚": (17, 23),
    r"\bat night\b|\bmidnight\b|\bnachts\b|\bmitternacht\b|深夜|半夜": (21, 29),
}
PRESENCE = (
    r"you(?:'re| are) (?:away|out|asleep|at home)|(?:nobody|no one) is (?:home|in)|while you sleep"
    r"|sie (?:weg|unterwegs|zu hause) sind|niemand (?:zu hause|da) ist|während sie schlafen|不在家|没人在家|您睡着"
)


class HomeHours:
    """Lifts scenes whose hours hold the hour of the request, and lowers others the further off they are.

    Args:
        strength: how much the hour counts against relevance, from 0 to 1.
        hour: of the day at which the list is asked for, 21.5 for half past nine; -1: that of the latest row of the log.
        clock: take this machine's clock for the latest row, as a running home does.
        zone: where the home is, for the hour of the log's times or of the clock.
        start: attribute of the scenes with their first hour.
        end: attribute of the scenes with their last hour; smaller than the first one where a scene goes past midnight.
    """

    def __init__(
        self,
        strength: float = 0.6,
        *,
        hour: float = -1,
        clock: bool = False,
        zone: str = "UTC",
        start: str = "from_hour",
        end: str = "to_hour",
    ) -> None:
        self.strength, self.hour, self.clock = strength, hour, clock
        self.zone, self.start, self.end = ZoneInfo(zone), start, end

    def prepare(self, data):
        """Look up the hours of each scene, and when the log ends."""
        self.latest, self.hours = data.now, (data.item_values(self.start), data.item_values(self.end))
        return self

    def fit(self):
        """Return how well each scene fits the hour, 1 within its hours, falling with the time to them."""
        (start, end), hour, now = self.hours, self.hour, time.time() if self.clock else self.latest
        if hour < 0 and np.isfinite(now):
            moment = datetime.fromtimestamp(now, self.zone)
            hour = moment.hour + moment.minute / 60
        off = np.minimum((start - hour) % 24, (hour - end) % 24)  # until it begins, or since it ended
        off[(hour - start) % 24 <= (end - start) % 24] = 0.0
        return np.nan_to_num(np.exp(-off / 2)) * (hour >= 0)

    def rerank(self, lists):
        """Return the new order as columns of the candidates, shape (u, c), -1 after what is kept."""
        present = lists.items >= 0
        value = lists.relevance() * (1 - self.strength) + self.strength * self.fit()[np.maximum(lists.items, 0)]
        order = np.argsort(np.where(present, -value, np.inf), axis=1, kind="stable")
        return np.where(np.take_along_axis(present, order, axis=1), order, -1).astype(np.int64)


class HomeDay:
    """Refuses a part of the day outside the hours of the scene, and any word on who is at home, away or asleep."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        for fact in facts:  # what a title says is its own affair: "Midnight Toast"
            text = text.replace(fact.value, " ") if fact.type in {"title", "history", "text"} else text
        starts, ends = ([f.number for f in facts if f.name == name] for name in ("from_hour", "to_hour"))
        if not starts:  # guards are asked about texts of all domains
            return []
        spans = [(start, end + 24 * (end < start)) for start, end in zip(starts, ends, strict=False)]
        found = [
            Violation("home-day", f"the scene is for other hours than '{said}'", said)
            for words, (first, last) in DAY.items()
            for said in re.findall(words, text, re.IGNORECASE)
            if not any(start < last and end > first for start, end in spans)
        ]
        present = re.findall(PRESENCE, text, re.IGNORECASE)
        return found + [Violation("home-day", f"do not say who is at home or when: '{said}'", said) for said in present]
