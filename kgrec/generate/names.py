"""How items and entities are called in texts: where facts stand, all names of a workspace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from kgrec.graph.linking import name_variants
from kgrec.languages import DEFAULT
from kgrec.languages.language import get_language
from kgrec.plugin.generation import Fact, NameMention
from kgrec.text.tokens import Tokens, is_unspaced, name_key, token_span, tokenize

T = TypeVar("T")

SHORTEST = 3
"""Letters of a name that is looked for; two where they are Chinese."""

COVER = "\ufffc"
"""Stands for each character of a fact in a masked text."""

PLACED = "\ue000{}\ue001"
ONE = "\ue000\\d+\ue001"
PLACE = "\ue000(\\d+)\ue001"
"""What stands for the span of this number in a placed text; without and with a group."""

_NAME = re.compile(
    r"(?:[A-Z][\w'’.\-]*|de|van|von|der|la|le|del|da|di|bin|al)(?: (?:[A-Z][\w'’.\-]*|de|van|von|der|la|le))+"
)

_PAUSE = re.compile(r"[.!?…,;:]\s|[。！？；，、：\n]")


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` is a name of these facts."""

    start: int
    end: int
    facts: tuple[Fact, ...]


@lru_cache(maxsize=50_000)
def fact_keys(fact: Fact) -> tuple[str, ...]:
    """Return the names of a fact, folded, as they are looked for: value, aliases, spellings, surname, plural."""
    names: list[str] = []
    plural = get_language(DEFAULT).plural  # values of the catalogue are not in the language of the text
    for name in (fact.value, *fact.aliases):
        names += name_variants(name) if fact.type in ("title", "history", "entity", "interest") else [name]
    if fact.type in ("entity", "interest"):
        for name in list(names):
            if name.isascii() and re.fullmatch(r"[A-Za-z][A-Za-z \-]*", name):
                names.append(plural(name))
        if _NAME.fullmatch(fact.value) and fact.value.count(" ") <= 3:
            names.append(fact.value.rsplit(" ", 1)[1])
    return tuple(dict.fromkeys(key for key in map(name_key, names) if key))


@lru_cache(maxsize=4096)
def _tokens(text: str) -> tuple[Tokens, str, list[int]]:
    tokens = tokenize(text)
    joined, offsets = tokens.joined()
    return tokens, joined, offsets


def tokens_of(text: str) -> Tokens:
    """Return the tokens of a text, cut once."""
    return _tokens(text)[0]


@lru_cache(maxsize=4096)
def spans_of(text: str, facts: tuple[Fact, ...]) -> tuple[Span, ...]:
    """Return the spans of ``facts`` in ``text``, in order, without overlaps; descriptions are no names."""
    tokens, joined, offsets = _tokens(text)
    by_key: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.type != "text":
            for key in fact_keys(fact):
                by_key.setdefault(key, []).append(fact)
    found: list[tuple[int, int, tuple[Fact, ...]]] = []
    for key, owners in by_key.items():
        at = joined.find(key)
        while at >= 0:
            first, last = token_span(offsets, at, at + len(key))
            if _one_name(text[tokens.starts[first] : tokens.ends[last]], owners):
                found.append((first, last, tuple(owners)))
            at = joined.find(key, at + len(key) - 1)
    return tuple(Span(tokens.starts[first], tokens.ends[last], of) for first, last, of in _longest(found))


def _longest(found: list[tuple[int, int, T]]) -> list[tuple[int, int, T]]:
    """Return the runs of tokens (first, last, what they are) without those that a longer one overlaps, in order."""
    taken: set[int] = set()
    kept = []
    for run in sorted(found, key=lambda run: (run[0] - run[1], run[0])):
        tokens = range(run[0], run[1] + 1)
        if taken.isdisjoint(tokens):
            taken.update(tokens)
            kept.append(run)
    return sorted(kept, key=lambda run: run[0])


def _one_name(written: str, owners: Sequence[Fact]) -> bool:
    """Say whether words in a row are one name: not over a full stop or a comma, unless the name has one too."""
    return not _PAUSE.search(written) or any(
        _PAUSE.search(name) for fact in owners for name in (fact.value, *fact.aliases)
    )


def masked(text: str, spans: Iterable[Span]) -> str:
    """Return ``text`` of the same length with every span covered; spans are in order."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], COVER * (span.end - span.start))
        at = span.end
    return "".join((*parts, text[at:]))


def placed(text: str, spans: Sequence[Span]) -> str:
    """Return ``text`` with every span replaced by its number, see :data:`PLACE`."""
    for number in reversed(range(len(spans))):
        span = spans[number]
        text = text[: span.start] + PLACED.format(number) + text[span.end :]
    return text


def right_before(text: str, at: int) -> str:
    """Return the end of what stands before a place: patterns that end there need not look through all of it."""
    return text[max(at - 60, 0) : at]


def covers(spans: Sequence[Span], start: int, end: int) -> bool:
    """Say whether one of ``spans`` holds all of ``start`` to ``end``."""
    return any(span.start <= start and end <= span.end for span in spans)


@lru_cache(maxsize=4096)
def told_key(facts: tuple[Fact, ...]) -> str:
    """Return everything that the facts say, folded, descriptions included: what is in it may be said.

    Titles of the reader's history are left out: they may be named, but their words say nothing of the item.
    """
    return " ".join(
        name_key(
            fact.label if fact.type == "history" else f"{fact.label} {fact.value} {fact.unit} {' '.join(fact.aliases)}"
        )
        for fact in facts
    )


class NameIndex:
    """Names of entities and items, found by an Aho-Corasick automaton.

    Args:
        names: as the workspace writes them; spellings of titles (year, article at the end) are added.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))

    @cached_property
    def _by_key(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in self._names:
            for variant in name_variants(name):
                key = name_key(variant)
                if _usable(key.split()):
                    found.setdefault(key, name)
        return found

    @cached_property
    def _automaton(self) -> Any:
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for key in self._by_key:
            automaton.add_word(key, key)
        if len(automaton):
            automaton.make_automaton()
        return automaton

    def mentions(self, text: str) -> Sequence[NameMention]:
        """Return the names in ``text``, the longest where they overlap, in order."""
        if not len(self._automaton):
            return []
        tokens = tokenize(text)
        joined, offsets = tokens.joined()
        found = []
        for end, key in self._automaton.iter(joined):
            first, last = token_span(offsets, end - len(key) + 1, end + 1)
            found.append((first, last, self._by_key[key]))
        return [NameMention(tokens.starts[first], tokens.ends[last], name) for first, last, name in _longest(found)]


def _usable(words: list[str]) -> bool:
    letters = sum(map(len, words))
    if letters < SHORTEST:
        return letters >= 2 and any(map(is_unspaced, words))
    return not all(map(str.isnumeric, words))
