"""All names that a workspace knows, and where they stand in a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from kgrec.graph.linking.names import is_unspaced, name_key, name_variants, token_span, tokenize
from kgrec.plugin.generation import NameMention

SHORTEST = 3
"""Letters of a name that is looked for; two where they are Chinese."""


class NameIndex:
    """Names of entities and items, found by an Aho-Corasick automaton.

    Args:
        names: as the workspace writes them; spellings of titles (year, article at the end) are added.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))

    @cached_property
    def _by_key(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in self._names:
            for variant in name_variants(name):
                key = name_key(variant)
                if _usable(key.split()):
                    found.setdefault(key, name)
        return found

    @cached_property
    def _automaton(self) -> Any:
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for key in self._by_key:
            automaton.add_word(key, key)
        if len(automaton):
            automaton.make_automaton()
        return automaton

    def mentions(self, text: str) -> Sequence[NameMention]:
        """Return the names in ``text``, the longest where they overlap, in order."""
        if not len(self._automaton):
            return []
        tokens = tokenize(text)
        joined, offsets = tokens.joined()
        found = []
        for end, key in self._automaton.iter(joined):
            first, last = token_span(offsets, end - len(key) + 1, end + 1)
            found.append((first, last, self._by_key[key]))
        found.sort(key=lambda span: (span[0] - span[1], span[0]))
        taken: set[int] = set()
        mentions = []
        for first, last, name in found:
            if taken.isdisjoint(range(first, last + 1)):
                taken.update(range(first, last + 1))
                mentions.append(NameMention(tokens.starts[first], tokens.ends[last], name))
        return sorted(mentions, key=lambda mention: mention.start)


def _usable(words: list[str]) -> bool:
    letters = sum(map(len, words))
    if letters < SHORTEST:
        return letters >= 2 and any(map(is_unspaced, words))
    return not all(map(str.isnumeric, words))
