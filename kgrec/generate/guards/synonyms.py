"""Words of one meaning: what a text may call a thing that a fact names otherwise, and in another language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from kgrec.languages import read
from kgrec.text.tokens import han

_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class GroupMention:
    """``text[start:end]`` is a word of a group."""

    start: int
    end: int
    group: int


class Synonyms:
    """Groups of words of one meaning.

    Args:
        lines: a group each, words parted by commas; ``!`` in front: to say it is a claim. A ``*`` stands for any ending
            of a word, or for any beginning.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.claims: set[int] = set()
        self._whole: dict[str, set[int]] = {}
        self._starts: dict[str, set[int]] = {}
        self._ends: dict[str, set[int]] = {}
        self._unspaced: dict[str, set[int]] = {}
        self._phrases: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        for number, line in enumerate(lines):
            claimed = line.startswith("!")
            if claimed:
                self.claims.add(number)
            for word in re.split(r"\s*,\s*", line.removeprefix("!").strip().lower()):
                self._add(word, number)

    def _add(self, word: str, group: int) -> None:
        if han(word):
            self._unspaced.setdefault(word, set()).add(group)
        elif re.search(r"[ (\[]", word):
            pattern = re.compile(word.replace("*", "[a-z]*") + r"(?!\w)")
            self._phrases.setdefault(word[:2], []).append((pattern, group))
        elif word.endswith("*"):
            self._starts.setdefault(word[:-1], set()).add(group)
        elif word.startswith("*"):
            self._ends.setdefault(word[1:], set()).add(group)
        else:
            self._whole.setdefault(word, set()).add(group)

    def mentions(self, text: str) -> tuple[GroupMention, ...]:
        """Return the words of groups in a text, in no particular order."""
        return _mentions(self, text)

    def _found(self, text: str) -> Iterator[GroupMention]:
        folded = text.lower()
        for match in _WORD.finditer(folded):
            for group in _groups_of(self, match[0]):
                yield GroupMention(match.start(), match.end(), group)
            for pattern, group in self._phrases.get(match[0][:2], ()):
                if found := pattern.match(folded, match.start()):
                    yield GroupMention(found.start(), found.end(), group)
        if han(text):
            for match in self._unspaced_pattern.finditer(folded):
                word, at = match[1], match.start()
                known = self._unspaced.get(word[0] + word[2:], ()) if word not in self._unspaced else ()
                named = [(len(word), group) for group in known]
                named += [(n, g) for n in range(1, len(word) + 1) for g in self._unspaced.get(word[:n], ())]
                yield from (GroupMention(at, at + size, group) for size, group in named)

    @cached_property
    def _unspaced_pattern(self) -> re.Pattern[str]:
        """Words without spaces, wherever they stand; between verb and object may be a particle: 受了伤."""
        longest = sorted(self._unspaced, key=len, reverse=True)
        split = (f"{re.escape(w[0])}[了过着]?{re.escape(w[1:])}" if len(w) == 2 else re.escape(w) for w in longest)
        return re.compile(f"(?=({'|'.join(split) or '(?!)'}))")

    def _of(self, word: str) -> frozenset[int]:
        found = set(self._whole.get(word, ()))
        for size in range(3, len(word) + 1):
            found |= self._starts.get(word[:size], set())
            if size < len(word):
                found |= self._ends.get(word[-size:], set())
        return frozenset(found)

    def groups(self, text: str) -> frozenset[int]:
        """Return the groups that a text has a word of."""
        return frozenset(mention.group for mention in self.mentions(text))


@lru_cache(maxsize=4096)
def _mentions(synonyms: Synonyms, text: str) -> tuple[GroupMention, ...]:
    return tuple(synonyms._found(text))


@lru_cache(maxsize=50_000)
def _groups_of(synonyms: Synonyms, word: str) -> frozenset[int]:
    return synonyms._of(word)


@lru_cache(maxsize=16)
def synonyms_of(more: tuple[str, ...]) -> Synonyms:
    """Return the groups of all languages, with those of a domain."""
    own = [line for line in read("", "synonyms.txt").splitlines() if line and not line.startswith("#")]
    return Synonyms([*own, *more])


def told_groups(synonyms: Synonyms, texts: Sequence[str]) -> frozenset[int]:
    """Return the groups that any of several texts has a word of."""
    return frozenset(group for text in texts for group in synonyms.groups(text))
