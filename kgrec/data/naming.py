"""What a column's name says: which nouns it is made of, and which property of them.

The words stand in ``words.toml``. A name is cut where its writing changes (``userId``, ``order_date``), glued words
where the vocabulary knows the parts (``visitorid``, ``Kundennummer``, ``评分时间``).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

WORDS: Mapping[str, Any] = tomllib.loads(files("kgrec.data").joinpath("words.toml").read_text(encoding="utf-8"))


def fold(name: str) -> str:
    """Reduce a column name or word to what counts: ``Movie_ID`` -> ``movieid``, ``用户 ID`` -> ``用户id``."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, map(fold, words)))


NOUNS = {kind: _folded(words) for kind, words in WORDS["nouns"].items()}
PROPERTIES = {kind: _folded(words) for kind, words in WORDS["properties"].items()}
QUALIFIERS = {kind: _folded(words) for kind, words in WORDS["qualifiers"].items()}

_KNOWN = frozenset().union(*NOUNS.values(), *PROPERTIES.values(), *QUALIFIERS.values())
_LONGEST = max(map(len, _KNOWN))
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-zäöüß0-9])(?=[A-ZÄÖÜ])|(?<=[A-Z])(?=[A-Z][a-zäöü])")
_IDEOGRAPHS = re.compile(r"([\u2e80-\u9fff\uf900-\ufaff]+)")


@dataclass(frozen=True)
class ColumnName:
    """A column's name, taken apart.

    Attributes:
        text: as it stands in the file.
        words: its words, folded, in their order.
        noun: the kinds of the last noun: ``user``, ``visitor``, ``item``, ``event``, ``shared``; empty without one.
        nouns: the kinds of all nouns.
        prop: the properties that the last word which names one can stand for: ``id``, ``time``, ``value`` ...
        props: the properties of all words; in French and Spanish the first word counts: ``date_avis``.
        same: the last word is noun and property at once: ``what``, ``title``.
        qualifiers: kinds of words that make it something else: ``relative``, ``other_time``, ``average``, ``own``.
    """

    text: str
    words: tuple[str, ...]
    noun: frozenset[str]
    nouns: frozenset[str]
    prop: frozenset[str]
    props: frozenset[str]
    same: bool
    qualifiers: frozenset[str]

    def is_a(self, *kinds: str) -> bool:
        """Say whether the name is about a noun of one of these kinds."""
        return bool(self.noun & set(kinds))


@cache
def read_name(text: str) -> ColumnName:
    """Take a column's name apart.

    >>> read_name("Kundennummer").noun, sorted(read_name("Kundennummer").prop)
    (frozenset({'user'}), ['id'])
    """
    words = tuple(_words(text))
    found = [(word, _kinds(word, NOUNS), _kinds(word, PROPERTIES)) for word in words]
    nouns = [(k, kinds) for k, (_, kinds, _) in enumerate(found) if kinds]
    props = [(k, kinds) for k, (_, _, kinds) in enumerate(found) if kinds]
    prop = props[-1][1] if props else frozenset[str]()
    if props and props[-1][0] != len(words) - 1 and found[-1][1]:
        prop = frozenset()  # `name of the shop`: what comes last is a noun
    if len(nouns) > 1 and props and nouns[-1][0] == props[-1][0] == len(words) - 1:
        nouns = nouns[:-1]  # `customer_number`, `product_title`: the last word is the property of what stands before
    noun = nouns[-1][1] if nouns else frozenset[str]()
    every = frozenset[str]().union(*(kinds for _, kinds in nouns))
    of_all = frozenset[str]().union(*(kinds for _, kinds in props))
    qualifiers = frozenset(kind for kind, known in QUALIFIERS.items() if known & set(words))
    same = bool(nouns and props) and nouns[-1][0] == props[-1][0] == len(words) - 1
    return ColumnName(text, words, noun, every, prop, of_all, same, qualifiers)


def _kinds(word: str, table: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset(kind for kind, words in table.items() if word in words)


def _words(text: str) -> list[str]:
    words: list[str] = []
    spaced = _IDEOGRAPHS.sub(r" \1 ", _CAMEL.sub(" ", unicodedata.normalize("NFKC", text)))
    for token in _PARTS.findall(spaced):
        low = fold(token)
        glued = len(low) > 5 or (len(low) == 5 and low.endswith("id")) or _IDEOGRAPHS.match(low)
        words += [low] if low in _KNOWN or not glued else _cut(low) or [low]
    return words


def _cut(word: str) -> list[str]:
    """Cut a glued word into known words, as few as can be; between them one to three letters may be left over."""
    best: list[tuple[int, list[str]] | None] = [(0, [])] + [None] * len(word)
    ideographs = bool(_IDEOGRAPHS.match(word))
    least = 1 if ideographs else 2
    for end in range(1, len(word) + 1):
        options = []
        for start in range(max(0, end - _LONGEST), end):
            before, part = best[start], word[start:end]
            if before is None:
                continue
            if len(part) >= least and part in _KNOWN:
                options.append((before[0] + 1 + (len(part) < 3) * least, [*before[1], part]))
            elif len(part) <= 2 and (start or ideographs):
                options.append((before[0] + (2 if ideographs else 3) * len(part), before[1]))
            elif start == 0 and len(part) <= 8:
                options.append((before[0] + 6 + len(part), [part]))
        best[end] = min(options, key=lambda option: option[0], default=None)
    found = best[-1]
    return found[1] if found and found[0] < 4 + len(word) and any(part in _KNOWN for part in found[1]) else []
