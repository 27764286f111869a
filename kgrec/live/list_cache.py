"""Lists kept in memory: the latest ones, each until an event of its user."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from kgrec.live.lists import ServedList

Key = tuple[Any, ...]
"""What a list was asked for with; the user's id comes first."""


class ListCache:
    """Bounded; not safe for several threads: the caller holds a lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lists: OrderedDict[Key, ServedList] = OrderedDict()
        self._by_user: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._lists)

    def get(self, key: Key) -> ServedList | None:
        """Return the list that was made for a key, or None."""
        if (found := self._lists.get(key)) is not None:
            self._lists.move_to_end(key)
        return found

    def keep(self, key: Key, made: ServedList) -> None:
        """Keep a list; the oldest ones leave."""
        self._lists[key] = made
        self._by_user.setdefault(key[0], set()).add(key)
        while len(self._lists) > self._size:
            old, _ = self._lists.popitem(last=False)
            keys = self._by_user[old[0]]
            keys.discard(old)
            if not keys:
                del self._by_user[old[0]]

    def drop(self, user_id: str) -> None:
        """Forget the lists of a user."""
        for key in self._by_user.pop(user_id, set()):
            self._lists.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._lists.clear()
        self._by_user.clear()
