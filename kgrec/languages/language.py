"""A language: its pack of words, marks and forms, checked when it is read, and what texts are made of by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kgrec.errors import UsageError
from kgrec.languages import languages, read, table

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
"""Chinese characters, for use inside a regular expression's brackets."""

LISTED = 3
"""Values that one sentence names at most."""

_PIECE = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:['’\-.][^\W_{HAN}]+)*")
_RUN_TOGETHER = re.compile(rf"[^\W_{HAN}]{{2}}")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lengths(_Table):
    """How long texts are, in words; in characters where words are not spaced."""

    unit: str
    """What a prompt calls them."""
    longest: int
    """A text at most, where its kind says nothing else."""
    shortest: int
    """A text at least."""
    name: int
    """What a name in a text takes more than this is not held against the text."""
    sentence: int
    """Room that a further sentence needs."""
    kinds: dict[str, int]
    """The generic kinds of text that may be less long."""
    tokens: float
    """Tokens of a language model that one takes, generously."""


class Punctuation(_Table):
    """Marks, and the words that stand for them."""

    full_stop: str
    comma: str
    """Between the values of a list."""
    and_: str
    """Before its last one."""
    title: str = "{}"
    """How the title of an item is set off in a sentence."""
    quotes: tuple[str, ...]
    """Pairs of an opening and a closing mark around a name."""
    thousands: str = ","
    decimal: str = "."

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.rstrip("_"))


class Article(_Table):
    """The indefinite article: which of two forms stands before a word follows from how that sounds."""

    usual: str
    before_vowel: str
    vowel: str
    """Matches the start of words that begin with a vowel."""


class Grammar(_Table):
    """As much grammar as phrases and guards need."""

    plural: tuple[tuple[str, str], ...] = ()
    """Pattern and replacement; the first that fits a noun makes its plural."""
    common_noun: str = ""
    """Words of a value that are written small where it is a common noun; empty: none."""
    article: Article | None = None
    possessive: str = ""
    """What a name takes as an owner; cut before words are compared."""
    attributive: str = ""
    """The particle between what is said of a thing and the thing, where words are not spaced."""
    endings: tuple[str, ...] = ()
    """Of inflected words, those to be tried first in front; cut before words are compared."""


class NumberWords(_Table):
    """Numbers in words."""

    words: dict[str, float] = {}
    """Words that stand alone."""
    digits: dict[str, int] = {}
    """Characters that make up numbers, in front of one of ``counters``."""
    counters: tuple[str, ...] = ()
    ordinal: str = ""
    """What before a number makes it one of a row."""
    half: str = "(?!)"
    """What adds a half to the number before it."""
    suffixes: tuple[str, ...] = ()
    """What may be joined to a number in figures: ``3rd``."""
    behind: tuple[str, ...] = ()
    """Words that may be joined to it by a hyphen without a change of meaning: ``3-year``."""
    counts_items: str
    """What follows a number that counts items, with ``{noun}`` and ``{nouns}``."""


class Dates(_Table):
    """How a date is written."""

    format: str
    """With ``{day}``, ``{month}``, ``{year}``."""
    months: tuple[str, ...] = ()
    """Names of the months; empty: figures."""


class Gist(_Table):
    """What sentences of a description can be told by themselves, and where they may end early."""

    shortest: int
    """Words (characters) of one that is told, at least."""
    longest: int
    """At most; a longer one is ended at one of ``cuts``."""
    leaning: tuple[str, ...] = ()
    """First words of sentences that lean on what stood before."""
    small: tuple[str, ...] = ()
    """First words that are written small inside a sentence; empty: no language of articles, any first word may be."""
    verbs: str = ""
    """Matches a word that makes a sentence of what is told after "in which"; empty: sentences are not told so."""
    labels: tuple[str, ...] = ()
    """Words for works near the start of a sentence that is none: "a tale of"."""
    cuts: str
    """Matches what a long sentence may end before."""


class PromptWords(_Table):
    """Words that a prompt puts before facts."""

    history: str
    """Before items of the history, with ``{verb}``."""
    shared: str
    """Before what the item shares with many of the history."""
    shared_count: str
    """The same where it is known with how many: ``{count}``."""
    title: str
    description: str
    because: str
    habit: str
    examples: str
    characters: str
    """A length, with ``{count}``."""
    channel: str
    must: str
    voice: str
    prefer: str
    avoid: str


class Language(_Table):
    """A language of texts and reasons."""

    code: str
    """Name of the folder: ``en``."""
    name: str
    """As errors and prompts in English call it."""
    script: str
    """Range of its letters, for use inside a regular expression's brackets."""
    segmenter: Literal["spaces", "jieba"] = "spaces"
    """How its words are told apart."""
    in_catalogues: bool = False
    """Its stop words and number words are looked for in every catalogue, whatever language that is in."""
    mixed_with: tuple[str, ...] = ()
    """Languages whose sentences a model mixes into its texts: their patterns are looked for, too."""
    label_rank: int = 3
    """Where a graph names an entity in several languages, the lowest names it."""
    bleu: str = "13a"
    """Tokeniser of sacrebleu."""
    noun: str
    """What an item of no particular field is called."""
    negations: tuple[str, ...] = ()
    """Words of a comment that turn praise before them into blame."""
    length: Lengths
    punctuation: Punctuation
    grammar: Grammar = Grammar()
    numbers: NumberWords
    units: dict[str, tuple[str, ...]] = {}
    """Words of the units that are told apart."""
    dates: Dates
    verbs: dict[str, str]
    """What a user did, by action."""
    verbs_before_names: dict[str, str] = {}
    """The same where a verb of :attr:`verbs` cannot stand before a name."""
    tones: dict[str, str] = {}
    """What a prompt calls a tone; itself where it is not named."""
    gist: Gist
    amounts: tuple[tuple[int, str], ...]
    """From so many on, things are counted by this word: several, many."""
    habit: str
    """What somebody knows who touched many items with an entity, where its relation has no words for that."""
    nameless: str
    """What an item without a usable title is called, with ``{noun}``."""
    reasons: dict[str, str]
    """Sentences of reasons, see :mod:`kgrec.explain.wording`."""
    explain: dict[str, str]
    """What an explanation says, see :mod:`kgrec.explain.why`: names of its parts, by family of scorers and by kind."""
    prompts: PromptWords

    @property
    def spaced(self) -> bool:
        """Whether spaces stand between words."""
        return self.segmenter == "spaces"

    @property
    def counted(self) -> str:
        """What lengths count, in English."""
        return "words" if self.spaced else "characters"

    @cached_property
    def family(self) -> tuple[Language, ...]:
        """The language and those that are mixed into it, in the order of their codes."""
        return tuple(get_language(code) for code in sorted({self.code, *self.mixed_with}))

    @cached_property
    def little_words(self) -> frozenset[str]:
        """Stop words of the language and of those that are mixed into it."""
        return frozenset(word for one in self.family for word in one.words("stop_words"))

    def size(self, text: str) -> int:
        """Count the words of a text; characters where words are not spaced (a word in Latin letters is one)."""
        return len(text.split()) if self.spaced else len(pieces(text))

    def listed(self, values: Sequence[str], limit: int = LISTED) -> str:
        """Join values for a sentence.

        >>> get_language("en").listed(["Ada", "Ben", "Cy", "Di"]), get_language("zh").listed(["甲", "乙"])
        ('Ada, Ben and Cy', '甲和乙')
        """
        chosen = list(values[:limit])
        if len(chosen) < 2:
            return "".join(chosen)
        return self.punctuation.comma.join(chosen[:-1]) + self.punctuation.and_ + chosen[-1]

    def joined(self, parts: Iterable[str]) -> str:
        """Put sentences behind one another."""
        if self.spaced:
            return " ".join(parts)
        found = ""
        for part in parts:
            found = beside(found, part)
        return found

    def plural(self, noun: str) -> str:
        """Return the plural of a regular noun.

        >>> [get_language("en").plural(noun) for noun in ("item", "category", "box")]
        ['items', 'categories', 'boxes']
        """
        for pattern, replacement in self.grammar.plural:
            if re.search(pattern, noun):
                return re.sub(pattern, replacement, noun)
        return noun

    def common(self, value: str) -> str:
        """Write a value as a common noun.

        >>> get_language("en").common("Science Fiction"), get_language("en").common("TV Movie")
        ('science fiction', 'TV movie')
        """
        pattern = self.grammar.common_noun
        return re.sub(pattern, lambda match: match[0].lower(), value) if pattern else value

    def with_article(self, words: str) -> str:
        """Put the indefinite article before words, where the language has one that their sound chooses.

        >>> [get_language("en").with_article(words) for words in ("adventure", "unique idea", "MRI scan")]
        ['an adventure', 'a unique idea', 'an MRI scan']
        """
        article = self.grammar.article
        if article is None:
            return words
        return f"{article.before_vowel if re.match(article.vowel, words) else article.usual} {words}"

    def articles_corrected(self, text: str) -> str:
        """Correct indefinite articles before words in lower case; names stay as they are.

        >>> get_language("en").articles_corrected("It is a action story, an war story and a unique one.")
        'It is an action story, a war story and a unique one.'
        """
        article = self.grammar.article
        if article is None:
            return text
        pattern = rf"\b(?:{article.usual}|{article.before_vowel}) (?=([a-z]\S*))"
        return re.sub(pattern, lambda match: self.with_article(match[1])[: -len(match[1])], text)

    def date(self, year: int, month: int, day: int) -> str:
        """Write a date; the year alone where there is no such month."""
        months = self.dates.months
        if months and not 1 <= month <= 12:
            return f"{year}"
        return self.dates.format.format(day=day, month=months[month - 1] if months else month, year=year)

    def amount(self, count: int) -> str:
        """Say how many, as people do.

        >>> get_language("en").amount(57), get_language("zh").amount(2)
        ('many', '两')
        """
        return next((word for least, word in reversed(self.amounts) if count >= least), str(count))

    def number(self, value: float) -> str:
        """Write a number in figures, its thousands apart.

        >>> get_language("en").number(12345)
        '12,345'
        """
        return self.figures(f"{value:,}")

    def figures(self, written: str) -> str:
        """Write the marks inside a number in figures, ``12,345.6``, as the language does."""
        marks = {",": self.punctuation.thousands, ".": self.punctuation.decimal}
        return "".join(marks.get(char, char) for char in written)

    def words(self, name: str) -> frozenset[str]:
        """Return the words of ``NAME.txt`` in the pack; a line that begins with # is a comment."""
        return _words(self.code, name)

    def phrases(self, name: str) -> tuple[str, ...]:
        """Return the lines of ``NAME.txt`` in the pack; one that begins with # is a comment."""
        return _lines(self.code, name)


@cache
def _lines(code: str, name: str) -> tuple[str, ...]:
    lines = (line.strip() for line in read(code, f"{name}.txt").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def _words(code: str, name: str) -> frozenset[str]:
    return frozenset(word for line in _lines(code, name) for word in line.split())


def pieces(text: str) -> list[str]:
    """Return the words of a text; a Chinese character is one.

    >>> pieces("It's a 2-hour show. 好看")
    ["It's", 'a', '2-hour', 'show', '好', '看']
    """
    return _PIECE.findall(text)


def beside(before: str, after: str) -> str:
    """Put two parts of a text next to each other, with a space only where two words would run together.

    >>> beside("导演", "Ann Lee"), beside("导演Ann", "Lee")
    ('导演Ann Lee', '导演Ann Lee')
    """
    return f"{before} {after}" if _RUN_TOGETHER.search(f"{before[-1:]}{after[:1]}") else before + after


@cache
def get_language(code: str) -> Language:
    """Return a language.

    Raises:
        UsageError: there is no such language.
    """
    if code not in languages():
        raise UsageError(f"unknown language {code!r}", hint=f"one of {', '.join(languages())}")
    return Language(code=code, **table(code, "language.toml"))


def every_language() -> tuple[Language, ...]:
    """Return all languages."""
    return tuple(map(get_language, languages()))


HAN_SHARE = 0.3
"""Of the letters of texts in a language without spaces so many are its own at least; names may be in others."""

LITTLE_SHARE = 0.02
"""Of the words of texts in a language with spaces so many are its little words at least."""


def language_of(texts: Sequence[str]) -> str | None:
    """Return the code of the language that most of ``texts`` are written in; None where that cannot be told.

    >>> language_of(["A keeper of the light"]), language_of(["铸铁锅，适合做饭"]), language_of(["Heat", "Alien"])
    ('en', 'zh', None)
    """
    whole = " ".join(texts)
    letters = sum(char.isalpha() for char in whole) or 1
    packs = every_language()
    for pack in packs:
        if not pack.spaced and len(re.findall(f"[{pack.script}]", whole)) > HAN_SHARE * letters:
            return pack.code
    words = [word.lower() for word in re.findall(r"[^\W\d_]+", whole)]
    counts = {pack.code: sum(word in pack.words("stop_words") for word in words) for pack in packs if pack.spaced}
    best = max(counts, key=lambda code: counts[code], default=None)
    return best if best is not None and counts[best] > LITTLE_SHARE * len(words) else None
