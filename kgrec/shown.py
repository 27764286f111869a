"""What of a text from outside may be shown: characters that a reader sees, and no secrets.

A name of the data, an answer of a model or a line of a stranger's kgrec.toml may hold signs that steer a terminal, turn
the direction of all that follows, or hide words between letters. Every place that shows or tells such a text passes it
through :func:`visible`; addresses and messages pass through :func:`without_secrets` as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape

# Control characters, line separators, halves of pairs and what is no character; then all that Unicode says may be
# ignored (Default_Ignorable_Code_Point, https://www.unicode.org/reports/tr44/) and the marks of interlinear notes.
_STEERING = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SUSPECT = re.compile(f"[{_STEERING}{_UNSEEN}]")
_IGNORED = re.compile(f"[{_UNSEEN}]")
_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_SUBDIVISION = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
"""Flag of a country's part: a black flag with its code in tags."""

_VIRAMA = 9
"""Combining class of the sign that takes a letter its vowel: joiners beside it choose the form of the pair."""
_CURSIVE = re.compile(
    "[\u0620-\u074a\u0750-\u0777\u07ca-\u07ea\u0840-\u0855\u0860-\u08c9\u1807\u1820-\u18aa\ua840-\ua873\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010ac0-\U00010aff\U0001e900-\U0001e943]"
)
"""Letters that join: Arabic and its kin (Syriac, N'Ko, Mandaic), Mongolian, Phags-pa, Manichaean, Adlam."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\uaa60-\uaadf]")
"""Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Tai): an invisible one may end a word."""
_HAN = re.compile("[\u2e80-\u2fdf\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_ARROWS = "\u2194\u2195"  # are mathematical signs, and part of emoji nevertheless
_ALSO_EMOJI = f"{_ARROWS}\u203c\u2049\u2139\u3030"


def visible(text: object, *, lines: bool = False) -> str:
    r"""Return what a reader sees of a text: nothing that steers, turns or hides.

    Control characters become spaces; marks of direction and invisible characters go, but for those that belong where
    they stand: joiners within words of scripts that join (Persian, Hindi) and within emoji of several people, the
    selector of a form behind an emoji or a Chinese character, the tags of a flag, the end of a word in Thai or Khmer.

    Args:
        text: whatever; what is no text is written as one.
        lines: keep tabs and line breaks, all as ``\n``.

    >>> visible("a\x1b[2Jb\u202ec\u200bd"), visible("\u0646\u0645\u06cc\u200c\u0634\u0648\u062f")
    ('a [2Jbcd', '\u0646\u0645\u06cc\u200c\u0634\u0648\u062f')
    """
    told = str(text)
    if not _SUSPECT.search(told):
        return told
    told = _LINE_ENDS.sub("\n", told)
    kept: list[str] = []
    at = 0
    while at < len(told):
        char = told[at]
        at += 1
        if not _SUSPECT.match(char):
            flag = _SUBDIVISION.match(told, at - 1) if char == "\U0001f3f4" else None
            kept.append(flag[0] if flag else char)
            at = flag.end() if flag else at
        elif not _IGNORED.match(char):
            kept.append(char if lines and char in "\n\t" else " ")
        elif _belongs(char, _letter_before(kept), kept[-1] if kept else "", told[at : at + 1]):
            kept.append(char)
    return "".join(kept)


def _letter_before(kept: list[str]) -> str:
    """Return the last letter, past the marks on it."""
    return next((char for char in reversed(kept[-8:]) if not unicodedata.combining(char[0])), "")


def _belongs(sign: str, letter: str, before: str, after: str) -> bool:
    """Say whether an invisible sign does something where it stands."""
    near = [unicodedata.combining(char) for char in (before[:1], after) if char]
    joins = _CURSIVE.match(letter) is not None, _CURSIVE.match(after) is not None
    if sign == "\u200c":
        return all(joins) or _VIRAMA in near
    if sign == "\u200d":
        alone = joins[0] != joins[1] and not _IGNORED.match(after)  # what is ignored goes, and shows what it hid
        return alone or _VIRAMA in near or (_is_emoji(before) and after != "\ufe0f" and _is_emoji(after))
    if sign == "\u200b":
        return bool(_UNSPACED.match(before) and _UNSPACED.match(after))
    if sign in "\ufe0e\ufe0f":
        return after == "\u20e3" or (before != "\ufe0f" and _is_emoji(before))
    if "\ufe00" <= sign < "\ufe0e" or "\U000e0100" <= sign <= "\U000e01ef":
        return _HAN.match(before) is not None
    return "\u180b" <= sign <= "\u180f" and "\u1807" <= before <= "\u18aa"


def _is_emoji(char: str) -> bool:
    if not char:
        return False
    return char in _ALSO_EMOJI or char == "\ufe0f" or unicodedata.category(char[-1]) == "So" or bool(_SKIN.match(char))


_NAMED = r"(?:api[_-]?key|apikey|access[_-]?key|auth|authorization|key|token|secret|sig|signature|password|passwd|pwd)"
_SECRETS = (
    (re.compile(r"(?<=://)[^/?#@\s'\"]+(?=@)"), "***"),  # user:password@ of an address
    (re.compile(rf"([?&;#](?:[\w.-]*[_.-])?{_NAMED}=)[^&;#\s'\"]+", re.I), r"\1***"),
    (re.compile(r"\bBearer\s+[\w.~+/-]{12,}=*"), "Bearer ***"),
)


def without_secrets(text: str) -> str:
    """Return a text without passwords and keys inside of addresses, and without keys of headers.

    >>> without_secrets("https://me:pass@host/v1?api_key=abc&n=3")
    'https://***@host/v1?api_key=***&n=3'
    """
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]], above: str = "") -> str:
    """Return a table for notebooks; every text in it is escaped.

    >>> html_table(["a"], [["<b>"]], "x & y")
    '<p>x &amp; y</p><table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    titles = "".join(f"<th>{escape(visible(name))}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(visible(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    told = f"<p>{escape(visible(above))}</p>" if above else ""
    return f"{told}<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
