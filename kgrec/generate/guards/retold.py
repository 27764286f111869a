"""Retelling: a phrase that repeats one of the description must not put another word in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from kgrec.generate.guards.evidence import Told
from kgrec.generate.guards.patterns import Ordinary
from kgrec.plugin.generation import Fact, Violation
from kgrec.text.tokens import cut, han, words

_Slots = tuple[tuple[str, str], ...]


def of_retelling(told: Told, facts: Sequence[Fact], text: str) -> Iterator[Violation]:
    """Find words in the place of others: "lost her hearing" of one who "has lost her sight".

    The place is told by two words in a row, of which one says something and one is grammar: those before it, or behind
    it where words are not spaced (亚洲最后的 for 欧洲最后的). A word that some fact has is free anywhere.
    """
    stated: dict[str, set[str]] = {}
    for fact in facts:
        if fact.type == "text":
            for place, word in _slots(told.ordinary, fact.value):
                stated.setdefault(place, set()).add(word)
    for place, word in _slots(told.ordinary, text) if stated else ():
        others = stated.get(place, ())
        if not others or word in others or not told.unsupported(word, exact=place[0] != "-"):
            continue
        if not any(told.synonyms.groups(word) & told.synonyms.groups(other) for other in others):
            instead = " / ".join(sorted(others))
            yield Violation("claims", f"the facts say {instead!r} in the place of {word!r}", word)


@lru_cache(maxsize=2048)
def _slots(ordinary: Ordinary, text: str) -> _Slots:
    """Return the words of a text that say something, each with what marks its place, once for each mark."""
    language = ordinary.language
    if language.spaced == (han(text) > 0):
        return ()
    found = [part for piece in text.split() for part in _parted(piece)] if language.spaced else cut(text)
    tokens = [(one, one.lower() in language.little_words) for one in found]
    slots = []
    for k, (word, grammar) in enumerate(tokens):
        if grammar or not any(map(str.isalpha, word)):
            continue
        near = [*reversed(tokens[max(k - 2, 0) : k])] if language.spaced else tokens[k + 1 : k + 3]
        told = " ".join(ordinary.stem(one) for one, _ in near)
        kinds = [little for one, little in near if any(map(str.isalpha, one))]
        if kinds == [True, False] and language.spaced:
            slots.append((told, word))
        elif kinds and not kinds[0] and word[0].isupper() and near[0][0][0].isupper():
            slots.append((ordinary.stem(near[0][0]), word))  # "Nachtzügen Europas"
        elif sorted(kinds) == [False, True] and not language.spaced and language.grammar.attributive in told.split():
            slots.append((told, word))
        behind, small = tokens[k + 1] if k + 1 < len(tokens) else ("", True)
        if language.spaced and word[0].islower() and not small and any(map(str.isalpha, behind)):
            slots.append((f"- {ordinary.stem(behind)}", word))  # "apricot flowers"
    return tuple(slots)


def _parted(piece: str) -> Iterator[str]:
    """Yield a word and the marks around it."""
    core = words(piece)
    if not core:
        yield piece
        return
    start, end = piece.find(core[0]), piece.rfind(core[-1]) + len(core[-1])
    yield from filter(None, (piece[:start], piece[start:end], piece[end:]))
