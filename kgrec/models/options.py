"""Checks of the options that scorers are built with: a wrong value is a ValueError that names the option."""

from __future__ import annotations

import math
from collections.abc import Sequence


def integer(name: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return ``value`` if it is a whole number of at least ``low`` and at most ``high``.

    Raises:
        ValueError: it is not; the message names the option.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        span = f"of at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be a whole number {span}, not {value!r}")
    return value


def number(name: str, value: object, *, low: float, high: float = math.inf, above: bool = False) -> float:
    """Return ``value`` as a float if it lies in ``[low, high]``, or in ``(low, high]`` with ``above``.

    Raises:
        ValueError: it does not, or it is no finite number; the message names the option.
    """
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or value < low or value > high or (above and value == low):  # type: ignore[operator]
        span = f"{'above' if above else 'of at least'} {low:g}" + (f" and at most {high:g}" if high < math.inf else "")
        raise ValueError(f"{name} must be a number {span}, not {value!r}")
    return float(value)  # type: ignore[arg-type]


def choice(name: str, value: object, known: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``known``.

    Raises:
        ValueError: it is not; the message names the option and what is known.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    return value
