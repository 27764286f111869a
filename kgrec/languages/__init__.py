"""Languages: packs of data, a folder each, in which texts and reasons are written.

A pack is ``language.toml`` (see :class:`kgrec.languages.language.Language`), ``guards.toml`` (how sentences of the
language claim things, see :mod:`kgrec.generate.guards.patterns`), lists of words and phrases (``stop_words.txt``,
``style.txt``...), the phrases of the generic kinds of text and their prompts. Another folder is another language: no
code names one. This file alone is read at every start of the command line, so it imports little.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

DEFAULT = "en"
"""The language of what has no wording in the one asked for: labels of relations, verbs, settings left out."""


def _files() -> Traversable:
    from importlib.resources import files

    return files(__name__)


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of the languages there are, in their order."""
    folders = _files().iterdir()
    return tuple(sorted(folder.name for folder in folders if folder.joinpath("language.toml").is_file()))


@cache
def read(code: str, path: str) -> str:
    """Return a file of a pack; empty where it has none."""
    file = _files().joinpath(code, *path.split("/"))
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def table(code: str, path: str) -> dict[str, Any]:
    """Return a TOML file of a pack."""
    return tomllib.loads(read(code, path))
