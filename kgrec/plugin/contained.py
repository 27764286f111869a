"""What a part of somebody else's plugin does is its own fault: every call into it goes through one wrapper.

The part's class gets a subclass whose public methods say, where they fail, which part of which plugin and version
failed in which method. What it returns is checked where a wrong shape would only be noticed far away. Parts of kgrec
itself are not wrapped.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kgrec.errors import KgrecError, PartError


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose part it is.

    Attributes:
        kind: of part: ``scorer``.
        plugin: name of the plugin.
        version: of its distribution, or empty.
        distribution: what to install to have it, or empty.
    """

    kind: str
    plugin: str
    version: str = ""
    distribution: str = ""

    def named(self, name: str) -> str:
        """Return what errors call the part ``name``."""
        return f"{self.kind} {name!r} of plugin {f'{self.plugin} {self.version}'.rstrip()}"

    def fault(self, name: str, method: str, told: object) -> PartError:
        """Return the error of a part that failed."""
        what = f"{type(told).__name__}: {told}" if isinstance(told, BaseException) else str(told)
        hint = f"tell its author; KGREC_DISABLE={self.plugin} runs kgrec without it"
        return PartError(f"{self.named(name)} failed in {method}: {what}", hint=hint)


_OWNER = "_kgrec_owner"
"""Attribute of a wrapped class that tells whose it is."""


def owner_of(part: object) -> Owner | None:
    """Return whose a part is; None of kgrec's own."""
    found = vars(type(part)).get(_OWNER)
    return found if isinstance(found, Owner) else None


def tracing() -> bool:
    """Whether calls of hooks and parts are told on stderr."""
    return os.environ.get("KGREC_TRACE") == "1"


class _Running(threading.local):
    """The parts that a thread is inside of: calls that a part makes to itself are its own affair."""

    def __init__(self) -> None:
        self.inside: set[tuple[Owner, str]] = set()


_RUNNING = _Running()


@functools.cache
def contained(cls: type[Any], name: str, owner: Owner) -> type[Any]:
    """Return ``cls`` with a subclass around it that says whose fault an error is.

    Args:
        cls: the part's class.
        name: of the part.
        owner: whose it is.
    """
    wrapped: dict[str, Any] = {}
    for attribute in dir(cls):
        if attribute.startswith("_"):
            continue
        found = inspect.getattr_static(cls, attribute)
        if isinstance(found, classmethod | staticmethod):
            wrapped[attribute] = type(found)(_guarded(found.__func__, attribute, name, owner))
        elif isinstance(found, property) and found.fget is not None:
            wrapped[attribute] = property(_guarded(found.fget, attribute, name, owner), found.fset, found.fdel)
        elif inspect.isfunction(found):
            wrapped[attribute] = _guarded(found, attribute, name, owner)
    told = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__, _OWNER: owner}
    try:
        made: type[Any] = types.new_class(cls.__name__, (cls,), exec_body=lambda body: body.update({**wrapped, **told}))
        return made
    except TypeError:  # a class that nobody may inherit from goes without
        return cls


def _guarded(function: Callable[..., Any], method: str, name: str, owner: Owner) -> Callable[..., Any]:
    check = _CHECKS.get((owner.kind, method))

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        with _blamed(method, name, owner) as outermost:
            answer = function(*args, **options)
            if outermost and check is not None and (fault := check(answer, *args[1:], **options)):
                raise owner.fault(name, method, fault)
            return answer

    @functools.wraps(function)
    def stream(*args: Any, **options: Any) -> Iterator[Any]:
        pieces = function(*args, **options)
        while True:
            with _blamed(method, name, owner):
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece

    return stream if inspect.isgeneratorfunction(function) else call


@contextmanager
def _blamed(method: str, name: str, owner: Owner) -> Iterator[bool]:
    """Say of an error whose it is; yields whether this is the outermost call into the part."""
    part = (owner, name)
    if part in _RUNNING.inside:
        yield False
        return
    _RUNNING.inside.add(part)
    begun = time.perf_counter()
    try:
        yield True
    except KgrecError:
        raise
    except Exception as error:
        raise owner.fault(name, method, error) from error
    finally:
        _RUNNING.inside.discard(part)
        if tracing():
            spent = (time.perf_counter() - begun) * 1000
            print(f"{owner.plugin}: {owner.kind} {name}: {method} {spent:.1f} ms", file=sys.stderr)


def _scores(answer: Any, users: Any = None, *_: Any, **__: Any) -> str:
    import numpy as np

    rows = len(users) if users is not None else None
    if not isinstance(answer, np.ndarray) or answer.ndim != 2 or (rows is not None and len(answer) != rows):
        got = answer.shape if isinstance(answer, np.ndarray) else type(answer).__name__
        return f"it returned {got} where an array of shape ({rows}, n_items) belongs"
    return _numbers(answer)


def _scores_of_one(answer: Any, *_: Any, **__: Any) -> str:
    import numpy as np

    if not isinstance(answer, np.ndarray) or answer.ndim != 1:
        return "it returned something else than an array of shape (n_items,)"
    return _numbers(answer)


def _numbers(answer: Any) -> str:
    import numpy as np

    if answer.dtype.kind != "f":
        return f"its scores are {answer.dtype}, not float32"
    return "a score is infinite; NaN stands for what it cannot score" if np.isinf(answer).any() else ""


def _vectors(answer: Any, texts: Any = (), *_: Any, **__: Any) -> str:
    import numpy as np

    if not isinstance(answer, np.ndarray) or answer.ndim != 2 or len(answer) != len(texts):
        return f"it did not return one vector for each of {len(texts)} texts"
    return "" if np.isfinite(answer).all() else "a vector holds NaN or infinity"


def _texts(answer: Any, prompts: Any = (), *_: Any, **__: Any) -> str:
    right = isinstance(answer, list) and len(answer) == len(prompts) and all(isinstance(text, str) for text in answer)
    return "" if right else f"it did not return one text for each of {len(prompts)} requests"


_CHECKS: dict[tuple[str, str], Callable[..., str]] = {
    ("scorer", "score"): _scores,
    ("scorer", "score_new"): _scores_of_one,
    ("text encoder", "encode"): _vectors,
    ("language model", "complete"): _texts,
    ("generator", "write"): _texts,
}
"""Kind of part and method -> what is wrong with an answer, or the empty string; asked with answer and arguments."""
