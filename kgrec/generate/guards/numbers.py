"""Numbers: whatever the text counts must be among the facts, in its unit, rounded at most."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kgrec.generate.language import plural
from kgrec.generate.spans import covers, spans_of
from kgrec.plugin.generation import Fact, TextRequest, Violation

_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_FIGURE = re.compile(
    rf"(?<![\w.])([$€£¥￥])?\s?({_DIGITS})(?:st|nd|rd|th|s)?(?:\s?(%|％|[A-Za-z]+|[\u4e00-\u9fff]{{1,3}}))?", re.A
)
_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_ENGLISH: dict[str, float] = {word: value for value, word in enumerate(_COUNTED.split())}
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_ENGLISH |= {word: 10 * value for value, word in enumerate(_TENS.split(), start=3)}
_ENGLISH |= {"hundred": 100, "thousand": 1000, "million": 10**6, "dozen": 12, "twice": 2, "double": 2, "triple": 3}
_ENGLISH_WORD = re.compile(
    rf"\b({'|'.join(w for w in _ENGLISH if w not in ('one', 'zero'))})\b(?:[\s-]+([A-Za-z]+))?", re.I
)
_HAN_DIGITS = dict(zip("零一二三四五六七八九十百千万两", (*range(10), 10, 100, 1000, 10000, 2), strict=True))
_CHINESE = re.compile(r"([一二三四五六七八九十百千万两]+)(分钟|小时|部|本|件|次|位|年|元|块|个月|天|岁|折|篇|季|集|款)")
_JOINED = re.compile(r"-?([A-Za-z]+)")
UNITS: dict[str, tuple[str, ...]] = {
    "minute": ("minute", "minutes", "min", "mins", "分钟", "分"),
    "hour": ("hour", "hours", "hr", "hrs", "h", "小时"),
    "year": ("year", "years", "年"),
    "money": ("$", "€", "£", "¥", "￥", "dollar", "dollars", "euro", "euros", "usd", "yuan", "元", "块", "块钱"),
    "percent": ("%", "％", "percent"),
    "rating": ("star", "stars", "points", "分", "星"),
}
"""Units that are told apart; any other word after a number is no unit."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: ``text[start:end]``, its value, its unit (a key of :data:`UNITS`, or empty), its decimals."""

    start: int
    end: int
    value: float
    units: frozenset[str]
    decimals: int
    word: str = ""


class Numbers:
    """Rejects numbers that the facts do not hold.

    Args:
        rounding: how far a rounded number may be from the fact, as a share of it; years must be exact.
    """

    def __init__(self, *, rounding: float = 0.05) -> None:
        if not 0 <= rounding < 0.5:
            raise ValueError(f"rounding must lie between 0 and 0.5, not {rounding}")
        self.rounding = rounding

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        names = tuple(f for f in facts if f.type not in ("number", "date", "attribute"))
        spans = [span for span in spans_of(text, names) if re.search(r"[^\d\W]", text[span.start : span.end])]
        held = list(_held(facts))
        counts = {fact.number for fact in facts if fact.type == "interest"}
        told = _squeezed(" ".join(f"{fact.value} {fact.unit} {' '.join(fact.aliases)}" for fact in facts))
        return [
            Violation(
                "numbers", f"{text[n.start : n.end].strip()!r} is not in the facts", text[n.start : n.end].strip()
            )
            for n in numbers_in(text, request.language)
            if not covers(spans, n.start, n.end)
            and not (n.value in counts and _counts_items(text, n, request))
            and not (any(self._agree(n, fact) for fact in held) and _whole(text, n, told))
        ]

    def _agree(self, said: Number, fact: Number) -> bool:
        if said.units and fact.units and not said.units & fact.units:
            if "hour" in said.units and "minute" in fact.units:
                return abs(said.value * 60 - fact.value) <= self.rounding * fact.value
            return False
        if said.value == fact.value:
            return True
        whole_year = 1500 <= fact.value <= 2200 and fact.decimals == 0
        if whole_year or said.decimals > fact.decimals:
            return False
        rounded = abs(said.value - fact.value) <= 0.5 * 10.0**-said.decimals
        return rounded and abs(said.value - fact.value) <= self.rounding * max(abs(fact.value), 1e-9)


def _whole(text: str, said: Number, told: str) -> bool:
    """Say whether a number is no mere part of a word, unless the facts have it in that word: ``3-D``, ``4K``."""
    match = _JOINED.match(text, said.end)
    if match is None or _units(match[1]) or match[1].lower() in ("st", "nd", "rd", "th", "s", "year", "old"):
        return True
    return _squeezed(text[said.start : match.end()]) in told


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _counts_items(text: str, said: Number, request: TextRequest) -> bool:
    """Say whether a number is said of items: ``5 films``, ``five other dramas of your history``."""
    after = text[said.end :].lstrip()
    if request.language == "zh":
        return re.match(rf"[个部本件篇款条]?[^，。；！？]{{0,4}}{re.escape(request.noun)}", after) is not None
    nouns = "|".join(re.escape(noun) for noun in (plural(request.noun), "films", "movies", "titles", "items", "others"))
    return re.match(rf"(?:[\w\ufffc'’\-]+ ){{0,3}}(?:{nouns}|(?:in|of) your)\b", after, re.I) is not None


def numbers_in(text: str, language: str) -> Iterator[Number]:
    """Yield the numbers of a text, written in figures or in words."""
    for match in _FIGURE.finditer(text):
        sign, digits, word = match[1] or "", match[2], match[3] or ""
        plain = digits.replace(",", "")
        decimals = len(plain.partition(".")[2])
        yield Number(match.start(), match.end(2), float(plain), _units(sign) | _units(word), decimals, word)
    if language == "en":
        for match in _ENGLISH_WORD.finditer(text):
            word = match[2] or ""
            yield Number(match.start(), match.end(1), float(_ENGLISH[match[1].lower()]), _units(word), 0, word)
    for match in _CHINESE.finditer(text):
        value = _chinese(match[1])
        if value != 1:  # 一部, 一位: an article
            yield Number(match.start(), match.end(1), float(value), _units(match[2]), 0, match[2])


def _units(word: str) -> frozenset[str]:
    folded = word.lower()
    exact = frozenset(unit for unit, names in UNITS.items() if folded in names)
    if exact or not folded or folded.isascii():
        return exact
    # What follows a figure in Chinese is not spaced: the unit is its start.
    return frozenset(u for u, names in UNITS.items() if any(folded.startswith(n) for n in names if not n.isascii()))


def _chinese(digits: str) -> int:
    total = section = current = 0
    for char in digits:
        value = _HAN_DIGITS[char]
        if value < 10:
            current = value
        elif value == 10000:
            total, section, current = (total + section + current) * value, 0, 0
        else:
            section, current = section + (current or 1) * value, 0
    return total + section + current


def _held(facts: Sequence[Fact]) -> Iterator[Number]:
    for fact in facts:
        unit = _units(fact.unit)
        if fact.type == "interest":
            continue  # counts items of the history, and nothing else
        if fact.number is not None and fact.type == "number":
            year = frozenset({"year"}) if "year" in fact.name else unit
            yield Number(0, 0, fact.number, year, len(f"{fact.number:.10g}".partition(".")[2]))
        else:
            dated = frozenset({"year"}) if fact.type == "date" else frozenset[str]()
            for n in (*numbers_in(fact.value, "en"), *numbers_in(fact.value, "zh")):
                yield Number(0, 0, n.value, n.units or dated if n.value > 1500 else n.units, n.decimals)
