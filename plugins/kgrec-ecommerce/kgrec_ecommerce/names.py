"""Names of products as people say them."""

from __future__ import annotations

import re

SHORT = 6
"""Words of a name that nobody shortens."""

LONGEST = 7
"""Words of a short name at most."""

_TAIL = re.compile(r"\s*(?:[,;|(\[]|\s[-–—]\s|\b(?:with|for|w|pack of|set of|box of|case of|made)\b).*", re.I | re.S)
_UNITS = re.compile(
    r"(?:[mcn]?m|m?l|[km]?g|lbs?|oz|in|inch(?:es)?|ft|feet|yds?|[wva]|m?ah|pcs?|packs?|per|x)[.\-]*", re.I
)


def short_name(title: str) -> str:
    """Return the words of a long title that name the product: no figures, sizes and packs, nothing behind a comma.

    >>> short_name("HATCHBOX ABS 3D Printer Filament, Dimensional Accuracy +/- 0.03 mm, 1 kg Spool")
    'HATCHBOX ABS Printer Filament'
    >>> short_name("Shepherd Hardware 9782 4-Inch Cast Iron Swivel Plate Caster, 500-lb Load Capacity")
    'Shepherd Hardware Cast Iron Swivel Plate Caster'
    >>> short_name("Soft Wool Scarf, Red")
    'Soft Wool Scarf, Red'
    """
    if len(title.split()) <= SHORT:
        return title
    tail = _TAIL.search(title, 1)
    head = title[: tail.start()] if tail and len(title[: tail.start()].split()) > 1 else title
    kept = [word for word in head.split() if re.search(r"[^\W\d]{2}", word) and not re.search(r"\d", word)]
    kept = [word for word in kept if not _UNITS.fullmatch(word)][:LONGEST]
    while kept and kept[-1].lower() in ("by", "and", "of", "the", "to", "in"):
        kept.pop()
    return " ".join(kept).strip(" .:-") if len(kept) > 1 else title
