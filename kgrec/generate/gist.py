"""What a description says, in a sentence or a few of its own: the central ones, those this reader cares about first.

Sentences are ranked by their centrality among the sentences of the text (TextRank: Mihalcea, Tarau: *TextRank:
Bringing Order into Texts*, EMNLP 2004), by the reader's interests that they speak of, and by their place: a
description says first what matters most. A long sentence ends early, where another clause begins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kgrec.languages.language import Language, get_language
from kgrec.text.tokens import sentences, tokenize

MOST = 24
"""Sentences of a text that are looked at."""

AGAIN = 0.3
"""How much a sentence is worth that names what is told anyway."""

WORTH = 0.4
"""A further sentence is told if it is worth this share of the best one."""

DAMPING = 0.85
ROUNDS = 20

_STOPS = ".!?…。！？"


def gist(
    text: str,
    code: str,
    *,
    wanted: Sequence[tuple[str, float]] = (),
    known: Collection[str] = (),
    n: int = 1,
    longest: int | None = None,
) -> list[str]:
    """Return up to ``n`` sentences of a description, in their order, without full stops; empty where none can be told.

    Args:
        text: in the language ``code``.
        code: of the language.
        wanted: names that the reader is interested in, with weights.
        known: values that are told anyway; a sentence that names one has less to add.
        n: sentences at most.
        longest: words (characters) of a sentence; that of the language by default.
    """
    pack = get_language(code)
    limit = min(longest or pack.gist.longest, pack.gist.longest)
    found = _told(text, code, limit)
    if not found:
        return []
    words = {name: frozenset(tokenize(name).folded) for name, _ in wanted}
    total = sum(weight for _, weight in wanted) or 1.0
    worth = [
        rank
        * (1 + sum(weight for name, weight in wanted if words[name] and words[name] <= tokens) / total)
        * (AGAIN if any(value in said for value in known) else 1.0)
        for said, tokens, rank in found
    ]
    best = sorted(range(len(found)), key=lambda k: -worth[k])[:n]
    return [found[k][0] for k in sorted(best) if worth[k] >= WORTH * worth[best[0]]]


@lru_cache(maxsize=4096)
def _told(text: str, code: str, limit: int) -> tuple[tuple[str, frozenset[str], float], ...]:
    """Return the sentences that can be told: as they are told, their words, how central they are."""
    pack = get_language(code)
    parts = sentences(text)[:MOST]
    tokens = [frozenset(t for t in tokenize(part).folded if t not in pack.little_words) for part in parts]
    ranks = _centrality(tokens)
    place = 1 / (1 + np.arange(len(parts))) ** 0.5
    told = [_shortened(part, pack, limit) for part in parts]
    return tuple(
        (one, words, float(rank))
        for one, words, rank in zip(told, tokens, ranks * place, strict=True)
        if one and not _leans(one, pack)
    )


def _centrality(tokens: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """Return the PageRank of sentences over the words that they share, shape ``(s,)``."""
    n = len(tokens)
    sizes = np.array([len(words) for words in tokens], dtype=np.float64)
    shared = np.array([[len(a & b) for b in tokens] for a in tokens], dtype=np.float64).reshape(n, n)  # a few sentences
    np.fill_diagonal(shared, 0)
    near = shared / (np.log1p(sizes)[:, None] + np.log1p(sizes)[None, :] + 1e-9)
    sums = near.sum(axis=0)
    step = np.divide(near, sums, out=np.full_like(near, 1 / max(n, 1)), where=sums > 0)
    rank = np.full(n, 1 / max(n, 1))
    for _ in range(ROUNDS):
        rank = (1 - DAMPING) / max(n, 1) + DAMPING * (step @ rank)
    # A sentence of few words of its own says little, whatever it shares with the others.
    return np.asarray(rank * np.minimum(sizes, 8) / 8)


def _shortened(sentence: str, pack: Language, limit: int) -> str:
    """Return a sentence without its full stop, ended where a clause begins if it is too long; nothing if it cannot."""
    bare = sentence.strip().rstrip(_STOPS if sentence.rstrip()[-1:] not in "?？!！" else "").strip()
    if pack.size(bare) <= limit:
        return bare if pack.size(bare) >= pack.gist.shortest else ""
    ends = [match.start() for match in re.finditer(pack.gist.cuts, bare)]
    for end in reversed(ends):
        part = bare[:end].rstrip(" ,;，；、–—-")
        if pack.gist.shortest <= pack.size(part) <= limit and _balanced(part):
            return part
    return ""


def _balanced(text: str) -> bool:
    """Say whether every bracket and quotation mark that is opened is closed."""
    pairs = ("()", "（）", "“”", "《》", "「」", "„“", "[]")
    return all(text.count(pair[0]) == text.count(pair[1]) for pair in pairs) and text.count('"') % 2 == 0


def _leans(sentence: str, pack: Language) -> bool:
    """Say whether a sentence cannot stand alone: it leans on another one, or speaks of what no fact can show."""
    leaning = pack.gist.leaning
    if not pack.spaced:
        return sentence.startswith(leaning)
    first = re.match(r"\W*([^\W\d_]+)", sentence)
    return not first or first[1].lower() in leaning or sentence[:1].islower()


def inside(sentence: str, code: str) -> str:
    """Return a sentence as it stands after "in which": begun small; nothing where that cannot be told.

    >>> inside("A keeper of the light finds a box", "en"), inside("A tale of two", "en")
    ('a keeper of the light finds a box', '')
    """
    pack = get_language(code)
    if not pack.spaced:
        return sentence.rstrip(_STOPS)
    if not pack.gist.verbs or sentence[-1:] in _STOPS:
        return ""
    parts = sentence.split(" ", 1)
    first, rest = parts[0], "".join(parts[1:])
    begun = [word.strip(",").lower() for word in rest.split()[:5]]
    if first.lower() not in pack.gist.small or any(word in pack.gist.labels for word in begun):
        return ""
    return f"{first.lower()} {rest}" if re.search(pack.gist.verbs, rest.partition(" ")[2]) else ""
