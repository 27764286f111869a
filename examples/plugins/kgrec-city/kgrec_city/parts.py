"""The re-ranker and the guard."""

import re
from datetime import date

import numpy as np
from scipy.sparse import csr_array

from kgrec.plugin.generation import Violation

GERMAN = "montag dienstag mittwoch donnerstag freitag samstag sonntag"
ENGLISH = "monday tuesday wednesday thursday friday saturday sunday"
MONTHS = ["jan", "feb", "m[aä]r", "apr", "ma[iy]", "jun", "jul", "aug", "sep", "o[ck]t", "nov", "de[cz]"]
WORDS = re.compile("(?:星期|周)[一二三四五六日天末]|今天|今晚|明天|[a-zß-ü]+")
SOON = {"today", "tonight", "tomorrow", "heute", "morgen", "今天", "今晚", "明天"}


class CityNear:
    """Drops what is over and lifts what is near the visitor's home, or else near what they like.

    Args:
        strength: how much nearness counts against relevance, from 0 to 1; what is over is dropped all the same.
        km: the distance at which an event counts about a third of one next door.
        ends: attribute of the events with the time of their end; empty: nothing is dropped.
        home: attribute of visitors and events that says in which part of the city they are.
    """

    def __init__(self, strength: float = 0.3, *, km: float = 2.0, ends: str = "ends", home: str = "district") -> None:
        self.strength, self.km, self.ends, self.home = strength, km, ends, home

    def prepare(self, data):
        """Look up when events end and where they are, and where everybody lives."""
        ends = data.item_values(self.ends) if self.ends else np.full(data.n_items, np.nan)
        self.over = ends < data.now  # an event without an end (NaN) is never over
        self.places = np.stack([data.item_values("lat") * 111, data.item_values("lon") * 71], axis=1)  # km at 50° north
        parts, living = data.item_groups(self.home), data.user_groups(self.home)
        same = csr_array(np.equal.outer(living.names, parts.names).astype(np.float32))
        homes = self.middle(living.matrix @ same @ parts.matrix.T)
        self.homes = np.pad(homes, ((0, 1), (0, 0)), constant_values=np.nan)  # the last row: who is not in the data
        return self

    def middle(self, weights):
        """Return the mean place of weighted events, shape (rows, 2); NaN where there is none."""
        known = np.isfinite(self.places).all(axis=1)
        total = np.asarray(weights @ known.astype(np.float64)).reshape(-1, 1)
        sums = weights @ np.where(known[:, None], self.places, 0.0)
        return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)

    def rerank(self, lists):
        """Return the new order as columns of the candidates, shape (u, c), -1 after what is kept."""
        shown = np.maximum(lists.items, 0)
        kept = (lists.items >= 0) & ~self.over[shown]
        home = self.homes[lists.users]
        home = np.where(np.isnan(home), self.middle(lists.liked), home)
        near = np.exp(-np.linalg.norm(self.places[shown] - home[:, None, :], axis=2) / self.km)
        value = lists.relevance() * (1 - self.strength) + self.strength * np.nan_to_num(near)
        order = np.argsort(np.where(kept, -value, np.inf), axis=1, kind="stable")
        return np.where(np.take_along_axis(kept, order, axis=1), order, -1).astype(np.int64)


class CityDays:
    """Refuses a day of the week that no date of the facts falls on, and "tomorrow", which is false a day later."""

    def check(self, request, facts, text):
        """Return what is wrong with a text, in words that its writer can act on; nothing when it may be shown."""
        # Guards are asked about texts of all domains: what has no such dates is none of this one's business.
        on = {day_of_week(fact.value) for fact in facts if fact.name in {"starts", "ends"}}
        for fact in facts:  # what a title says is its own affair: "Rooms for Tomorrow"
            text = text.replace(fact.value, " ") if fact.type == "title" else text
        wrong = [word for word in WORDS.findall(text.lower()) if on and not days_meant(word) & on]
        return [Violation("city-days", f"name a date of the facts: '{word}' is none", word) for word in wrong]


def days_meant(word: str) -> set[int]:
    """Return the days of the week that a word may be said of, 0 for Monday; none for "tomorrow"."""
    if word in {"weekend", "wochenende", "周末"}:
        return {4, 5, 6}
    if word[0] in "星周":
        return {min("一二三四五六日天".index(word[-1]), 6)}
    named = {k % 7 for k, name in enumerate(f"{GERMAN} {ENGLISH}".split()) if word.removesuffix("s") == name}
    return named or (set() if word in SOON else set(range(7)))


def day_of_week(shown: str) -> int | None:
    """Return 0 for a Monday, of a date as facts write it: 5 July 2025, 5. Juli 2025, 2025年7月5日."""
    numbers = [int(number) for number in re.findall(r"\d+", shown)]
    month = next((k for k, name in enumerate(MONTHS, 1) if re.search(name, shown.lower())), None)
    if len(numbers) == 2 and month:
        return date(numbers[1], month, numbers[0]).weekday()
    return date(*numbers).weekday() if len(numbers) == 3 else None
