"""Texts as words: the one place that says what a word is, in scripts with spaces and without.

A word is a run of letters and digits; Chinese words are told apart by jieba's dictionary where their meaning counts
(:func:`term_table`, :func:`cut`), and taken character by character where a text is searched (:func:`tokenize`).
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from kgrec.languages.language import HAN, every_language

if TYPE_CHECKING:
    import jieba

UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
"""Kana, Han and Hangul: characters that are tokens of their own."""

WORD = r"\p{Han}+|[\p{L}\p{N}--\p{Han}]+(?:['’\-][\p{L}\p{N}--\p{Han}]+)*"
"""A run of Chinese characters, or a word with inner apostrophes and hyphens (the regex crate's syntax)."""

_TOKEN = re.compile(rf"[{UNSPACED}]|(?:[^\W_{UNSPACED}][\u0300-\u036f]*)+")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
_WORD = re.compile(rf"[^\W\d_{HAN}]+(?:['’\-][^\W\d_{HAN}]+)*")
_HAN = re.compile(f"[{HAN}]")
_RUN = re.compile(f"[{HAN}]+")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[\"“„»'A-ZÄÖÜ0-9])|(?<=[。！？；])|\n+")


@cache
def stop_words() -> frozenset[str]:
    """Return the words that say nothing about a taste, whatever language a catalogue is in."""
    return frozenset(word for one in every_language() if one.in_catalogues for word in one.words("stop_words"))


def term_table(texts: Sequence[str] | pl.Series) -> pl.DataFrame:
    """Return the terms of ``texts`` as a table with the columns ``text`` (u32, position) and ``term``, in their order.

    Terms are lower case, without stop words, single Latin letters and bare numbers of fewer than four digits.
    """
    words = (
        pl.DataFrame({"term": pl.Series(texts, dtype=pl.String)})
        .with_columns(text=pl.int_range(pl.len(), dtype=pl.UInt32))
        .with_columns(pl.col("term").str.to_lowercase().str.extract_all(WORD))
        .explode("term")
        .drop_nulls("term")
        .select("text", "term")
    )
    runs = words.filter(pl.col("term").str.contains(r"^\p{Han}")).select("term").unique()
    if runs.height:
        cut_runs = pl.DataFrame(
            {"term": runs["term"], "words": [cut(run) for run in runs["term"].to_list()]},
            schema={"term": pl.String, "words": pl.List(pl.String)},
        )
        words = words.join(cut_runs, on="term", how="left", maintain_order="left").with_columns(
            pl.when(pl.col("words").is_null()).then(pl.concat_list("term")).otherwise(pl.col("words")).alias("words")
        )
        words = words.explode("words").select("text", pl.col("words").alias("term")).drop_nulls()
    term = pl.col("term")
    return words.filter(
        ~term.is_in(list(stop_words())),
        ~term.str.contains(r"^[\p{L}--\p{Han}]$"),
        ~term.str.contains(r"^\p{N}{1,3}$"),
    )


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
    """Split ``text`` into folded tokens with their positions.

    A token is a run of letters and digits, or a single character of a script that is written without spaces. Matching
    whole tokens therefore respects word boundaries where words are spaced, and needs none where they are not.
    """
    matches = list(_TOKEN.finditer(text))
    return Tokens([fold(m.group()) for m in matches], [m.start() for m in matches], [m.end() for m in matches])


@lru_cache(maxsize=100_000)
def fold(token: str) -> str:
    """Fold width, case and accents of one token, so that ``Ｂｊöｒk`` and ``bjork`` are the same."""
    if token.isascii():
        return token.lower()
    folded = unicodedata.normalize("NFKC", token).casefold()
    if _UNSPACED.search(folded):  # decomposing kana and Hangul would change what they are
        return folded
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(c for c in decomposed if not unicodedata.combining(c) and not c.isspace())


@lru_cache(maxsize=100_000)
def name_key(name: str) -> str:
    """Return the string under which a name is found in a joined text; empty for a name without letters or digits."""
    return "".join(f" {fold(token)} " for token in _TOKEN.findall(name))


def plain_tokens(texts: pl.Series) -> pl.DataFrame:
    """Return the tokens of many texts, in Latin letters whatever their script: ``row``, ``token``, ``plain``.

    Each script is transliterated as readers of another one would write it: ``霸王`` is ``ba``, ``wang``.
    """
    from anyascii import anyascii

    pattern = rf"[{UNSPACED}]|[\p{{L}}\p{{N}}\p{{M}}]+"
    found = texts.alias("token").to_frame().with_row_index("row")
    found = found.with_columns(pl.col("token").str.extract_all(pattern)).explode("token").drop_nulls()
    words = found["token"].unique().sort()
    plain = [re.sub(r"\W", "", fold(word if word.isascii() else anyascii(fold(word)))) for word in words.to_list()]
    spelt = pl.DataFrame({"token": words, "plain": pl.Series(plain, dtype=pl.String)})
    return found.join(spelt, on="token", how="left", maintain_order="left").filter(pl.col("plain") != "")


def token_span(offsets: list[int], start: int, end: int) -> tuple[int, int]:
    """Turn a span of a joined text into first and last token (inclusive)."""
    return bisect_left(offsets, start), bisect_left(offsets, end) - 1


def is_unspaced(token: str) -> bool:
    """Say whether a token is a character of a script without spaces."""
    return bool(_UNSPACED.match(token))


def words(text: str) -> list[str]:
    """Return the words in Latin and other letters, without Chinese.

    >>> words("It's a well-made 影片, 2 hours")
    ["It's", 'a', 'well-made', 'hours']
    """
    return _WORD.findall(text)


def han(text: str) -> int:
    """Count the Chinese characters."""
    return len(_HAN.findall(text))


def sentences(text: str) -> list[str]:
    """Split a text after its full stops.

    >>> sentences("Made by J. Doe. It runs. 好看。真的！")
    ['Made by J.', 'Doe.', 'It runs. 好看。', '真的！']
    """
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def cut(text: str) -> list[str]:
    """Cut a Chinese text into words."""
    found: list[str] = chinese_tokeniser().lcut(text)
    return found


def tagged(text: str) -> list[tuple[str, str]]:
    """Cut a Chinese text into words with their parts of speech, by the dictionary alone."""
    return [(pair.word, pair.flag) for pair in _tagger().lcut(text, HMM=False)]


def tagged_names(text: str, tags: tuple[str, ...], shortest: int) -> list[tuple[int, str]]:
    """Return the words of some parts of speech and where they begin; runs that hold none of them are not cut."""
    found, names = [], _dictionary(tags, shortest)
    for run in _RUN.finditer(text):
        if next(names.iter(run[0]), None) is not None:
            at = run.start()
            for word, tag in tagged(run[0]):
                if tag.startswith(tags) and len(word) >= shortest:
                    found.append((at, word))
                at += len(word)
    return found


@cache
def _dictionary(tags: tuple[str, ...], shortest: int) -> Any:
    """Return an automaton that finds the dictionary's words of some parts of speech."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word, tag in _tagger().word_tag_tab.items():
        if tag.startswith(tags) and len(word) >= shortest:
            automaton.add_word(word, word)
    automaton.make_automaton()
    return automaton


@cache
def _tagger() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old escape sequences
        import jieba.posseg

    return jieba.posseg.POSTokenizer(chinese_tokeniser())


@cache
def chinese_tokeniser() -> jieba.Tokenizer:
    """Return a Chinese tokeniser that reads jieba's dictionary itself.

    ``Tokenizer.initialize`` would log, and keep a marshalled copy in the machine's shared temporary folder, which
    anybody could replace.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources and of old escape sequences
        import jieba

    tokeniser = jieba.Tokenizer()
    tokeniser.FREQ, tokeniser.total = tokeniser.gen_pfdict(tokeniser.get_dict_file())
    tokeniser.initialized = True
    return tokeniser
