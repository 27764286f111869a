"""Whether a comment praises or blames: counts of words, turned round by a negation just before."""

from __future__ import annotations

import re
from functools import cache

from kgrec.languages.language import every_language
from kgrec.text.tokens import cut, han

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def polarity(text: str) -> float:
    """Return a number in [-1, 1]: below 0 the text blames, above it praises, 0 says neither.

    >>> polarity("Not good, a waste of time"), polarity("Beautifully made"), polarity("质量很好"), polarity("一部影片")
    (-1.0, 1.0, 1.0, 0.0)
    """
    praise, blame, negations = _words()
    score = total = 0
    before: list[str] = []
    for word in _cut(text):
        value = (word in praise) - (word in blame)
        if value:
            score += -value if negations & set(before[-2:]) else value
            total += 1
        before.append(word)
    return score / total if total else 0.0


@cache
def _words() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the words of praise, of blame and of negation: a comment may be in any language."""
    packs = every_language()
    praise, blame = (frozenset().union(*(one.words(name) for one in packs)) for name in ("positive", "negative"))
    return praise, blame, frozenset(word for one in packs for word in one.negations)


def _cut(text: str) -> list[str]:
    return [word.lower() for word in cut(text)] if han(text) else _WORD.findall(text.lower().replace("’", "'"))
