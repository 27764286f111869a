"""Figures of records in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kgrec.report import number


def text_of(value: Any) -> str:
    """Return a value as words: lists with commas, numbers for people."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value) or "–"
    return number(value)


def span(low: float, high: float) -> str:
    """Return an interval in words."""
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def change(value: float, before: float) -> str:
    """Return how much more a value is than another, in per cent."""
    return f"{value / before - 1:+.1%}" if before and math.isfinite(value / before) else ""
