"""Whether a comment praises or blames: counts of words, turned round by a negation just before."""

from __future__ import annotations

import re

from kgrec.generate.language import han, word_list

_NEGATIONS = frozenset(
    {"not", "no", "never", "isn't", "wasn't", "don't", "didn't", "doesn't", "hardly", "不", "没", "没有"}
)
_LATIN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def polarity(text: str) -> float:
    """Return a number in [-1, 1]: below 0 the text blames, above it praises, 0 says neither.

    >>> polarity("Not good, a waste of time"), polarity("Beautifully made"), polarity("质量很好"), polarity("一部影片")
    (-1.0, 1.0, 1.0, 0.0)
    """
    score = total = 0
    before: list[str] = []
    for word in _cut(text):
        value = (word in word_list("positive")) - (word in word_list("negative"))
        if value:
            score += -value if _NEGATIONS & set(before[-2:]) else value
            total += 1
        before.append(word)
    return score / total if total else 0.0


def _cut(text: str) -> list[str]:
    if not han(text):
        return _LATIN.findall(text.lower().replace("’", "'"))
    from kgrec.text.tokens import chinese_tokeniser

    return [word.lower() for word in chinese_tokeniser().lcut(text)]
