"""What an item is called in running text: its title without what only catalogues write, and short enough."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from kgrec.errors import PluginError
from kgrec.graph.linking import name_variants
from kgrec.text.sanitize import plain

# "Return of Martin Guerre, The (Retour de Martin Guerre, Le)"
_OTHER_TITLE = re.compile(r"(.+, \S{1,3}) \([^()]+\)")
_LAST_STOP = re.compile(r"(?:(?<=\w{3})|(?<=\d)|(?<=[)\]!?]))(?<!Inc)(?<!etc)(?<!Ltd)\.$")
_YEAR = re.compile(r"\s*[(（][12]\d{3}[)）]\s*$")


@lru_cache(maxsize=50_000)
def display(title: str) -> str:
    """Write a title as in running text: without the year, the article in front, no full stop after its last word.

    >>> display("Matrix, The (1999)"), display("霸王别姬 (1993)"), display("Slides with Case."), display("E.T.")
    ('The Matrix', '霸王别姬', 'Slides with Case', 'E.T.')
    """
    bare = _LAST_STOP.sub("", _YEAR.sub("", plain(title)))
    if (doubled := _OTHER_TITLE.fullmatch(bare)) and len(name_variants(doubled[1])) > 1:
        bare = doubled[1]
    variants = name_variants(bare)
    return variants[1] if len(variants) == 2 and re.search(r", \S+$", bare) else bare


@cache
def shortener(target: str | None) -> Callable[[str], str]:
    """Return the function of a domain that shortens titles, see :class:`kgrec.plugin.domain.Domain`; None: none does.

    Raises:
        PluginError: there is no such function.
    """
    if target is None:
        return str
    module, _, name = target.partition(":")
    try:
        found: Callable[[str], str] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{target!r} cannot be loaded: {error}", hint="package.module:function") from None
    return found


def short(name: str, longest: int, aliases: Sequence[str] = ()) -> str:
    """Return a name of so many characters at most: the longest alias that fits, else its first words.

    >>> short("The Long Good Friday Revisited", 16), short("Heat", 16)
    ('The Long Good…', 'Heat')
    """
    if len(name) <= longest:
        return name
    fitting = [alias for alias in aliases if 3 < len(alias) <= longest]
    if fitting:
        return max(fitting, key=len)
    longest = max(longest, 8)
    if len(name) <= longest:
        return name
    cut = name[: longest - 1]
    words = cut.rsplit(" ", 1)[0] if " " in cut.strip() and name[longest - 1] != " " else cut
    return f"{words.rstrip(' ,.;:-–—(')}…"
