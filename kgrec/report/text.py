"""Text that is safe on a page."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters and halves of pairs: no HTML or SVG may hold them, and UTF-8 has no bytes for some."""

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of all text behind them."""

WIDE = 0x2E7F
"""Characters behind this one (Chinese, Japanese, Korean) are twice as wide."""


def escaped(value: object) -> Markup:
    """Return ``value`` as text for a page; what is :class:`~markupsafe.Markup` already stays as it is."""
    if isinstance(value, Markup):
        return value
    return escape(_TURNING.sub("", _FORBIDDEN.sub(" ", str(value))))


def width_of(text: str) -> int:
    """Return how many Latin letters wide a text is."""
    return sum(2 if ord(char) > WIDE else 1 for char in text)


def shortened(text: object, longest: int) -> str:
    """Cut a text after ``longest`` Latin letters' width, not yet escaped."""
    whole, width = str(text), 0
    if width_of(whole) <= longest:
        return whole
    for kept, char in enumerate(whole):
        width += 2 if ord(char) > WIDE else 1
        if width >= longest:
            return whole[:kept].rstrip() + "…"
    return whole
