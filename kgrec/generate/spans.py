"""Where the facts stand in a text: alias-aware, longest name first. All guards work on the same spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kgrec.generate.language import plural
from kgrec.graph.linking.names import Tokens, name_key, name_variants, token_span, tokenize
from kgrec.plugin.generation import Fact

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
    found.sort(key=lambda span: (span[0] - span[1], span[0]))  # longest first
    taken: set[int] = set()
    spans = []
    for first, last, owners_of in found:
        if taken.isdisjoint(range(first, last + 1)):
            taken.update(range(first, last + 1))
            spans.append(Span(tokens.starts[first], tokens.ends[last], owners_of))
    return tuple(sorted(spans, key=lambda span: span.start))


def _one_name(written: str, owners: Sequence[Fact]) -> bool:
    """Say whether words in a row are one name: not over a full stop or a comma, unless the name has one too."""
    return not _PAUSE.search(written) or any(
        _PAUSE.search(name) for fact in owners for name in (fact.value, *fact.aliases)
    )


def masked(text: str, spans: Iterable[Span]) -> str:
    """Return ``text`` of the same length with every span covered."""
    for span in spans:
        text = text[: span.start] + COVER * (span.end - span.start) + text[span.end :]
    return text


def placed(text: str, spans: Sequence[Span]) -> str:
    """Return ``text`` with every span replaced by its number, see :data:`PLACE`."""
    for number in reversed(range(len(spans))):
        span = spans[number]
        text = text[: span.start] + PLACED.format(number) + text[span.end :]
    return text


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
