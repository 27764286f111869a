"""Axes of charts: from values to places, round numbers to mark, and how to write them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_NOTHING = 1e-100
"""Below this a number is 0 for a chart."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand.

    Attributes:
        low, high: values at the ends.
        start, end: where the ends are drawn.
        log: every step multiplies; values are above 0 then.
        marks: values to mark, in order.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool
    marks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        """Return where a value is drawn; what lies outside stands at the end."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        share = (min(at, high) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def labels(self) -> list[str]:
        """Return how the marks are written."""
        if self.log:
            return [_short(mark, 0 if mark >= 1 else math.ceil(-math.log10(mark))) for mark in self.marks]
        step = self.marks[1] - self.marks[0] if len(self.marks) > 1 else abs(self.marks[0]) or 1.0
        unit = next((u for u in (1e9, 1e6, 1e3) if step >= u / 10 and abs(self.marks[-1]) >= 10 * u), 1.0)
        digits = max(0, -math.floor(math.log10(step / unit) + 1e-9))
        if round(step / unit, digits) != round(step / unit, digits + 3):  # 2.5 and 0.25 need one digit more
            digits += 1
        return [_short(mark, digits) if unit == 1 else _unit(mark, unit, digits) for mark in self.marks]


def axis(
    values: Iterable[float], start: float, end: float, *, log: bool = False, zero: bool = False, n_marks: int = 5
) -> Axis:
    """Make an axis that holds all values; a linear one ends at round numbers.

    Args:
        values: what has to fit; what is not finite, or not above 0 on a logarithmic axis, does not count.
        start: where its lower end is drawn.
        end: where its upper end is drawn.
        log: logarithmic.
        zero: begin (or end) at 0.
        n_marks: about how many marks.
    """
    known = [v for v in values if math.isfinite(v) and (v > _NOTHING or not log)]
    low, high = (min(known), max(known)) if known else ((1.0, 10.0) if log else (0.0, 1.0))
    if log:
        return _log_axis(low, high, start, end, n_marks)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= max(1e-12 * max(abs(low), abs(high)), _NOTHING):
        room = abs(low) / 2 if abs(low) > _NOTHING else 0.5
        low, high = (0.0, 2 * room) if zero and low == 0 else (low - room, high + room)
    step = _round_step((high - low) / n_marks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = tuple(float(f"{k * step:.12g}") for k in range(first, last + 1))
    return Axis(marks[0], marks[-1], start, end, False, marks)


def _log_axis(low: float, high: float, start: float, end: float, n_marks: int) -> Axis:
    if high <= low:
        low, high = low / 2, high * 2
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / n_marks))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    marks = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
    shown = tuple(mark for mark in marks if low * 0.999 <= mark <= high * 1.001)
    return Axis(low, high, start, end, True, shown or (low, high))


def _round_step(step: float) -> float:
    size = 10.0 ** math.floor(math.log10(step))
    return next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= step * (1 - 1e-9))


def _short(value: float, digits: int) -> str:
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * unit or (abs(value) >= unit and value % unit == 0):
            return f"{value / unit:g}{letter}"
    return f"{value:.{digits}f}" if digits <= 6 else f"{value:.3g}"


def _unit(value: float, unit: float, digits: int) -> str:
    return "0" if value == 0 else f"{value / unit:.{digits}f}" + {1e3: "k", 1e6: "M", 1e9: "G"}[unit]
