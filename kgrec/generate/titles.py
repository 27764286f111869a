"""How a title of the catalogue is written in running text."""

from __future__ import annotations

import re

from kgrec.generate.screening import plain
from kgrec.graph.linking.names import name_variants

# "Return of Martin Guerre, The (Retour de Martin Guerre, Le)"
_OTHER_TITLE = re.compile(r"(.+, \S{1,3}) \([^()]+\)")
_LAST_STOP = re.compile(r"(?:(?<=\w{3})|(?<=\d)|(?<=[)\]!?]))(?<!Inc)(?<!etc)(?<!Ltd)\.$")
_YEAR = re.compile(r"\s*[(（][12]\d{3}[)）]\s*$")
_LONG = 8
_TAIL = re.compile(r"\s*(?:[,;|(\[]|\s[-–—]\s).*", re.S)


def short(title: str) -> str:
    """Return a product's name without the figures that shops put behind it; the title itself where there are none.

    >>> short("HATCHBOX ABS 3D Printer Filament, Dimensional Accuracy +/- 0.03 mm, 1 kg"), short("Fire, Walk With Me")
    ('HATCHBOX ABS 3D Printer Filament', 'Fire, Walk With Me')
    """
    tail = _TAIL.search(title)
    head = title[: tail.start()].rstrip() if tail else title
    wordy = len(title.split()) > _LONG and len(head.split()) > 1
    return head if tail and wordy and re.search(r"\d", tail[0]) else title


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
