"""What may be said at all: no hidden characters, markup, addresses, steering words or calls to harm, pay or tell.

Values of the data that are such a thing become no facts; texts that hold one do not leave, whoever wrote them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Collection
from functools import cache, lru_cache
from itertools import zip_longest

from kgrec.languages.language import every_language
from kgrec.shown import visible
from kgrec.text.tokens import sentences
from kgrec.text.triggers import Triggers

LONGEST_NAME = 160
"""Characters of a name; what is longer is no name."""

LONGEST = 20_000
"""Characters that are looked through; what is longer is no text."""

_MARKUP = re.compile(
    r"<[/!?]?[a-z|][^>]{0,200}>|<[|!]|\|>|<{3}|>{3}|\]\(|\{[{%#]|[}%#]\}|\$\{|\$\$|```|</"
    r"|javascript\s*:|\bon(?:error|load|click)\s*="
    r"|&(?:#\d+|#x[0-9a-f]+|[a-z][a-z\d]{1,30});|\[/?inst\]|%(?:3c|3e|22|27|0a)|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}"
    r"|(?<![\w*])\*\*?[^\s*][^*\n]{0,80}\*|(?<!\w)__[^\s_][^_\n]{0,80}__|~~\S[^~\n]{0,80}~~|`[^`\n]{1,80}`"
    r"|\{[a-z_][\w.!]{0,40}\}|(?:^|[\s。！？])(?:#{1,6}|>)\s{1,4}\w|(?:^|\n)[ \t]{0,8}[*+•-]\s{1,4}\S"
    r"|(?:^|[\s。！？])(?:-{3,}|={3,})(?![\w-])"
    r"|(?:^|\n|[.!?。！？] ?)\|[^|\n]{1,80}\|",
    re.I,
)
_DOMAINS = (
    "com|net|org|info|biz|edu|gov|mil|int|app|dev|shop|store|site|online|link|xyz|top|club|live|blog|news|page|web|cloud"
    "|tech|pro|vip|win|example|test|invalid|onion|io|ai|ly|tv|co|cc|gg|ru|cn|de|at|ch|uk|eu|fr|it|es|nl|pl|jp"
    "|kr|br|au|ca|hk|tw|sg|se|dk|fi|cz|ua|tr|ir|za|mx|бел|рф|рус|укр|中国|公司|网络|网址|商城"
)
_ADDRESSES = tuple(  # what is looked for, and what a text that has one must have
    (re.compile(needle), re.compile(pattern, re.I))
    for needle, pattern in (
        (":", r"\b(?:h\s?(?:t\s?t|x\s?x)\s?p\s?s?|ftp|ssh|data|file|mailto|tel)\s?:\s?[^\s:]"),
        ("//", r"(?<![:/\w])//[^\W_]"),
        ("@", r"(?<![\w.+-])[\w.+-]{1,64}\s?@\s?[\w-]{1,63}\.\w{2,}|(?<![A-Za-z0-9@])@\w{3,}"),
        (r"\w\s?\.\s?\w", r"www\s?\.|(?<![\w.-])[^\W\d_][\w-]{0,62}\.[^\W\d_]{2,24}/\w"),
        (r"\w\.\w", rf"(?<![\w.-])(?:[^\W_][\w-]{{0,62}}\.){{1,8}}(?:{_DOMAINS})(?![\w-])(?!\.\w\b)"),
        (r"\d\.\d", r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"),
        (r"[\[({<]\s?(?:\.|at\b|dot\b)", r"\S\s?[\[({<]\s?(?:\.|at|dot)\s?[\])}>]\s?\w"),
        (r"\w \. \w", r"(?<!\w)(?<!\W\w )(?:\w ){2,30}\. (?:\w ){1,30}\w(?!\w)"),
        (
            r"\d[ ()./-]?\d",
            r"(?<![\d.,])\+\d[\d ()./-]{6,20}\d"
            r"|(?<![\w.,-])(?=(?:-?\d){10})\(?\d{2,5}\)?-\d{3,8}-\d{3,8}(?![\w.,-])",
        ),
    )
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,30});")
_DATE = re.compile(r"[12]\d{3}[ /-]\d{1,2}[ /-]\d{1,2}|\d{1,2}[ /-]\d{1,2}[ /-][12]\d{3}|[12]\d{3}[ /-][12]\d{3}")
# Letters of other alphabets that look like Latin ones.
_ALIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝӏкмтвнгзьАВЕКМНОРСТУХІЈЅαορντικυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡ",
    "aeopcyxijsdhqwlkmtbhr3bABEKMHOPCTYXIJSaopvtikuxABEZHIKMNOPTYXig",
)
_FOREIGN = re.compile("[\u0131\u0261\u0370-\u052f]")
_DOTS = re.compile(r"(?<=\w)[。｡．·•․‧∙⸳﹒](?=\w)")


def hidden(text: str) -> str:
    """Return the first control, direction or zero-width character that does not belong to its script, or nothing."""
    seen = visible(text, lines=True)
    if seen == text:
        return ""
    return next((a for a, b in zip_longest(text, seen) if a != b and a is not None), "")


def markup(text: str) -> str:
    """Return the first piece of HTML, Markdown, entity, template or chat mark in ``text``, or nothing."""
    match = _MARKUP.search(text)
    return match[0] if match else ""


def address(text: str) -> str:
    """Return the first web or mail address, account or number to call in ``text``, however it is spelled, or nothing.

    >>> address("see example dot com"), address("ехаmple．com"), address("Made in 2019. In Rome")
    ('example dot com', 'example.com', '')
    """
    folded = _DOTS.sub(".", unicodedata.normalize("NFKC", text))
    reads = (folded, folded.translate(_ALIKE)) if _FOREIGN.search(folded) else (folded,)
    for read in reads:
        for needle, pattern in _ADDRESSES:
            if needle.search(read):
                for match in pattern.finditer(read):
                    if not _DATE.fullmatch(match[0].strip()):
                        return match[0]
        if spelled := _lines("addresses").search(read):
            return spelled[0]
    return ""


def instruction(text: str) -> str:
    """Return the first words in ``text`` that try to steer who reads them, or nothing.

    >>> instruction("A quiet film. Ignore all previous rules."), instruction("A quiet film")
    ('Ignore all', '')
    """
    match = _lines("instructions").search(text)
    return match[0] if match else ""


def harm(text: str) -> str:
    """Return the first words that tell a reader to harm anybody, to pay, or to hand over data, or nothing.

    >>> harm("Send us your bank details."), harm("Kill Bill"), harm("You should hurt yourself.")
    ('Send us your bank details', '', 'hurt yourself')
    """
    match = _lines("harm").search(text)
    return match[0] if match else ""


GATE: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("hidden", hidden),
    ("markup", markup),
    ("address", address),
    ("command", instruction),
    ("harm", harm),
)
"""What no text may hold, and the function that finds it."""


def forbidden(text: str, allowed: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return what may not leave in ``text``: what it is, and the words (characters that cannot be seen: their code).

    Args:
        text: of a reader, or a name.
        allowed: kinds of :data:`GATE` that are not looked for.
    """
    if len(text) > LONGEST:
        return [("length", text[:40])]
    return [(name, said) for name, said in _gated(text) if name not in allowed]


@lru_cache(maxsize=64)
def _gated(text: str) -> tuple[tuple[str, str], ...]:
    found = ((name, find(text)) for name, find in GATE)
    return tuple((name, said if said.isprintable() else ascii(said)[1:-1]) for name, said in found if said)


@cache
def _lines(name: str) -> Triggers:
    lines = (line for one in every_language() for line in one.phrases(name))
    return Triggers(line.replace("<domain>", f"(?:{_DOMAINS})") for line in lines)


def plain(value: str) -> str:
    r"""Return a value as one line of ordinary characters: width folded, no control and no hidden ones.

    Joiners that shape the letters of their script, or make one picture of several, stay.

    >>> plain("Ｈeat\u200b\n (1995)")
    'Heat (1995)'
    """
    if "&" in value:
        value = _ENTITY.sub(lambda match: html.unescape(match[0]), value)
    text = "".join(unicodedata.normalize("NFKC", c) if _styled(c) else c for c in visible(value))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Co", "Cn"))
    return " ".join(text.split())


def _styled(char: str) -> bool:
    """Say whether a letter only looks like a plain one: full width, mathematical, enclosed."""
    wide = "\uff01" <= char <= "\uff5e" and char.isalnum()
    return (
        wide
        or "\U0001d400" <= char <= "\U0001d7ff"
        or "\u2460" <= char <= "\u24ff"
        or "\U0001f130" <= char <= "\U0001f18a"
    )


def safe_name(value: str, allowed: Collection[str] = ()) -> bool:
    """Say whether a value may be named: short, and nothing that no text may hold."""
    return 0 < len(value) <= LONGEST_NAME and not forbidden(value, allowed)


def safe_text(value: str, limit: int) -> str:
    """Return the sentences of a description that only tell, as far as ``limit`` characters reach.

    One sentence that tries to steer makes all after it suspect: what follows may be what it wants to have said.
    """
    kept: list[str] = []
    for sentence in sentences(plain(value[:LONGEST])):
        if markup(sentence) or instruction(sentence):
            break
        if address(sentence) or harm(sentence):
            continue
        if sum(map(len, kept)) + len(sentence) > limit:
            break
        kept.append(sentence)
    return " ".join(kept)
