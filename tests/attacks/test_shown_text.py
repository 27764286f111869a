"""Texts from outside are shown without what steers, turns or hides; what belongs to a script or an emoji stays."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.shown import visible, without_secrets

BELONGS = [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u06a9\u062a\u0627\u0628\u064e\u200c\u0647\u0627",  # with a vowel sign before the joiner
    "\u0647\u200d",  # the sign of the Hijri year
    "\u0915\u094d\u200d\u0937",  # Hindi, half form
    "\u09b0\u200d\u09cd\u09af\u09be\u09ac",  # Bengali, the joiner before the virama
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
    "\u0e01\u0e32\u0e23\u200b\u0e41\u0e1b\u0e25",  # Thai, a word's end
    "\u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a",  # Khmer
    "\u1820\u180b\u1828",  # Mongolian
    "\u845b\U000e0100\u57ce",  # a Chinese character in one of its forms
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f469\U0001f3fd\u200d\u2695\ufe0f",
    "\U0001f642\u200d\u2194\ufe0f",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "1\ufe0f\u20e3 \u2764\ufe0f \u00a9\ufe0e",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland
    "caf\u00e9 \u6570\u636e \u05e9\u05dc\u05d5\u05dd",
]
HIDES = [
    ("pay\u200bpal", "paypal"),
    ("a\u200db\u200cc", "abc"),
    ("\u202eevil\u202c", "evil"),
    ("\u2066a\u2069\u200f\u200e\u061c", "a"),
    ("co\u00adop\ufeff", "coop"),
    ("x" + "\ufe01\ufe02\U000e0101" * 20, "x"),  # bytes hidden in selectors
    ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "obey"), "hi"),
    ("\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in "say something else"), "\U0001f3f4"),
    ("\u0645\u200c\u200c\u0646", "\u0645\u200c\u0646"),
    ("a\x1b]0;title\x07b\x9b2Jc", "a ]0;title b 2Jc"),
    ("one\r\ntwo\u2028three", "one two three"),
    ("half \ud83d", "half  "),
    ("\u0646\u200c\u180b\u0646", "\u0646\u0646"),  # signs that seem to belong to each other
    ("\U0001f468\u200d\ufe0f", "\U0001f468\ufe0f"),
    ("\u0646\u200d\u180f\u0645", "\u0646\u0645"),
]


@pytest.mark.parametrize("text", BELONGS)
def test_what_belongs_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(("text", "shown"), HIDES)
def test_what_hides_goes(text, shown):
    assert visible(text) == shown


def test_lines_stay_where_they_are_wanted():
    assert visible("a\r\nb\tc\x0bd\u0085e", lines=True) == "a\nb\tc d\ne"


SIGNS = "a\u0645\u0646\u200c\u200d\u200b\ufe0f\u202e\x1b\u2764\U0001f468\u094d\u0915\u180b\u1820 "


@given(st.text(st.characters()) | st.text(st.sampled_from(SIGNS)))
def test_any_text_is_shown_and_shown_once(text):
    shown = visible(text)
    assert visible(shown) == shown
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)
    assert len(shown) <= len(text)
    assert visible(text, lines=True).replace("\n", " ").replace("\t", " ") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@h:80/v1", "http://***@h:80/v1"),
        ("https://token@host", "https://***@host"),
        ("https://h/v1?x=1&access_token=abc#k", "https://h/v1?x=1&access_token=***#k"),
        ("https://h/?Api-Key=abc and more", "https://h/?Api-Key=*** and more"),
        ("postgresql://u:p%40x@db/kg", "postgresql://***@db/kg"),
        ("Authorization: Bearer abc.def.ghi.jkl", "Authorization: Bearer ***"),
        ("Basic Instinct, Bearer of news, key-12345678", "Basic Instinct, Bearer of news, key-12345678"),
        ("https://h/a?monkey=1", "https://h/a?monkey=1"),
        ("mail me@host.org, 3 tokens", "mail me@host.org, 3 tokens"),
    ],
)
def test_secrets_are_not_shown(text, shown):
    assert without_secrets(text) == shown
