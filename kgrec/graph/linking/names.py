"""Names and texts as sequences of folded tokens, English and Chinese alike.

A token is a run of letters and digits, or a single character of a script that is written without spaces. Matching
whole tokens therefore respects word boundaries where words are spaced, and needs none where they are not.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass

import polars as pl

UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
"""Kana, Han and Hangul: characters that are tokens of their own."""

_TOKEN = re.compile(rf"[{UNSPACED}]|(?:[^\W_{UNSPACED}][\u0300-\u036f]*)+")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
_PARENTHESIS = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_YEAR = re.compile(r"[12]\d{3}")
_ARTICLE = re.compile(
    r"(?P<rest>.+), "
    r"(?P<article>the|a|an|la|le|les|l'|un|une|el|los|las|una|il|lo|i|gli|der|die|das|ein|eine|den|det|de)",
    re.IGNORECASE,
)
_TWO_SCRIPTS = re.compile(rf"(?P<first>\S*[{UNSPACED}]\S*) (?P<second>[^{UNSPACED}]+)")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text.

    Attributes:
        folded: how each token is compared: NFKC, case and Latin accents folded.
        starts, ends: token ``k`` is ``text[starts[k]:ends[k]]``.
    """

    folded: list[str]
    starts: list[int]
    ends: list[int]

    def joined(self) -> tuple[str, list[int]]:
        """Return the tokens as one string, each between two spaces, and where each begins in it.

        The spaces make substring search respect token boundaries: the key of a name is found exactly where all its
        tokens stand one after another.
        """
        offsets = []
        position = 0
        for token in self.folded:
            offsets.append(position)
            position += len(token) + 2
        return "".join(f" {token} " for token in self.folded), offsets


def tokenize(text: str) -> Tokens:
    """Split ``text`` into folded tokens with their positions."""
    matches = list(_TOKEN.finditer(text))
    return Tokens([fold(m.group()) for m in matches], [m.start() for m in matches], [m.end() for m in matches])


def fold(token: str) -> str:
    """Fold width, case and accents of one token, so that ``Ｂｊöｒk`` and ``bjork`` are the same."""
    if token.isascii():
        return token.lower()
    folded = unicodedata.normalize("NFKC", token).casefold()
    if _UNSPACED.search(folded):  # decomposing kana and Hangul would change what they are
        return folded
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(c for c in decomposed if not unicodedata.combining(c) and not c.isspace())


def name_key(name: str) -> str:
    """Return the string under which a name is found in a joined text; empty for a name without letters or digits."""
    return "".join(f" {fold(token)} " for token in _TOKEN.findall(name))


def token_span(offsets: list[int], start: int, end: int) -> tuple[int, int]:
    """Turn a span of a joined text into first and last token (inclusive)."""
    return bisect_left(offsets, start), bisect_left(offsets, end) - 1


def is_unspaced(token: str) -> bool:
    """Say whether a token is a character of a script without spaces."""
    return bool(_UNSPACED.match(token))


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
