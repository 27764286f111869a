"""What the words of data stand for as actions, those that speak against an item among them.

The tables stand in ``words.toml``; a domain's own words come before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from kgrec.data.naming import WORDS, fold

IGNORE = "ignore"
"""In place of an action: such rows say nothing about an item and are left out."""

ACTION_WORDS: Mapping[str, str] = {fold(word): action for action, words in WORDS["actions"].items() for word in words}
"""Folded word -> action, or ``ignore``."""

_PARTS = {
    fold(word): (rank, action) for rank, (action, words) in enumerate(WORDS["action_parts"].items()) for word in words
}
_LAST = frozenset(WORDS["action_last"]["words"])
_CONTEXTS = [
    (frozenset(map(fold, c["beside"])), {fold(word): action for word, action in c["words"].items()})
    for c in WORDS["action_contexts"]
]


def action_of(word: str, own: Mapping[str, str] | None = None) -> str | None:
    """Return the action that a word stands for, ``ignore``, or None where nothing is known.

    >>> [action_of(word) for word in ("Product Viewed", "add_to_cart", "remove_from_cart", "点赞", "frobnicate")]
    ['view', 'cart', 'dislike', 'like', None]
    """
    folded = fold(word)
    if own and folded in own:
        return own[folded]
    return _known_action(word, folded)


@cache
def _known_action(word: str, folded: str) -> str | None:
    if folded in ACTION_WORDS or folded.removesuffix("s") in ACTION_WORDS:
        return ACTION_WORDS.get(folded) or ACTION_WORDS[folded.removesuffix("s")]
    if not folded or folded.isdigit() or len(word) > 60 or "\n" in word:
        return None
    parts = [p.casefold() for p in re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word))]
    if len(parts) > 6:
        return None
    if parts and parts[-1] in _LAST and "list" not in parts and "results" not in parts:
        return ACTION_WORDS.get(parts[-1])
    found = [_PARTS[part] for part in parts if part in _PARTS]
    if not word.isascii():
        found += [known for part, known in _PARTS.items() if not part.isascii() and part in folded]
    return min(found)[1] if found else None


def actions_of(words: Sequence[str], own: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return what each of the words of a column stands for, beside each other."""
    folded = {fold(word) for word in words}
    special = {word: action for beside, table in _CONTEXTS if beside & folded for word, action in table.items()}
    return {word: action_of(word, {**special, **(own or {})}) for word in words}


def share_of_action_words(counts: Mapping[str, int]) -> float:
    """Return the share of cells that are words for actions; bare numbers and single letters are none."""
    known = sum(n for word, n in counts.items() if len(word) > 1 and action_of(word))
    return known / max(sum(counts.values()), 1)
