"""The gazetteer linker: names of known entities, longest match, ambiguity settled by type and by meaning.

How sure a match of a name is a mention follows from its length, commonness, case and quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import Field

from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Gazetteer, Link, TextEncoder
from kgrec.text.tokens import Tokens, is_unspaced, name_key, token_span, tokenize

VERSION = 2
"""Changes when the same names and texts would give other links."""

CONTEXT = 120
"""Characters on either side of an ambiguous mention that are compared with its candidates."""


@dataclass(slots=True)
class _Pending:
    """A mention with all that it may stand for: ``(entity, score)`` pairs, best type first."""

    text: int
    mention: Mention
    candidates: list[tuple[int, float]]


class GazetteerOptions(Options):
    """Options of the linker ``gazetteer``, ``[linking.options]``."""

    threshold: float = Field(
        0.0, ge=0, le=1, description="mentions that score less are not returned; `linking.threshold` applies as well"
    )
    min_length: int = Field(
        3, ge=1, description="names with fewer letters are not looked for; a name in Chinese needs two characters"
    )
    case: Literal["auto", "ignore", "require"] = Field(
        "auto",
        description="`auto` weighs capitals where a text has both cases, `ignore` never, `require` accepts the exact "
        "spelling only",
    )
    types: Sequence[str] = Field(
        (),
        description="entity types in the order of preference when a name is ambiguous; others follow, then entities of "
        "no particular type, then titles of items, which are most often ordinary words",
    )
    full_names: Sequence[str] = Field(
        ("item", "person", "artist", "author"),
        description="entity types of which a single word is not enough, unless it stands in quotation marks: more "
        "often it is another person's first name or an ordinary word",
    )


class GazetteerLinker(Configured):
    """Links texts by labels and aliases: normalised, longest match, whole words (any characters for Chinese)."""

    Options = GazetteerOptions
    options: GazetteerOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._gazetteer = Gazetteer((), (), (), ())
        self._encoder: TextEncoder | None = None
        self._names: dict[str, list[tuple[int, str]]] = {}
        self._automaton: Any = None

    @property
    def fingerprint(self) -> str:
        """Names version and options; links of equal fingerprint, names and texts are equal."""
        given = self.options
        types, full_names = ",".join(given.types), ",".join(sorted(given.full_names))
        return f"gazetteer-{VERSION}-{given.threshold}-{given.min_length}-{given.case}-{types}-{full_names}"

    def prepare(self, gazetteer: Gazetteer, encoder: TextEncoder | None = None) -> Self:
        """Build the automaton over all names; see :class:`kgrec.plugin.protocols.EntityLinker`."""
        self._gazetteer, self._encoder, self._names = gazetteer, encoder, {}
        for name, entity in zip(gazetteer.names, gazetteer.entities, strict=True):
            key = name_key(name)
            if not self._usable(key.split()):
                continue
            known = self._names.setdefault(key, [])
            if all(entity != other for other, _ in known):
                known.append((entity, name))
        self._automaton = _automaton(self._names)
        return self

    def link(self, texts: Sequence[str]) -> list[Link]:
        """Return all links, ordered by text and start; spans of one text do not overlap."""
        if self._automaton is None:
            return []
        pending = [p for index, text in enumerate(texts) for p in self._mentions(index, text)]
        chosen = self._choose(pending)
        return [
            Link(p.text, p.mention.start, p.mention.end, entity, score)
            for p, (entity, score) in zip(pending, chosen, strict=True)
            if score >= self.options.threshold
        ]

    def containing(self, texts: Sequence[str], names: Iterable[str]) -> list[bool]:
        """Say which texts contain one of ``names``: only their links can differ when those names come or go."""
        automaton = _automaton(key for key in map(name_key, names) if key)
        if automaton is None:
            return [False] * len(texts)
        return [next(automaton.iter(tokenize(text).joined()[0]), None) is not None for text in texts]

    def _usable(self, words: list[str]) -> bool:
        letters = sum(map(len, words))
        if letters < self.options.min_length:
            return letters >= 2 and any(map(is_unspaced, words))
        return not all(map(str.isnumeric, words))

    def _mentions(self, index: int, text: str) -> list[_Pending]:
        tokens = tokenize(text)
        joined, offsets = tokens.joined()
        spans = []
        for end, key in self._automaton.iter(joined):
            first, last = token_span(offsets, end - len(key) + 1, end + 1)
            mention = Mention(text, tokens, first, last)
            names = [(e, name) for e, name in self._names[key] if not crosses_break(mention, name)]
            if names:
                spans.append((first, -last, mention, names))
        spans.sort(key=lambda span: span[:2])
        found, free = [], 0
        for first, _, mention, names in spans:
            if first >= free:
                found.append(_Pending(index, mention, self._score(mention, names)))
                free = mention.last + 1
        return found

    def _score(self, mention: Mention, names: list[tuple[int, str]]) -> list[tuple[int, float]]:
        types = self._gazetteer.types
        ordered = sorted(names, key=lambda n: (self._preference(types[n[0]]), n[0]))
        return [(e, self._score_one(mention, name, types[e])) for e, name in ordered]

    def _score_one(self, mention: Mention, name: str, kind: str) -> float:
        return score_name(
            mention, name, title=kind == "item", strict=kind in self.options.full_names, case=self.options.case
        )

    def _preference(self, kind: str) -> int:
        types = list(self.options.types)
        if kind in types:
            return types.index(kind)
        return len(types) + {"entity": 1, "item": 2}.get(kind, 0)

    def _choose(self, pending: list[_Pending]) -> list[tuple[int, float]]:
        """Settle each mention on one candidate; an ambiguous one keeps 0.6 to 1 of its score, by how clear it is."""
        similarity = self._similarities([p for p in pending if len(p.candidates) > 1])
        chosen = []
        for p in pending:
            if len(p.candidates) == 1:
                chosen.append(p.candidates[0])
                continue
            preference = [self._preference(self._gazetteer.types[e]) for e, _ in p.candidates]
            near = next(similarity) if self._encoder else [0.0] * len(preference)
            # A step of preference weighs as much as a difference of 0.1 in cosine similarity.
            value = [s - 0.1 * (rank - preference[0]) for s, rank in zip(near, preference, strict=True)]
            order = sorted(range(len(value)), key=lambda k: (-value[k], k))
            clear = min(1.0, (value[order[0]] - value[order[1]]) / 0.1)
            entity, score = p.candidates[order[0]]
            chosen.append((entity, score * (0.6 + 0.35 * clear)))
        return chosen

    def _similarities(self, pending: list[_Pending]) -> Any:
        """Yield the cosine similarity of each ambiguous mention's surroundings to its candidates, in one encoding."""
        if not pending or self._encoder is None:
            return iter(())
        contexts = [p.mention.text[max(0, p.mention.start - CONTEXT) : p.mention.end + CONTEXT] for p in pending]
        entities = sorted({e for p in pending for e, _ in p.candidates})
        row = {e: k for k, e in enumerate(entities)}
        vectors = self._encoder.encode(contexts)  # (m, dim)
        described = self._encoder.encode([self._describe(e) for e in entities])  # (e, dim)
        return ([float(vectors[k] @ described[row[e]]) for e, _ in p.candidates] for k, p in enumerate(pending))

    def _describe(self, entity: int) -> str:
        if self._gazetteer.descriptions:
            return self._gazetteer.descriptions[entity]
        return f"{self._gazetteer.labels[entity]} ({self._gazetteer.types[entity]})"


def _automaton(keys: Iterable[str]) -> Any:
    """Return an Aho-Corasick automaton that yields the keys themselves, or None for no keys."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for key in keys:
        automaton.add_word(key, key)
    if not len(automaton):
        return None
    automaton.make_automaton()
    return automaton


_QUOTES = "\"'“”‘’«»《》〈〉「」『』_"
_BREAK = re.compile(r"[.!?;,:。！？；，、：\n]")
_SENTENCE_END = ".!?。！？\n"


@cache
def common_words() -> frozenset[str]:
    """Return frequent English words: a name made of these alone says little.

    Names of real entities do occur among them, which is why they lower a score and do not forbid a match.
    """
    return frozenset(files("kgrec.graph").joinpath("assets", "common_words.txt").read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class Mention:
    """A match of a name in a text.

    Attributes:
        text: the text.
        tokens: its tokens.
        first, last: the tokens that match, inclusive.
    """

    text: str
    tokens: Tokens
    first: int
    last: int

    @property
    def start(self) -> int:
        """Where it begins in the text."""
        return self.tokens.starts[self.first]

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.tokens.ends[self.last]

    @property
    def surface(self) -> str:
        """The mention as written."""
        return self.text[self.start : self.end]


def crosses_break(mention: Mention, label: str) -> bool:
    """Say whether punctuation that the name does not have stands inside the mention.

    "... by James Cameron. Diaz plays" does not mention Cameron Diaz, while the full stop of "Samuel L. Jackson" is
    that of an initial and "Dr. Strange" that of a short form.
    """
    for left, right in zip(range(mention.first, mention.last), range(mention.first + 1, mention.last + 1), strict=True):
        gap = mention.text[mention.tokens.ends[left] : mention.tokens.starts[right]]
        for sign in _BREAK.findall(gap):
            short_form = sign == "." and len(mention.tokens.folded[left]) <= 3
            if sign not in label and not short_form:
                return True
    return False


def score_name(mention: Mention, label: str, *, title: bool, strict: bool, case: str) -> float:
    """Score a mention of ``label`` between 0 and 1, ambiguity aside.

    Multi-word names start high, single words low; a proper name in lower case loses, one with a capital inside a
    sentence gains; a person's name that goes on behind the mention loses.

    Args:
        mention: where the name was found.
        label: the name as its entity writes it.
        title: the name is a title, which in Chinese, too, may be an ordinary word of two characters.
        strict: a single word is not enough without quotation marks: titles are often ordinary words, and a first name
            is rarely the person of that name.
        case: ``auto`` weighs case where the text has both cases, ``ignore`` never, ``require`` rejects other spelling.
    """
    words = mention.tokens.folded[mention.first : mention.last + 1]
    quoted = _is_quoted(mention)
    if all(is_unspaced(word) for word in words):
        base = {1: 0.1, 2: 0.65, 3: 0.75}.get(len(words), 0.9)
        return min(1.0, base + (0.3 if quoted else -0.2 if title and len(words) < 3 else 0.0))
    telling = [word for word in words if word not in common_words() and (len(word) > 1 or is_unspaced(word))]
    base = {0: 0.25, 1: 0.5}.get(len(telling), 0.85)
    if len(telling) == 1 and len(words) > 1:
        base = 0.65
    if len(telling) > 2:
        base += 0.1
    if strict and len(telling) < 2:
        base -= 0.15
    if quoted:
        base += 0.35
    score = min(1.0, base * _case_factor(mention, label, case) + _case_bonus(mention, case))
    if strict and case != "ignore" and not quoted and _goes_on(mention):
        score *= 0.5
    return max(0.05, score)


def _is_quoted(mention: Mention) -> bool:
    before, after = mention.text[: mention.start][-1:], mention.text[mention.end :][:1]
    return bool(before and after) and before in _QUOTES and after in _QUOTES


def _goes_on(mention: Mention) -> bool:
    """Say whether the name seems to be the beginning of a longer one: "Charles Van" in "Charles Van Doren".

    A capital right behind tells nothing where most words have one, as in headlines.
    """
    tokens, following = mention.tokens, mention.last + 1
    if following == len(tokens.starts) or mention.text[mention.end : tokens.starts[following]] != " ":
        return False
    initials = [mention.text[start] for start in tokens.starts]
    return initials[following].isupper() and 2 * sum(map(str.islower, initials)) > len(initials)


def _mixed_case(text: str) -> bool:
    return not (text.islower() or text.isupper())


def _case_factor(mention: Mention, label: str, case: str) -> float:
    if case == "ignore" or not any(c.isupper() for c in label):
        return 1.0
    agrees = not mention.surface[:1].islower()
    if case == "require":
        return 1.0 if mention.surface in label else 0.05
    return 1.0 if agrees or not _mixed_case(mention.text) else 0.4


def _case_bonus(mention: Mention, case: str) -> float:
    """Reward a capital that no beginning of a sentence explains."""
    if case == "ignore" or not mention.surface[:1].isupper() or not _mixed_case(mention.text):
        return 0.0
    before = mention.text[: mention.start].rstrip(" \t\"'“‘_(")
    return 0.02 if not before or before[-1] in _SENTENCE_END else 0.2
