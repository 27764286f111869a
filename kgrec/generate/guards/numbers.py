"""Numbers: whatever the text counts must be among the facts, in its unit, rounded at most."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from pydantic import Field

from kgrec.generate.guards.patterns import Patterns, patterns_of
from kgrec.generate.names import covers, spans_of
from kgrec.languages.language import every_language, get_language
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.plugin.options import Configured, Options

_ODD = re.compile(
    r"(?:(?![0-9])\d)+|[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u218b\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3280-\u3289]"
)
_PAIR = re.compile(r"(\d+)(?:\s?[:：–-]\s?| \S{1,7} |[比对])(\d+)")
_POWERS = (100, 1000, 1_000_000)
_JOINED = re.compile(r"-?([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: ``text[start:end]``.

    Attributes:
        value: what it is.
        units: of what, see :attr:`kgrec.languages.Language.units`; empty: not said.
        decimals: how many it is written with.
    """

    start: int
    end: int
    value: float
    units: frozenset[str]
    decimals: int


class NumbersOptions(Options):
    """Options of the guard ``numbers``, ``[guards.numbers]``."""

    rounding: float = Field(
        0.05, ge=0, lt=0.5, description="how far a rounded number may be from the fact, as a share; years are exact"
    )


class Numbers(Configured):
    """Rejects numbers that the facts do not hold."""

    Options = NumbersOptions
    options: NumbersOptions

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        names = tuple(f for f in facts if f.type not in ("number", "date", "attribute"))
        spans = [span for span in spans_of(text, names) if re.search(r"[^\d\W]", text[span.start : span.end])]
        held = _held(tuple(facts), request.language)
        family, patterns = get_language(request.language).family, patterns_of(request.language)
        behind = {word for one in family for word in (*one.numbers.suffixes, *one.numbers.behind)}
        told = _squeezed(" ".join(f"{fact.value} {fact.unit} {' '.join(fact.aliases)}" for fact in facts))
        counted = _Counted.of(tuple(facts), request.language)

        def borne_out(n: Number) -> bool:
            before = text[max(n.start - 40, 0) : n.start]
            return bool(
                patterns.search("vague", before)
                or covers(spans, n.start, n.end)
                or counted.holds(n, text, request, of_reader=patterns.search("reader", before) is not None)
                or any(_bounded(patterns, before, n, fact) for fact in held)
                or (any(self._agree(n, fact) for fact in held) and _whole(text, n, told, behind))
            )

        found = [text[n.start : n.end].strip() for n in numbers_in(text, request.language) if not borne_out(n)]
        found += [text[n.start : n.end].strip() for n in _odd_numerals(text) if not borne_out(n)]
        found += _swapped(facts, text)
        return [Violation("numbers", f"{said!r} is not in the facts", said) for said in found]

    def _agree(self, said: Number, fact: Number) -> bool:
        if said.units and fact.units and not said.units & fact.units:
            if "hour" in said.units and "minute" in fact.units:
                return abs(said.value * 60 - fact.value) <= self.options.rounding * fact.value
            return False
        if said.value == fact.value:
            return True
        whole_year = 1500 <= fact.value <= 2200 and fact.decimals == 0
        if whole_year or said.decimals > fact.decimals:
            return False
        rounded = abs(said.value - fact.value) <= 0.5 * 10.0**-said.decimals
        return rounded and abs(said.value - fact.value) <= self.options.rounding * max(abs(fact.value), 1e-9)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What facts are as many as: items of the history, names of one relation.

    Attributes:
        interests: how many items of the history have to do with something.
        touched: so many items of the history are known by name.
        listed: numbers of names that one relation has, of items with which the reader did one thing, of what a
            description names in a row.
    """

    interests: frozenset[float]
    touched: int
    listed: frozenset[float]

    @classmethod
    def of(cls, facts: Sequence[Fact], code: str) -> _Counted:
        rows = [fact for fact in facts if fact.type in ("entity", "history")]
        listed = Counter((fact.type, fact.label) for fact in rows)
        touched = sum(fact.type == "history" for fact in rows)
        interests = frozenset(f.number for f in facts if f.type == "interest" and f.number is not None)
        told = (m[0].count(_comma(code)) + 2 for f in facts if f.type == "text" for m in _rows(code).finditer(f.value))
        return cls(interests, touched, frozenset(map(float, (*(n for n in listed.values() if n > 1), *told))))

    def holds(self, said: Number, text: str, request: TextRequest, *, of_reader: bool) -> bool:
        """Say whether a number counts what facts are as many as; in figures only where it counts items."""
        if said.units:
            return False
        known = 2 <= said.value <= self.touched
        of_items = (said.value in self.interests or known) and _counts_items(text, said, request)
        if of_items or (known and of_reader):
            return True
        if any(map(str.isdigit, text[said.start : said.end])):
            return False
        alone = not text[said.end :].lstrip(" ")[:1].isalpha()  # "both of them rated, and this one makes it three."
        ordinal = get_language(request.language).numbers.ordinal
        alone = alone or (bool(ordinal) and text[: said.start].endswith(ordinal))
        return said.value in self.listed or (alone and (known or said.value == self.touched + 1 > 2))


def _comma(code: str) -> str:
    return get_language(code).punctuation.comma.strip()


@cache
def _rows(code: str) -> re.Pattern[str]:
    """Names in a row: "Sweden, Finland and Estonia"."""
    comma, joined = re.escape(_comma(code)), re.escape(get_language(code).punctuation.and_.strip())
    one = r"[^\s,.;:、。，；]{1,12}" if not get_language(code).spaced else r"[\w'’-]+"
    return re.compile(rf"{one}(?:{comma}\s?{one})+,?\s?{joined}\s?{one}")


def _bounded(patterns: Patterns, before: str, said: Number, fact: Number) -> bool:
    """Say whether a number is a bound that a fact keeps, and comes near to: "less than twenty" of 18.50."""
    hours = "hour" in said.units and "minute" in fact.units
    near = 0.85 if patterns.search("nearly", before) else 0.6
    of_years = "year" in fact.units and fact.value > 1500
    if of_years or (said.units and not (hours or said.units & fact.units)):
        return False
    value = said.value * 60 if hours else said.value
    below, above = (patterns.search(name, before) for name in ("below", "above"))
    return bool((below and near * value <= fact.value < value) or (above and value < fact.value <= 1.6 * value))


def _swapped(facts: Sequence[Fact], text: str) -> Iterator[str]:
    """Yield pairs of numbers that the facts have the other way round: a vote of 41 to 18, a score."""
    told = {(m[1], m[2]) for fact in facts for m in _PAIR.finditer(fact.value)}
    yield from (m[0] for m in _PAIR.finditer(text) if (m[2], m[1]) in told and (m[1], m[2]) not in told)


def _whole(text: str, said: Number, told: str, behind: Collection[str]) -> bool:
    """Say whether a number is no mere part of a word, unless the facts have it in that word: ``3-D``, ``4K``."""
    match = _JOINED.match(text, said.end)
    if match is None or _units(match[1]) or match[1].lower() in behind:
        return True
    return _squeezed(text[said.start : match.end()]) in told


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _counts_items(text: str, said: Number, request: TextRequest) -> bool:
    """Say whether a number is said of items: ``5 films``, ``five other dramas of your history``."""
    language = get_language(request.language)
    noun, nouns = re.escape(request.noun), re.escape(language.plural(request.noun))
    pattern = language.numbers.counts_items.replace("{noun}", noun).replace("{nouns}", nouns)
    return re.match(pattern, text[said.end :].lstrip(), re.I) is not None


def _odd_numerals(text: str) -> Iterator[Number]:
    """Yield numerals of other scripts, circled ones and fractions; a fraction of one sign is what it is worth."""
    for match in _ODD.finditer(text):
        if unicodedata.category(match[0][0])[0] == "N":
            value = (
                unicodedata.numeric(match[0][0])
                if len(match[0]) == 1
                else float(unicodedata.normalize("NFKC", match[0]))
            )
            yield Number(match.start(), match.end(), value, frozenset(), 2)


def numbers_in(text: str, code: str) -> Iterator[Number]:
    """Yield the numbers of a text in a language, written in figures or in words."""
    language = get_language(code)
    thousands, decimal = language.punctuation.thousands, language.punctuation.decimal
    for match in _figures(code).finditer(text):
        sign, digits, word = match[1] or "", match[2], match[3] or ""
        apart = re.match(rf"\d{{1,3}}\{thousands}\d{{3}}(?!\d)", digits) is not None
        plain = (digits.replace(thousands, "") if apart else digits).replace(decimal, ".")
        decimals = len(plain.partition(".")[2])
        yield Number(match.start(), match.end(2), float(plain), _units(sign) | _units(word), decimals)
    for match in _worded(code).finditer(text):
        value = _worded_value(match[1].lower(), code)
        half = 0.5 if match["half"] else 0.0
        yield Number(match.start(), match.end("half" if half else 1), value + half, _units(match["unit"] or ""), 0)
    for one in language.family:
        for match in _counted(one.code).finditer(text):
            value = _composed(match[1], one.numbers.digits) + (0.5 if match["half"] else 0.0)
            if value != 1:  # 一部, 一位: an article
                yield Number(match.start(), match.end(1), value, _units(match["unit"]), 0)


@cache
def _figures(code: str) -> re.Pattern[str]:
    """Figures with a sign before and a unit behind them; catalogues write a decimal point in any language."""
    language = get_language(code)
    thousands, decimal = re.escape(language.punctuation.thousands), re.escape(language.punctuation.decimal)
    digits = rf"\d{{1,3}}(?:{thousands}\d{{3}})+(?:{decimal}\d+)?|\d+(?:[{decimal}.]\d+)?"
    suffixes = "|".join(suffix for one in language.family for suffix in one.numbers.suffixes)
    return re.compile(
        rf"(?<![\w.])([$€£¥￥])?\s?({digits})(?:{suffixes})?(?:\s?(%|％|[A-Za-z]+|[\u4e00-\u9fff]{{1,3}}))?", re.A
    )


@cache
def _worded(code: str) -> re.Pattern[str]:
    """Numbers in words, also of several ("three hundred", "dreihundert"), and the word behind them."""
    numbers = get_language(code).numbers.words
    worded, large = "|".join(numbers), "|".join(word for word, value in numbers.items() if value in _POWERS)
    tens = "|".join(word for word, value in numbers.items() if 20 <= value < 100 and value % 10 == 0)
    parts = rf"(?:(?:{tens})-(?=\w)|\w+und(?={tens})|(?:{worded})[\s-]*(?=(?:{large})))*(?:{worded})"
    half = get_language(code).numbers.half
    pattern = rf"\b({parts})(?P<half>{half})?\b(?:[\s-]+(?P<unit>[A-Za-z]+))?"
    return re.compile(pattern if tens and large else "(?!)", re.I)


def _worded_value(written: str, code: str) -> float:
    """Return the value of a number in words."""
    words = get_language(code).numbers.words
    total = section = 0.0
    for match in re.finditer("|".join(sorted((*words, "ein"), key=len, reverse=True)), written):
        value = words.get(match[0], 1.0)
        section = max(section, 1) * value if value in _POWERS else section + value
        if value in _POWERS and value >= 1000:
            total, section = total + section, 0.0
    return total + section


@cache
def _counted(code: str) -> re.Pattern[str]:
    """Numbers made up of digits in words, before what they count."""
    numbers = get_language(code).numbers
    digits, counters = "".join(numbers.digits), "|".join(numbers.counters)
    return re.compile(f"([{digits}]+)(?P<half>{numbers.half})?(?P<unit>{counters})" if digits else "(?!)")


def _units(word: str) -> frozenset[str]:
    folded = word.lower()
    exact = frozenset(unit for unit, names in _known_units() if folded in names)
    if exact or not folded or folded.isascii():
        return exact
    # What follows a figure in Chinese is not spaced: the unit is its start.
    return frozenset(u for u, names in _known_units() if any(folded.startswith(n) for n in names if not n.isascii()))


@cache
def _known_units() -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the units that are told apart, with their words in all languages; any other word is no unit."""
    found: dict[str, set[str]] = {}
    for one in every_language():
        for unit, names in one.units.items():
            found.setdefault(unit, set()).update(names)
    return tuple((unit, frozenset(names)) for unit, names in found.items())


def _composed(written: str, digits: Mapping[str, int]) -> int:
    """Return the value of a number in Chinese characters."""
    total = section = current = 0
    for char in written:
        value = digits[char]
        if value < 10:
            current = value
        elif value == 10000:
            total, section, current = (total + section + current) * value, 0, 0
        else:
            section, current = section + (current or 1) * value, 0
    return total + section + current


@lru_cache(maxsize=1024)
def _held(facts: tuple[Fact, ...], code: str) -> tuple[Number, ...]:
    """Return the numbers of facts, whose values may be in the language of the text or of the catalogue."""
    codes = {code, *(one.code for one in every_language() if one.in_catalogues)}
    found = []
    for fact in facts:
        unit = _units(fact.unit)
        if fact.type == "interest":
            continue  # counts items of the history, and nothing else
        if fact.number is not None and fact.type == "number":
            year = frozenset({"year"}) if "year" in fact.name else unit
            found.append(Number(0, 0, fact.number, year, len(f"{fact.number:.10g}".partition(".")[2])))
        else:
            dated = frozenset({"year"}) if fact.type == "date" else frozenset[str]()
            for n in (number for code in sorted(codes) for number in numbers_in(fact.value, code)):
                units = n.units or dated if n.value > 1500 else n.units
                found.append(Number(0, 0, n.value, units, n.decimals))
    return tuple(found)
