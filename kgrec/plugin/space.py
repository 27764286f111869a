"""What may be tuned: the range of an option, stated by the part whose option it is.

A scorer that wants to be tuned has a class method ``space``::

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        return {"regularization": Real(1, 1000, log=True), "factors": Whole(16, 512, log=True)}

Options that it leaves out keep the value of the first set of ``grid``, those that kgrec.toml gives keep theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Real:
    """A number of ``[low, high]``; with ``log`` equal ratios count the same, and ``low`` is above 0.

    Raises:
        ValueError: the range is empty, or no logarithm of it exists.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, log=self.log)

    def holds(self, value: Value) -> bool:
        """Say whether ``value`` is of the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value) and self.low <= value <= self.high  # type: ignore[operator, arg-type]


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of ``[low, high]``; ``log`` as for :class:`Real`.

    Raises:
        ValueError: the range is empty, or no logarithm of it exists.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, log=self.log)

    def holds(self, value: Value) -> bool:
        """Say whether ``value`` is of the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, without an order.

    Raises:
        ValueError: there are none.
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("there is nothing to choose from")

    def holds(self, value: Value) -> bool:
        """Say whether ``value`` is of the range; 1 and True are different values."""
        return any(value == known and type(value) is type(known) for known in self.values)


Range = Real | Whole | Choice
Space = Mapping[str, Range]
"""Option -> what it may be."""


def _check(low: float, high: float, *, log: bool) -> None:
    if not low < high or not math.isfinite(low) or not math.isfinite(high):
        raise ValueError(f"the range from {low:g} to {high:g} is empty")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range cannot begin at {low:g}")
