"""What installed plugins offer, kept between commands, so that a plugin is imported when something of it is used.

Kept in ``$XDG_CACHE_HOME/kgrec`` (``~/.cache/kgrec``), a file an environment, for as long as nothing is installed,
removed or disabled there. Of a plugin installed with ``pip install -e`` nothing is kept: its files change as they like.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

Offered = list[dict[str, Any]]
"""Fields of each Spec that a hook offers; of a domain its name alone."""


@dataclass(slots=True)
class Memory:
    """What is known of plugins without importing them.

    Attributes:
        file: where it is kept; None: nowhere.
        environment: what it holds for, see :func:`environment`.
        plugins: by name: the ``hooks`` that it has, and ``offers`` by hook.
    """

    file: Path | None = None
    environment: str = ""
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[EntryPoint]) -> Memory:
        """Read what is kept of installed plugins; nothing where it holds no longer, or cannot be read."""
        memory = cls(_file(), environment(entries))
        with suppress(OSError, ValueError, AttributeError):  # it is no object
            if memory.file is not None and _is_own(memory.file):
                kept = json.loads(memory.file.read_text(encoding="utf-8"))
                if kept.get("environment") == memory.environment:
                    memory.plugins = dict(kept["plugins"])
        return memory

    def learn(self, name: str, hooks: Sequence[str]) -> bool:
        """Keep which hooks a plugin has; False where nothing is kept."""
        self.plugins[name] = {"hooks": list(hooks), "offers": {}}
        return self.file is not None

    def answered(self, name: str, hook: str, offers: Offered) -> bool:
        """Keep what a plugin offers by a hook; False where nothing of it is kept."""
        if name not in self.plugins:
            return False
        self.plugins[name]["offers"][hook] = offers
        return True

    def hooks(self, name: str) -> tuple[str, ...] | None:
        """Return the hooks that a plugin has; None where it has to be imported to know."""
        return tuple(self.plugins[name]["hooks"]) if name in self.plugins else None

    def offers(self, name: str, hook: str) -> Offered | None:
        """Return what a plugin offers by a hook; None where it has to be asked."""
        found: Offered | None = self.plugins.get(name, {}).get("offers", {}).get(hook)
        return found

    def save(self) -> None:
        """Write it, whole; where that cannot be done plugins are imported again."""
        if self.file is None or not self.plugins:
            return
        aside = self.file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps({"environment": self.environment, "plugins": self.plugins}), encoding="utf-8")
            aside.replace(self.file)


def environment(entries: Sequence[EntryPoint]) -> str:
    """Return a digest of what is installed: it changes when pip installs, upgrades or removes anything."""
    return hashlib.sha256(json.dumps([sys.version, sorted(_told(entries))]).encode()).hexdigest()


def _told(entries: Sequence[EntryPoint]) -> Iterator[list[str]]:
    for entry in entries:
        if entry.dist is not None:
            place = Path(str(entry.dist.locate_file("")))
            with suppress(OSError):
                yield [entry.name, entry.value, entry.dist.version, str(place), str(place.stat().st_mtime_ns)]


def is_kept(entry: EntryPoint) -> bool:
    """Whether anything may be kept of a plugin: its files change by installing it only."""
    return entry.dist is not None and '"editable": true' not in (entry.dist.read_text("direct_url.json") or "")


def _is_own(file: Path) -> bool:
    """Whether nobody else wrote a file: it names modules to import."""
    return sys.platform == "win32" or file.stat().st_uid == os.getuid()


def _file() -> Path | None:
    with suppress(RuntimeError):  # nobody's home
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(home) / "kgrec" / f"plugins-{hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]}.json"
    return None
