"""Lists kept in memory: the latest ones, each until an event of its user."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from kgrec.live.lists import ServedList

Key = tuple[Any, ...]
"""What a list was asked for with; the user's id comes first."""


@dataclass(frozen=True, slots=True)
class KeptList:
    """A list and how it is sent."""

    made: ServedList
    text: bytes


class ListCache:
    """Bounded; safe for many threads."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, threading.Lock()
        self._lists: OrderedDict[Key, KeptList] = OrderedDict()
        self._by_user: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._lists)

    def get(self, key: Key) -> KeptList | None:
        """Return the list that was made for a key, or None."""
        with self._lock:
            if (found := self._lists.get(key)) is not None:
                self._lists.move_to_end(key)
            return found

    def keep(self, key: Key, made: KeptList) -> None:
        """Keep a list; the oldest ones leave."""
        with self._lock:
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
        with self._lock:
            for key in self._by_user.pop(user_id, set()):
                self._lists.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._lists.clear()
            self._by_user.clear()
