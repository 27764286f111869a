"""Keys: where they come from, and that they appear nowhere."""

from __future__ import annotations

import os
import re

_SHAPES = re.compile(
    r"\b(?:sk|pk|key|tok|gsk|hf|xai)[-_][A-Za-z0-9*_\-]{6,}|(?<=Bearer )[^\s,;]+|(?<=://)[^/@\s]+:[^/@\s]+(?=@)"
)
HIDDEN = "***"


class Secret:
    """A key that never prints itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def find(cls, given: str | None, variable: str) -> Secret:
        """Return what kgrec.toml gives, else the environment's ``variable``, else the empty secret."""
        return cls(given or os.environ.get(variable, ""))

    def reveal(self) -> str:
        """Return the key, for the header of a request only."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return HIDDEN if self._value else "(none)"

    def __str__(self) -> str:
        return repr(self)

    def hide(self, text: str) -> str:
        """Return ``text`` without the key, and without anything else that looks like one.

        >>> Secret("hunter22").hide("401: wrong key hunter22 for sk-abcdef123456")
        '401: wrong key *** for ***'
        """
        if self._value:
            text = text.replace(self._value, HIDDEN)
        return _SHAPES.sub(HIDDEN, text)
