"""Many patterns at once: each is tried only where a text has the letters that it begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache

from kgrec.languages.language import HAN

_STARTS = re.compile(rf"(?<!\w)\w|(?<=[{HAN}])[^\W{HAN}]|[{HAN}]")
_PIECES = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|[()|]")
_BEHIND = re.compile(r"(?:[(][?]<[!=][^()]*[)])+")
_OPENS = re.compile(r"[(][?]:\^[|][(][?]<=[^()]*[)](?:[|][(][?]<=[^()]*[)])*[)](?=[^\W\d_])")
"""What looks behind, and takes nothing of what follows; what stands at the beginning of sentences and clauses."""
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
        """First letters (up to three) -> the patterns that begin so."""
        found: dict[str, list[str]] = {}
        for part in (one for whole in self._parts for one in _distributed(whole)):
            for start in _starts(part):
                found.setdefault(start, []).append(part)
        found.pop("", None)
        return {start: re.compile("|".join(parts), re.I | re.S) for start, parts in found.items()}

    @cached_property
    def _anywhere(self) -> list[tuple[str, re.Pattern[str]]]:
        """The patterns that are tried everywhere, each with small letters that a text must have for it."""
        parts = [one for whole in self._parts for one in _distributed(whole) if "" in _starts(one)]
        return [(_needle(part), re.compile(part, re.I | re.S)) for part in dict.fromkeys(parts)]

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Yield what is found, in no particular order; patterns that begin at one place are found once there."""
        yield from (match for _, match in finditer_of((self,), text))

    def search(self, text: str) -> re.Match[str] | None:
        """Return one of the places, or None."""
        return next(self.finditer(text), None)


def finditer_of(several: tuple[Triggers, ...], text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield what each of several finds, and which one found it: a text is walked through once for all of them."""
    by_start, ends = _merged(several), [0] * len(several)
    folded, begun = _places(text)
    for number, one in enumerate(several):
        for needle, pattern in one._anywhere:
            if needle in folded:
                yield from ((number, match) for match in pattern.finditer(text))
    find = by_start.get
    for at in begun:
        for size in (1, 2, 3):
            for number, pattern in find(folded[at : at + size], ()):
                if at >= ends[number] and (match := pattern.match(text, at)):
                    ends[number] = max(match.end(), at + 1)
                    yield number, match


@lru_cache(maxsize=128)
def _merged(several: tuple[Triggers, ...]) -> dict[str, list[tuple[int, re.Pattern[str]]]]:
    found: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
    for number, one in enumerate(several):
        for start, pattern in one._by_start.items():
            found.setdefault(start, []).append((number, pattern))
    return found


@lru_cache(maxsize=64)
def _places(text: str) -> tuple[str, tuple[int, ...]]:
    """Return a text in small letters, and where its words (and Chinese characters) begin."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = text  # of a few capitals the small form is longer
    return folded, tuple(match.start() for match in _STARTS.finditer(folded))


def _split(pattern: str) -> Iterator[str]:
    """Split a pattern at the bars that stand in no group."""
    depth, start = 0, 0
    for match in _PIECES.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == "|" and depth == 0:
            yield pattern[start : match.start()]
            start = match.end()
    yield pattern[start:]


def _distributed(part: str) -> tuple[str, ...]:
    r"""Take apart a ``\b(?:...)`` of which only some words have letters to begin with: those, and the others."""
    lead = re.match(r"\\b[(][?]:", part)
    if lead is None or "" not in _starts(part):
        return (part,)
    depth, end = 1, len(part)
    for match in _PIECES.finditer(part, lead.end()):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            end = match.start()
            break
    body, tail = part[lead.end() : end], part[end + 1 :]
    options = [] if re.match(r"[?*{+]", tail) else list(_split(body))
    apart = [[o for o in options if ("" in _letters(o)) == anywhere] for anywhere in (False, True)]
    return tuple(rf"\b(?:{'|'.join(group)}){tail}" for group in apart if group) or (part,)


def _starts(part: str) -> set[str]:
    """Return the letters that a pattern can begin with, or one empty string where that is not plain to see."""
    part = _OPENS.sub(r"\\b", _BEHIND.sub("", part, 1) if part.startswith("(?<") else part, 1)
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


def _needle(part: str) -> str:
    """Return the longest run of plain letters that stands in no group: whatever matches has it."""
    if "|" in "".join(re.split(r"[(].*[)]", part)):
        return ""
    depth, start, runs = 0, 0, []
    for match in (*_PIECES.finditer(part), None):
        if depth == 0:
            plain = part[start : match.start() if match else len(part)]
            runs += re.findall(r"(?<![\\?*+}])[a-z ]{2,}(?![?*{])", plain)
        depth += {"(": 1, ")": -1}.get(match[0], 0) if match else 0
        start = match.end() if match else 0
    return max(runs, key=len, default="")


def _letters(option: str) -> set[str]:
    if chars := re.match(rf"\[([{HAN}]+)\](?![?*{{])", option):
        return set(chars[1])
    if option.startswith("(?:"):
        return _starts(r"\b" + option)
    if re.match(rf"[{HAN}]", option):
        if option[1:2] in ("?", "*", "{"):
            return {""}
        return {option[:2] if re.match(rf"[{HAN}]{{2}}(?![?*{{])", option) else option[0]}
    word = re.match(r"[^\W\d_]+(?![?*{])|[^\W\d_]{2,}(?=[^\W\d_])", option)
    if word is None or (len(word[0]) == 1 and option[1:2] not in (" ", "'", "’")):
        return {""}
    return {word[0][:3].lower()}
