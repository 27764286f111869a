"""What guards know of a language: how its sentences claim things, and which of its words state nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from pydantic import BaseModel, ConfigDict

from kgrec.generate.names import COVER, ONE
from kgrec.generate.template import COMMON, load_phrases
from kgrec.languages import table
from kgrec.languages.language import Language, get_language
from kgrec.plugin.domain import TextKind
from kgrec.plugin.generation import TextRequest
from kgrec.text.tokens import han, words

_PART = re.compile(r"(?<!\?P)<([a-z_]+)>")
_NEVER = "(?!)"


class Claimed(BaseModel):
    """``guards.toml`` of a language: regular expressions; ``<name>`` in one of them stands for another.

    Further ones: ``<one>`` is a name, ``<cover>`` a character of one, ``<names>`` names in a row (their group is
    ``names``), ``<open>`` and ``<close>`` are quotation marks. What is left out is never found.
    """

    model_config = ConfigDict(extra="allow", frozen=True)  # what only stands for parts of others has any name

    reader_first: bool = False
    """Who did something is said before what it was done to."""
    passive: tuple[str, ...] = ()
    """Words behind the verb of a cue that turn it round: "Ada directed" is not "directed by"."""
    lone_names: str = _NEVER
    """Where all nouns are capitalised, what stands before a lone one that is a name."""
    joiners: tuple[str, ...] = ()
    """Words inside a name that are not capitalised."""
    capital_letters: str = "A-Z"
    """For use inside a regular expression's brackets."""
    capitals: tuple[str, ...] = ()
    """Words that are always capitalised."""
    things: tuple[str, ...] = ()
    """Words that a text may call any item."""
    supposed: tuple[str, ...] = ()
    """Words before the reader that make what follows a supposition."""
    below: str = _NEVER
    """What stands right before a number that is more than is so, :attr:`above`: less."""
    above: str = _NEVER
    nearly: str = _NEVER
    """What stands before a number of which only a little is wanting; :attr:`below` finds it, too."""
    vague: str = _NEVER
    """What stands right before a number that counts nothing: "an hour or two"."""
    negation: str = _NEVER
    free_denial: str = _NEVER
    """A clause whose denial denies nothing: what is supposed, asked, or said to the reader."""
    denies_of_item: str = _NEVER
    """A clause that denies something of the item itself."""
    denied_name: str = _NEVER
    """How a sentence goes on behind a negation with the name that it denies."""
    keeps_up: str = _NEVER
    """Deeds that interests and a history of several items bear out."""
    inside: str = _NEVER
    """What stands before a name that belongs to a phrase: what follows is said of something else."""
    article: str = _NEVER
    """What stands right before a noun phrase."""
    copula: str = _NEVER
    """The verb of a predicate right behind a name."""
    next_verb: str = _NEVER
    """A word behind a name that may be a verb."""
    said_of_reader: str = _NEVER
    """What stands right before words that are said of the reader."""
    alike: str = _NEVER
    """Words that say that two things have something in common."""
    contraction: str = _NEVER
    before_names: str = _NEVER
    """What may stand before a name in a row of names."""
    more_names: str = _NEVER
    """Further names of a row."""
    reader: str = _NEVER
    """Words for the reader."""
    more_of_it: str = _NEVER
    """How a sentence goes on to tell of an item that it has just named."""
    of_the_reader: str = _NEVER
    """How it goes on to say that the reader knows it."""
    said: tuple[str, ...] = ()
    """What says something, the group ``said``, of the name before it."""
    said_before: str = _NEVER
    """What says something, the group ``said``, of the name behind it."""
    does: str = _NEVER
    """Verbs behind a name that always do."""
    of_a_noun: str = _NEVER
    """What stands before a name that belongs to the noun behind it."""
    wants_a_name: str = _NEVER
    """Words before the name of a relation that nothing but a name may follow."""
    nobody: str = _NEVER
    """A noun, the group ``said``, in the place of a name."""
    deeds: str = _NEVER
    """What a reader can have done."""
    did: tuple[str, ...] = ()
    """The reader did something, the group ``deed``, with ``<names>``."""
    fond: str = _NEVER
    """The reader is fond of ``<names>``."""
    before_reader: str = _NEVER
    """Where a clause about the reader begins that has no conjunction: "the film | you liked"."""
    did_it: tuple[str, ...] = ()
    """The reader did something with what was named last."""
    and_did_it: str = _NEVER
    """The same without the reader named."""
    likes_it: str = _NEVER
    """The reader likes what was named last; ``before`` is the word before the reader."""
    several: str = _NEVER
    """Words before :attr:`did_it` that speak of other items."""
    deed: tuple[str, ...] = ()
    """Any deed of the reader; ``before`` is the word before them."""
    deed_alone: str = _NEVER
    """A deed of the reader with nothing that it was done to."""
    object: str = _NEVER
    """Words before the reader that make them the object of the sentence."""
    favourite: str = _NEVER
    writer: str = _NEVER
    """Words for the writer."""


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns of a language; those of the languages that are mixed into it are looked for, too."""

    language: Language

    @cached_property
    def own(self) -> Claimed:
        """Those of the language alone."""
        return Claimed(**table(self.language.code, "guards.toml"))

    @cached_property
    def family(self) -> tuple[Patterns, ...]:
        """Those of the language and of those that are mixed into it."""
        return tuple(patterns_of(one.code) for one in self.language.family)

    @cached_property
    def _built_in(self) -> dict[str, str]:
        quotes = [pair for one in self.language.family for pair in one.punctuation.quotes]
        opening, closing = ("".join(dict.fromkeys(pair[end] for pair in quotes)) for end in (0, -1))
        return {"one": ONE, "cover": COVER, "open": f"[{opening}]?", "close": f"[{closing}]?"}

    @cached_property
    def close(self) -> str:
        """A closing quotation mark, or none."""
        return self._built_in["close"]

    @cached_property
    def names(self) -> str:
        """Names in a row, with what may stand before them; the group ``names`` is the names, as places."""
        before = "|".join(_filled(one.own.before_names, one.own, self._built_in) for one in self.family)
        more = "|".join(_filled(one.own.more_names, one.own, self._built_in) for one in self.family)
        return rf"(?:{before}|{self._built_in['open'][:-1]}|：|:)*(?P<names>{ONE}(?:{more})?)"

    def compiled(self, name: str, *, mixed: bool = True) -> tuple[re.Pattern[str], ...]:
        """Return the patterns of a field of :class:`Claimed`, those of each language of the family."""
        return _compiled(self, name, mixed)

    def find(self, name: str, text: str, *, mixed: bool = True) -> Iterator[re.Match[str]]:
        """Yield where a pattern is found."""
        return (match for pattern in self.compiled(name, mixed=mixed) for match in pattern.finditer(text))

    def search(self, name: str, text: str, *, mixed: bool = True) -> re.Match[str] | None:
        """Return the first of a pattern anywhere."""
        return next(filter(None, (pattern.search(text) for pattern in self.compiled(name, mixed=mixed))), None)

    def match(self, name: str, text: str, at: int = 0) -> re.Match[str] | None:
        """Return a pattern that begins at a place."""
        return next(filter(None, (pattern.match(text, at) for pattern in self.compiled(name))), None)

    def any_of(self, name: str) -> frozenset[str]:
        """Return the words of a field that is a list."""
        return frozenset(word for one in self.family for word in getattr(one.own, name))

    def phrases(self, name: str, more: Sequence[str] = ()) -> re.Pattern[str]:
        """Return a pattern that finds the phrases of ``NAME.txt`` of the language."""
        return phrase_pattern((self.language.code,), name, tuple(more))


@cache
def patterns_of(code: str) -> Patterns:
    """Return the patterns of a language."""
    return Patterns(get_language(code))


@cache
def _compiled(patterns: Patterns, name: str, mixed: bool) -> tuple[re.Pattern[str], ...]:
    parts = {**patterns._built_in, "names": patterns.names}
    found = []
    for one in patterns.family if mixed else (patterns,):
        value = getattr(one.own, name)
        lines = (value,) if isinstance(value, str) else value
        found += [re.compile(_filled(line, one.own, parts)) for line in lines if line != _NEVER]
    return tuple(found)


def _filled(pattern: str, owner: Claimed, parts: dict[str, str]) -> str:
    """Put the patterns in that a pattern names."""
    fields = owner.model_dump()

    def of(match: re.Match[str]) -> str:
        name = match[1]
        return parts[name] if name in parts else f"(?:{_filled(fields[name], owner, parts)})"

    return _PART.sub(of, pattern)


@cache
def phrase_pattern(codes: tuple[str, ...], name: str, more: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Return a pattern that finds the phrases of ``NAME.txt`` of languages, and ``more``; as whole words."""
    found = {phrase for code in codes for phrase in get_language(code).phrases(name)}
    ordered = sorted({*found, *more}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(re.escape(p) if han(p) else rf"\b{re.escape(p)}\b" for p in ordered), re.I)


@dataclass(frozen=True, eq=False)
class Ordinary:
    """The words that state nothing about an item: style, grammar, and the phrases of its kinds of text.

    Args:
        language: of the text.
        targets: files of phrases.
    """

    language: Language
    targets: tuple[str, ...]

    @cached_property
    def style(self) -> frozenset[str]:
        """Words of style, and stop words."""
        styles = (word for one in self.language.family for word in one.words("style"))
        return frozenset((*styles, *self.language.little_words))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all such words."""
        phrases = [word for target in self.targets for word in load_phrases(target).vocabulary]
        return frozenset(self.stem(word) for word in (*phrases, *self.style))

    @cached_property
    def counted(self) -> frozenset[str]:
        """Numbers and units in words, which the guard of numbers judges."""
        units = (word for words_of in self.language.units.values() for word in words_of)
        return frozenset((*units, *self.language.numbers.words))

    @cached_property
    def wording(self) -> str:
        """The words of the phrases, as they stand."""
        return "\n".join(load_phrases(target).wording for target in self.targets)

    def stem(self, word: str) -> str:
        """Cut the ending of an inflected word: enough to find ``directs`` beside ``directed``."""
        return _stem(self.language.code, word)

    def holds(self, word: str, noun: str) -> bool:
        """Say whether a word, in a script with spaces, states nothing; the noun for an item does not."""
        stems, of_noun = self.stems, self.stem(noun)
        parts = [self.stem(part) for part in re.split(r"[-'’]", word) if len(part) > 1]
        if word.lower() in self.counted:
            return True
        return self.stem(word) in stems or (bool(parts) and all(part in stems or part == of_noun for part in parts))

    def compounds(self, word: str, told: Collection[str]) -> bool:
        """Say whether a word ends in one that states nothing or is told: ``Mitternacht``."""
        ends = (self.stem(word[at:]) for at in range(3, len(word) - 3))
        return any(end in self.stems or end in told for end in ends if len(end) > 3)

    def says_nothing(self, word: str, noun: str) -> bool:
        """Say whether a word is grammar, a number, a word for any item, or of the kind's own phrases."""
        folded, language = word.lower(), self.language
        things = patterns_of(language.code).any_of("things")
        little = folded in language.little_words or folded in language.numbers.words
        return little or folded in things or self.stem(word) == self.stem(noun)

    def holds_unspaced(self, word: str, noun: str) -> bool:
        """Say the same of a word that a dictionary has cut out of a text without spaces."""
        if word in self.style or word in noun or word in self.wording:
            return True
        halves = (word[:2], word[2:]) if len(word) in (3, 4) else (word,)
        return len(word) > 2 and all(part in self.style for part in halves)


@lru_cache(maxsize=256)
def _ordinary(code: str, targets: tuple[str, ...]) -> Ordinary:
    return Ordinary(get_language(code), targets)


def ordinary_of(kind: TextKind, code: str) -> Ordinary:
    """Return the ordinary words for texts of a kind in a language, those of the variants of its phrases too."""
    own = (target for name, target in kind.phrases.items() if name.partition("@")[0] == code)
    return _ordinary(code, (COMMON.format(code), *own))


def all_ordinary(text: str, request: TextRequest) -> bool:
    """Say whether all words of ``text`` that are spaced state nothing."""
    ordinary = ordinary_of(request.kind, request.language)
    return all(ordinary.holds(word, request.noun) for word in words(text))


@lru_cache(maxsize=50_000)
def _stem(code: str, word: str) -> str:
    """Cut an ending.

    >>> [_stem("en", word) for word in ("directed", "directs", "stories", "story")]
    ['direct', 'direct', 'stor', 'stor']
    """
    folded = word.lower().replace("’", "'")
    for one in get_language(code).family:
        folded = folded.removesuffix(one.grammar.possessive)
        for ending in one.grammar.endings:
            if folded.endswith(ending) and len(folded) - len(ending) >= 3:
                return folded[: -len(ending)]
    return folded
