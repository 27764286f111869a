"""The errors kgrec raises on purpose, each with an exit code and a hint.

    KgrecError                  1
    ├── UsageError              2   the command line itself is wrong
    │   └── ConfigError         2   kgrec.toml or --set holds something that cannot be used
    ├── UserError               3   a name that is not there: user, item, entity, file
    │   ├── NotFoundError       3   ... with the nearest names as the hint
    │   ├── WorkspaceError      3   the workspace is missing, locked, or not far enough
    │   ├── ConsentError        3   the workspace wants something that the user has not allowed
    │   └── PluginError         3   a plugin breaks the contract
    │       └── PartError       3   ... in a part that was used
    ├── MissingExtraError       4   an optional package has to be installed
    ├── DataError               5   a file is there but cannot be used
    │   ├── CorruptArtifactError 5  something in the workspace is damaged
    │   └── StorageError        5   the disk is full or read-only
    ├── ClusterError            1   workers elsewhere cannot be had, or are gone
    ├── ModelError              1   a language model did not answer, or answered rubbish
    └── GuardRefusedError       6   a guard refused a text

Only ``kgrec.cli.app`` turns these into text and an exit code; everything else lets them pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class KgrecError(Exception):
    """Base of all errors that a person can do something about.

    >>> error = KgrecError("no such shop", hint="kgrec init makes one")
    >>> error.message, error.hint, error.exit_code
    ('no such shop', 'kgrec init makes one', 1)
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KgrecError):
    """The command line is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """kgrec.toml or ``--set`` holds an unknown key or an unusable value."""


class UserError(KgrecError):
    """Something that was asked for is not there."""

    exit_code = 3


class NotFoundError(UserError):
    """A user, item, entity, scorer... of that name does not exist."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], *, where: str = "") -> NotFoundError:
        """Build the error with the names nearest to ``name`` as its hint."""
        place = f" in {where}" if where else ""
        return cls(f"unknown {kind} {name!r}{place}", hint=did_you_mean(name, known))


class WorkspaceError(UserError):
    """The folder is no workspace, is locked by another process, or lacks a stage."""


class ConsentError(UserError):
    """A workspace wants to reach a host, use a secret or read a file outside of it, and the user has not allowed it."""


class PluginError(UserError):
    """A plugin breaks the contract: misspelt hook, clash of names, wrong type."""


class PartError(PluginError):
    """A part of a plugin failed while it was used; what can go on without it does."""


class MissingExtraError(KgrecError):
    """An optional dependency is not installed."""

    exit_code = 4

    @classmethod
    def of(cls, feature: str, extra: str) -> MissingExtraError:
        """Name the extra that brings what ``feature`` needs."""
        return cls(f"{feature} needs packages that are not installed", hint=f"pip install 'kgrec[{extra}]'")


class DataError(KgrecError):
    """A file is there but its content cannot be used."""

    exit_code = 5


class CorruptArtifactError(DataError):
    """An artifact of the workspace is damaged or half written."""


class StorageError(DataError):
    """The disk is full, read-only, or otherwise refuses to store."""


class ClusterError(KgrecError):
    """Workers cannot be had, or are gone; what was published stands."""


class ModelError(KgrecError):
    """A language model did not answer: no connection, a refused key, rubbish instead of text. Never holds a secret."""


class GuardRefusedError(KgrecError):
    """A guard refused a generated text and no fallback was allowed."""

    exit_code = 6


_POOL = 20_000
"""How many names ``difflib`` may look at: it takes about 20 microseconds for each."""


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 3) -> str | None:
    """Return a hint naming the known names nearest to ``name``, or a few that exist.

    Large vocabularies are narrowed by shared prefix first: ``difflib`` on a million ids would take minutes.
    """
    names = [str(k) for k in known]
    if not names:
        return None
    pool = names
    for length in range(1, len(name) + 1):
        narrower = [k for k in pool if k[:length] == name[:length]] if len(pool) > _POOL else []
        if not narrower:
            break
        pool = narrower
    pool = pool[:_POOL]
    near = difflib.get_close_matches(name, pool, n=limit, cutoff=0.5)
    if not near:
        folded = {k.casefold(): k for k in pool}
        near = [folded[k] for k in difflib.get_close_matches(name.casefold(), folded, n=limit, cutoff=0.5)]
    if near:
        return "did you mean " + " or ".join(repr(k) for k in near) + "?"
    shown = ", ".join(repr(k) for k in names[:limit])
    return f"known are for example {shown}" if len(names) > limit else f"known: {shown}"
