"""The ways in which names are written."""

from __future__ import annotations

import re

import polars as pl

from kgrec.text.tokens import UNSPACED

_PARENTHESIS = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_YEAR = re.compile(r"[12]\d{3}")
_ARTICLE = re.compile(
    r"(?P<rest>.+), "
    r"(?P<article>the|a|an|la|le|les|l'|un|une|el|los|las|una|il|lo|i|gli|der|die|das|ein|eine|den|det|de)",
    re.IGNORECASE,
)
_TWO_SCRIPTS = re.compile(rf"(?P<first>\S*[{UNSPACED}]\S*) (?P<second>[^{UNSPACED}]+)")


def name_variants(name: str) -> list[str]:
    """Return the ways in which a title or label is written, itself first.

    >>> name_variants("Matrix, The (1999)")
    ['Matrix, The (1999)', 'Matrix, The', 'The Matrix']
    >>> name_variants("City of Lost Children, The (Cité des enfants perdus, La) (1995)")[-2:]
    ['Cité des enfants perdus, La', 'La Cité des enfants perdus']
    >>> name_variants("127小时 127 Hours")
    ['127小时 127 Hours', '127小时', '127 Hours']
    """
    found = [name]
    bare, others = name, []
    while (match := _PARENTHESIS.search(bare)) and match.start() > 0:
        inside = match.group(1).strip()
        # What else stands in parentheses is a year, a number in a series or a remark such as "film".
        if len(inside.split()) > 1 and not _YEAR.search(inside):
            others.append(inside)
        bare = bare[: match.start()]
    for written in (bare, *reversed(others)):
        found.append(written)
        if match := _ARTICLE.fullmatch(written):
            article = match["article"]
            found.append(f"{article}{'' if article.endswith(chr(39)) else ' '}{match['rest']}")
    if match := _TWO_SCRIPTS.fullmatch(bare):
        found += [match["first"], match["second"]]
    return list(dict.fromkeys(found))


def normal_name(name: pl.Expr) -> pl.Expr:
    """Return what makes two values of a catalogue the same entity: width, case and spaces do not count.

    Punctuation does: C++ is not C#.
    """
    return name.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
