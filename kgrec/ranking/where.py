"""Conditions on items as text: ``price<50 and (genre in (Drama, Comedy) or directed_by="X") and not tag=gore``.

The command line, Python and the server read them by this parser. A condition is ``NAME OPERATOR VALUE``:

================ ======================================================================================
``=`` ``!=``     the item has this value, or has it not; case does not count
``<`` ``<=``     numbers and dates; ``>`` and ``>=`` likewise. ``released<=2020`` includes the whole of 2020
``in (a, b)``    the item has one of the values; ``not in (a, b)`` has none
``~`` ``!~``     the text contains the value, or does not; neither case nor accents count
================ ======================================================================================

``not`` binds closest, then ``and``, then ``or``; parentheses group. What holds other signs than letters, digits and
spaces, or a word of these, stands in quotes. An item without a value meets no condition but a negated one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kgrec.errors import UsageError

LONGEST = 10_000
"""Characters of a text at most."""
DEEPEST = 30
"""Parentheses and negations within each other at most."""

_WORDS_OF_THE_LANGUAGE = ("and", "or", "not", "in")
_SIGNS = str.maketrans("＝＜＞！～（），", "=<>!~(),")
_OPERATORS = {"==": "=", "<>": "!=", "≠": "!=", "≤": "<=", "≥": ">="}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“[^”]*”)
    |(?P<operator>[<＜][=＝>＞]|[>＞][=＝]|[!！][=＝~～]|[=＝]{2}|[=<>~≤≥≠＝＜＞～])
    |(?P<mark>[(),（），])
    |(?P<word>(?!["“])(?:(?![!！][=＝~～])[^\s"“(),<>=~≤≥≠（），＝＜＞～])+)""",
    re.VERBOSE,
)

Where = str | Sequence[str] | Mapping[str, object]
"""What a caller may give: a text, several that must all hold, or ``{"genre": "Drama", "year": [1999, 2000]}``."""


@dataclass(frozen=True, slots=True)
class ValueTest:
    """A condition: ``name`` with one of ``= < <= > >= ~`` and the values, of which ``=`` may have several.

    ``at`` and ``value_at`` are the places of name and first value in the text, from 0.
    """

    name: str
    operator: str
    values: tuple[str, ...]
    at: int
    value_at: int


@dataclass(frozen=True, slots=True)
class Negation:
    """``not part``."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    """``and`` (``every``) or ``or`` of parts."""

    parts: tuple[Condition, ...]
    every: bool


Condition = ValueTest | Negation | Junction


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def conditions(where: Where) -> tuple[str, ...]:
    """Return what a caller gave as texts, all of which must hold; blank ones are left out.

    Raises:
        UsageError: it is neither text, texts, nor a mapping of names to values.
    """
    if isinstance(where, str):
        return (where,) if where.strip() else ()
    if isinstance(where, Mapping):
        return tuple(_written(str(name), value) for name, value in where.items())
    if isinstance(where, Sequence) and all(isinstance(text, str) for text in where):
        return tuple(text for text in where if text.strip())
    raise UsageError(
        f"where is a text or several texts, not {where!r:.80}",
        hint='write it like where=\'genre=Drama and price<50\', or {"genre": "Drama"}',
    )


def _written(name: str, value: object) -> str:
    values = [value] if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset) else list(value)
    if not values or not all(isinstance(one, str | int | float) for one in values):
        raise UsageError(
            f"where: {name!r} is given {value!r:.80}, which is neither a value nor a list of values",
            hint=f"write the condition as text, like where='{name}=VALUE'",
        )
    return f"{_quoted(name)} in ({', '.join(map(_quoted, values))})"


def _quoted(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def at_place(text: str, at: int) -> str:
    """Say where in a text something stands: ``at character 7 of 'price<<50'``."""
    shown = text if len(text) <= 80 else f"…{text[max(at - 30, 0) : at + 30]}…"
    return f"at character {at + 1} of {shown!r}"


def parse_where(text: str) -> Condition:
    """Read a condition.

    Raises:
        UsageError: it cannot be read; names the place.
    """
    if len(text) > LONGEST:
        raise UsageError(f"where: {len(text)} characters are too many", hint=f"at most {LONGEST} are read")
    reader = _Reader(text, _tokens(text))
    found = reader.junction(0)
    if reader.next.kind != "end":
        raise reader.error(f"{reader.next.text!r} cannot follow", "put 'and' or 'or' between conditions")
    return found


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # only a quote that is never closed
            raise UsageError(f"where: a quote is opened and not closed {at_place(text, at)}", hint="close the quote")
        kind, written = str(match.lastgroup), match.group()
        if kind == "quoted":
            written = re.sub(r"\\(.)", r"\1", written[1:-1])
        elif kind in ("operator", "mark"):
            written = written.translate(_SIGNS)
            written = _OPERATORS.get(written, written)
        elif kind == "word" and written.casefold() in _WORDS_OF_THE_LANGUAGE:
            kind, written = "keyword", written.casefold()
        if kind != "space":
            found.append(_Token(kind, written, at))
        at = match.end()
    return [*found, _Token("end", "the end", len(text))]


class _Reader:
    def __init__(self, text: str, tokens: Sequence[_Token]) -> None:
        self.text, self.tokens, self.place = text, tokens, 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def error(self, problem: str, hint: str) -> UsageError:
        return UsageError(f"where: {problem} {at_place(self.text, self.next.at)}", hint=hint)

    def take(self, kind: str, text: str | None = None) -> bool:
        """Go past the next token if it is of this kind and text."""
        found = self.next.kind == kind and text in (None, self.next.text)
        self.place += found
        return found

    def junction(self, depth: int, word: str = "or") -> Condition:
        """Read parts with ``or`` between them, each of which is parts with ``and`` between them."""
        parts = []
        while True:
            parts.append(self.junction(depth, "and") if word == "or" else self.part(depth))
            if not self.take("keyword", word):
                return parts[0] if len(parts) == 1 else Junction(tuple(parts), every=word == "and")

    def part(self, depth: int) -> Condition:
        if depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} parentheses or negations within each other", "write it more simply")
        if self.take("keyword", "not"):
            return Negation(self.part(depth + 1))
        if self.take("mark", "("):
            inside = self.junction(depth + 1)
            if not self.take("mark", ")"):
                raise self.error("a ')' is missing", "close the parenthesis; quote a value with signs in it")
            return inside
        return self.comparison()

    def comparison(self) -> Condition:
        at = self.next.at
        name = self.words("the name of an attribute or relation", "write NAME=VALUE, like genre=Drama")
        operator, value_at = self.next.text, self.next.at
        if self.take("operator"):
            value_at = self.next.at
            values = (self.words("a value", f"write {name}{operator}VALUE; quote a value with signs in it"),)
            found = ValueTest(name, operator.removeprefix("!"), values, at, value_at)
            return Negation(found) if operator.startswith("!") else found
        negated = self.take("keyword", "not")
        if not self.take("keyword", "in"):
            raise self.error(f"{name!r} is not compared with anything", f"write {name}=VALUE, or < > ~ in (A, B)")
        hint = f"write {name} in (A, B); quote a value with signs in it"
        if not self.take("mark", "("):
            raise self.error("a '(' is missing", hint)
        value_at, several = self.next.at, [self.words("a value", hint)]
        while self.take("mark", ","):
            several.append(self.words("a value", hint))
        if not self.take("mark", ")"):
            raise self.error("a ',' or ')' is missing", hint)
        found = ValueTest(name, "=", tuple(several), at, value_at)
        return Negation(found) if negated else found

    def words(self, what: str, hint: str) -> str:
        """Read a quoted text, or words up to the next sign."""
        if self.next.kind == "quoted":
            self.place += 1
            return self.tokens[self.place - 1].text
        first = self.next
        while self.take("word"):
            pass
        if self.next is first:
            raise self.error(f"{what} is missing", hint)
        last = self.tokens[self.place - 1]
        return " ".join(self.text[first.at : last.at + len(last.text)].split())
