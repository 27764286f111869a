"""API keys: who may do what. They lie outside of every workspace, and only as hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from kgrec.artifacts import replacing, storage_errors
from kgrec.consent import trust_file
from kgrec.errors import CorruptArtifactError, UserError

Scope = Literal["read", "write", "admin", "erase"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

PREFIX = "kgrec_"
RATE = 1_000.0
"""Requests a second of a key, unless it says otherwise; bursts may be twice as long."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was handed out.

    Attributes:
        name: of its holder.
        digest: SHA-256 of the key; a key is random and long, so that no slow hash is needed.
        scopes: what it may do.
        rate: requests a second.
    """

    name: str
    digest: str
    scopes: frozenset[Scope]
    rate: float = RATE


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass
class Keys:
    """The keys in a file, and how much of its quota each has used."""

    file: Path
    keys: Mapping[str, Key] = field(default_factory=dict)
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, file: Path | None = None) -> Keys:
        """Read the user's keys; none where there is no file.

        Raises:
            CorruptArtifactError: the file cannot be read.
        """
        import tomllib

        found = file or trust_file().with_name("keys.toml")
        if not found.exists():
            return cls(found)
        try:
            entries = tomllib.loads(found.read_text(encoding="utf-8")).get("key", [])
            keys = [
                Key(str(e["name"]), str(e["sha256"]), frozenset(e["scopes"]), float(e.get("rate", RATE)))
                for e in entries
            ]
            if any(not key.scopes <= set(SCOPES) or key.rate <= 0 for key in keys):
                raise ValueError("unknown scope, or a rate that is not positive")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptArtifactError(f"{found} is damaged: {error}", hint="fix or remove it") from None
        return cls(found, {key.digest: key for key in keys})

    def add(self, name: str, scopes: Sequence[str], rate: float = RATE) -> str:
        """Hand out a key; it is shown once and not kept.

        Raises:
            UserError: the name is taken, or a scope is unknown.
        """
        if not re.fullmatch(r"[\w.-]{1,64}", name):
            raise UserError(f"{name!r} is no name for a key", hint="letters, digits, dots and dashes, at most 64")
        if any(key.name == name for key in self.keys.values()):
            raise UserError(f"there is a key {name!r} already", hint="remove it first")
        wrong = [scope for scope in scopes if scope not in SCOPES]
        if wrong or not scopes:
            raise UserError(f"unknown scope {wrong[:1]}", hint=f"known are {', '.join(SCOPES)}")
        text = PREFIX + secrets.token_urlsafe(32)
        known: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in scopes)
        self._save({**self.keys, digest(text): Key(name, digest(text), known, rate)})
        return text

    def remove(self, name: str) -> None:
        """Withdraw a key.

        Raises:
            UserError: there is none of that name.
        """
        kept = {value: key for value, key in self.keys.items() if key.name != name}
        if len(kept) == len(self.keys):
            raise UserError(f"there is no key {name!r}")
        self._save(kept)

    def find(self, text: str) -> Key | None:
        """Return the key that a request shows, or None."""
        return self.keys.get(digest(text))

    def wait(self, key: Key) -> float:
        """Take one request from a key's quota; returns 0, or the seconds after which there is one again."""
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(key.digest, _Bucket(2 * key.rate, now))
            bucket.tokens = min(2 * key.rate, bucket.tokens + (now - bucket.at) * key.rate)
            bucket.at = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0.0
            return (1 - bucket.tokens) / key.rate

    def _save(self, keys: Mapping[str, Key]) -> None:
        import tomlkit

        entries: list[dict[str, Any]] = [
            {"name": key.name, "sha256": key.digest, "scopes": sorted(key.scopes), "rate": key.rate}
            for key in keys.values()
        ]
        with storage_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(self.file, mode=0o600) as aside:
            aside.write_text(tomlkit.dumps({"key": entries}), encoding="utf-8")
        self.keys = keys


def digest(text: str) -> str:
    """Return the hash of a key."""
    return hashlib.sha256(text.encode()).hexdigest()
