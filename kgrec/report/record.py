"""Reading records that may be old: what is not there is empty, and nothing is taken for a number that is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kgrec.report import number

NAN = float("nan")


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings in ``value`` if it is a list, else none."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def real(value: Any) -> float:
    """Return a number, NaN for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else NAN


def reals(values: Any) -> list[float]:
    """Return the numbers of a list, NaN where one is none."""
    return [real(value) for value in values] if isinstance(values, list | tuple) else []


def text_of(value: Any) -> str:
    """Return a value as words: lists with commas, numbers for people."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value) or "–"
    return number(value)


def interval(value: Any) -> tuple[float, float, float]:
    """Return mean, low and high of a kept interval."""
    found = mapping(value)
    return real(found.get("mean")), real(found.get("low")), real(found.get("high"))


def span(low: float, high: float) -> str:
    """Return an interval in words."""
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def judged(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the systems that have figures."""
    return [system for system in rows(document.get("systems")) if mapping(system.get("metrics"))]


def main_metric(document: Mapping[str, Any]) -> str:
    """Return the metric on which systems are compared: NDCG at the longest list."""
    systems = judged(document)
    names = [name for name in mapping(systems[0].get("metrics")) if name.startswith("ndcg@")] if systems else []
    names = [name for name in names if name.partition("@")[2].isdigit()]
    return max(names, key=lambda name: int(name.partition("@")[2]), default="")


def longest(document: Mapping[str, Any]) -> str:
    """Return the length of the longest list, as it stands behind the @."""
    return main_metric(document).partition("@")[2]


def change(value: float, before: float) -> str:
    """Return how much more a value is than another, in per cent."""
    return f"{value / before - 1:+.1%}" if before and math.isfinite(value / before) else ""
