"""Many patterns at once: each is tried only where a text has the letters that it begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache

from kgrec.languages.language import HAN

_STARTS = re.compile(rf"(?<!\w)\w|(?<=[{HAN}])[^\W{HAN}]|[{HAN}]")
_PIECES = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|[()|]")
_FIRST = re.compile(r"(?:\\b)?(?:[(][?]:)?")


class Triggers:
    r"""Finds patterns in time that hardly grows with their number.

    Most places in a text begin no word, and most words begin no pattern. A pattern that begins with ``\b`` and a word,
    or with Chinese characters, is tried only at words (characters) that begin as it does; any other one everywhere.

    Args:
        patterns: regular expressions; case is ignored, and a dot stands for line ends, too.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._parts = sorted({part for pattern in patterns for part in _split(pattern) if part})

    @cached_property
    def _by_start(self) -> dict[str, re.Pattern[str]]:
        """First letter (of Latin words: the first two) -> the patterns that begin so; empty: those tried anywhere."""
        found: dict[str, list[str]] = {}
        for part in self._parts:
            for start in _starts(part):
                found.setdefault(start, []).append(part)
        return {start: re.compile("|".join(parts), re.I | re.S) for start, parts in found.items()}

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Yield what is found, in no particular order; patterns that begin at one place are found once there."""
        if (anywhere := self._by_start.get("")) is not None:
            yield from anywhere.finditer(text)
        known, places, end = self._by_start, _places(text), 0
        found = sorted((at, start) for start in known.keys() & places.keys() for at in places[start])
        for at, start in found:
            if at >= end and (match := known[start].match(text, at)):
                end = max(match.end(), at + 1)
                yield match

    def search(self, text: str) -> re.Match[str] | None:
        """Return one of the places, or None."""
        return next(self.finditer(text), None)


@lru_cache(maxsize=64)
def _places(text: str) -> dict[str, list[int]]:
    """Return where words (and Chinese characters) begin, by their first letter and by their first two."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = text  # of a few capitals the small form is longer
    found: dict[str, list[int]] = {}
    for match in _STARTS.finditer(folded):
        at = match.start()
        found.setdefault(folded[at], []).append(at)
        if len(two := folded[at : at + 2]) == 2:
            found.setdefault(two, []).append(at)
    return found


def _split(pattern: str) -> Iterator[str]:
    """Split a pattern at the bars that stand in no group."""
    depth, start = 0, 0
    for match in _PIECES.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == "|" and depth == 0:
            yield pattern[start : match.start()]
            start = match.end()
    yield pattern[start:]


def _starts(part: str) -> set[str]:
    """Return the letters that a pattern can begin with, or one empty string where that is not plain to see."""
    if not part.startswith(r"\b") and not re.match(rf"(?:[(][?]:)*[\[]?[{HAN}]", part):
        return {""}
    bare, options = part, [part]
    lead = _FIRST.match(part)
    if lead and lead[0].endswith("(?:"):
        body, depth = lead.end(), 1
        for match in _PIECES.finditer(part, body):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth == 0:
                bare = part[body : match.start()]
                break
        if re.match(r"[?*{]", part[body + len(bare) + 1 :]):
            return {""}
        options = list(_split(bare))
    found: set[str] = set()
    for option in options:
        found |= _letters(option.removeprefix(r"\b"))
    return {""} if "" in found else found


def _letters(option: str) -> set[str]:
    if chars := re.match(rf"\[([{HAN}]+)\](?![?*{{])", option):
        return set(chars[1])
    if option.startswith("(?:"):
        return _starts(r"\b" + option)
    if re.match(rf"[{HAN}]", option):
        return {option[0]} if option[1:2] not in ("?", "*", "{") else {""}
    word = re.match(r"[^\W\d_]+(?![?*{])|[^\W\d_]{2,}(?=[^\W\d_])", option)
    if word is None or (len(word[0]) == 1 and option[1:2] not in (" ", "'", "’")):
        return {""}
    return {word[0][:2].lower()}
