"""Words that state nothing about an item: style, grammar, and the plugin's own phrases."""

from __future__ import annotations

import re
from functools import lru_cache

from kgrec.generate.language import word_list, words
from kgrec.generate.phrases import load_phrases
from kgrec.plugin.domain import TextKind
from kgrec.plugin.generation import TextRequest
from kgrec.text.tokens import STOP_WORDS

_ENDINGS = (
    "ingly",
    "edly",
    "ations",
    "ation",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "est",
    "ed",
    "es",
    "er",
    "ly",
    "s",
    "y",
    "e",
)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Cut an English ending: enough to find ``directs`` beside ``directed``.

    >>> stem("directed"), stem("directs"), stem("stories"), stem("story")
    ('direct', 'direct', 'stor', 'stor')
    """
    folded = word.lower().replace("’", "'").removesuffix("'s")
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= 3:
            return folded[: -len(ending)]
    return folded


@lru_cache(maxsize=256)
def _vocabulary(targets: tuple[str, ...]) -> frozenset[str]:
    phrases = [word for target in targets for word in load_phrases(target).vocabulary]
    return frozenset(stem(word) for word in (*phrases, *word_list("style.en"), *STOP_WORDS))


@lru_cache(maxsize=256)
def _wording(targets: tuple[str, ...]) -> str:
    return "\n".join(load_phrases(target).wording for target in targets)


def _targets(kind: TextKind, language: str) -> tuple[str, ...]:
    """Return the files of phrases of a language, those of variants too."""
    return tuple(target for name, target in kind.phrases.items() if name.partition("@")[0] == language)


def is_ordinary(word: str, request: TextRequest) -> bool:
    """Say whether an English word states nothing."""
    parts = re.split(r"[-'’]", word)
    known = _vocabulary(_targets(request.kind, request.language))
    nouns = {stem(request.noun)}
    return all(stem(part) in known or stem(part) in nouns or len(part) < 2 for part in parts) or stem(word) in known


def is_ordinary_zh(word: str, request: TextRequest) -> bool:
    """Say whether a Chinese word states nothing: it is in the list, or in the plugin's phrases."""
    if word in STOP_WORDS or word in word_list("style.zh") or word in request.noun:
        return True
    if word in _wording(_targets(request.kind, request.language)):
        return True
    return len(word) > 2 and all(part in word_list("style.zh") or part in STOP_WORDS for part in _halves(word))


def _halves(word: str) -> tuple[str, ...]:
    return (word[:2], word[2:]) if len(word) in (3, 4) else (word,)


def all_ordinary(text: str, request: TextRequest) -> bool:
    """Say whether all Latin words of ``text`` state nothing."""
    return all(is_ordinary(word, request) for word in words(text))
