"""Words, sentences and lists of English and Chinese: as little grammar as phrases and guards need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[^\W\d_{HAN}]+(?:['’\-][^\W\d_{HAN}]+)*")
_HAN = re.compile(f"[{HAN}]")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[\"“'A-Z0-9])|(?<=[。！？；])|\n+")
_LENGTH = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:['’\-.][^\W_{HAN}]+)*")
_VOWEL_SOUND = re.compile(r"(?:[aeiou]|8|11\b|18|hour|honest|heir)", re.I)
_ACRONYM_VOWEL = re.compile(r"[AEFHILMNORSX](?:[A-Z0-9]|\b)")
_RUN_TOGETHER = re.compile(rf"[^\W_{HAN}]{{2}}")
LISTED = 3
"""Values of a fact that one sentence names at most."""


def words(text: str) -> list[str]:
    """Return the words in Latin and other letters, without Chinese.

    >>> words("It's a well-made 影片, 2 hours")
    ["It's", 'a', 'well-made', 'hours']
    """
    return _WORD.findall(text)


def han(text: str) -> int:
    """Count the Chinese characters."""
    return len(_HAN.findall(text))


def sentences(text: str) -> list[str]:
    """Split a text after its full stops.

    >>> sentences("Made by J. Doe. It runs. 好看。真的！")
    ['Made by J.', 'Doe.', 'It runs. 好看。', '真的！']
    """
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def length(text: str, language: str) -> int:
    """Count words (English) or characters (Chinese; a word in Latin letters is one)."""
    found = _LENGTH.findall(text)
    return len(found) if language == "zh" else len(text.split())


def listed(values: Sequence[str], language: str, limit: int = LISTED) -> str:
    """Join values for a sentence.

    >>> listed(["Ada", "Ben", "Cy", "Di"], "en"), listed(["甲", "乙"], "zh")
    ('Ada, Ben and Cy', '甲和乙')
    """
    chosen = list(values[:limit])
    if len(chosen) < 2:
        return "".join(chosen)
    comma, last = ("、", "和") if language == "zh" else (", ", " and ")
    return comma.join(chosen[:-1]) + last + chosen[-1]


def beside(before: str, after: str) -> str:
    """Put two parts of a text next to each other, with a space only where two words would run together.

    >>> beside("导演", "Ann Lee"), beside("导演Ann", "Lee")
    ('导演Ann Lee', '导演Ann Lee')
    """
    return f"{before} {after}" if _RUN_TOGETHER.search(f"{before[-1:]}{after[:1]}") else before + after


def article(words_after: str) -> str:
    """Put ``a`` or ``an`` before English words.

    >>> article("adventure"), article("unique idea"), article("hourly show"), article("MRI film"), article("war film")
    ('an adventure', 'a unique idea', 'an hourly show', 'an MRI film', 'a war film')
    """
    if re.match(r"[A-Z]{2}|[A-Z]\b", words_after):
        vowel = _ACRONYM_VOWEL.match(words_after)
    else:
        vowel = _VOWEL_SOUND.match(words_after)
        if re.match(r"(?:eu|one\b|once\b|uni|use|usu|ut[ie]|ub|uk|ur[ai])", words_after, re.I):
            vowel = None
    return f"{'an' if vowel else 'a'} {words_after}"


def with_articles(text: str) -> str:
    """Correct ``a`` and ``an`` before words in lower case; names stay as they are.

    >>> with_articles("It is a action film, an war film and a unique one.")
    'It is an action film, a war film and a unique one.'
    """
    return re.sub(r"\b(?:a|an) (?=([a-z]\S*))", lambda m: article(m[1])[: -len(m[1])], text)


def lower(value: str) -> str:
    """Write a value as a common noun: ``Science Fiction`` -> ``science fiction``; ``TV`` and ``IMAX 3D`` stay.

    >>> lower("Science Fiction"), lower("TV Movie"), lower("Film-Noir")
    ('science fiction', 'TV movie', 'film-noir')
    """
    return re.sub(r"\b[A-Z][a-z]+\b", lambda match: match.group().lower(), value)


def plural(noun: str) -> str:
    """Return the plural of a regular English noun.

    >>> plural("film"), plural("category"), plural("box")
    ('films', 'categories', 'boxes')
    """
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(?:s|x|z|ch|sh)$", noun) else f"{noun}s"


@cache
def word_list(name: str) -> frozenset[str]:
    """Return the words of ``assets/NAME.txt``; a line that begins with # is a comment."""
    text = files("kgrec.generate").joinpath("assets", f"{name}.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


@cache
def phrase_list(name: str) -> tuple[str, ...]:
    """Return the lines of ``assets/NAME.txt``, longest first; a line that begins with # is a comment."""
    text = files("kgrec.generate").joinpath("assets", f"{name}.txt").read_text(encoding="utf-8")
    lines = {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}
    return tuple(sorted(lines, key=lambda line: (-len(line), line)))


@cache
def phrase_pattern(name: str, more: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Return a pattern that finds the phrases of ``assets/NAME.txt`` and ``more``, English ones as whole words."""
    phrases = sorted({*phrase_list(name), *more}, key=lambda phrase: (-len(phrase), phrase))
    bounded = (rf"\b{re.escape(p)}\b" if p.isascii() else re.escape(p) for p in phrases)
    return re.compile("|".join(bounded), re.I)
