"""Hashed words and character n-grams: a text encoder without a model.

Each feature of a text is hashed to a column and a sign (Weinberger et al., *Feature Hashing for Large Scale Multitask
Learning*, ICML 2009, arXiv:0902.2206); counts are damped by ``log(1 + n)`` and rows scaled to unit length. Words carry
the meaning of languages with spaces, character n-grams that of Chinese and of inflected forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array

from kgrec.plugin.options import Configured, Options
from kgrec.text.tokens import chinese_tokeniser
from kgrec.types import Vectors

WORD = re.compile(r"[^\W_]+")
CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
"""Ranges of characters that are written without spaces (and Hangul), for use inside a regular expression's brackets."""

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")

Features = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.float64]]
"""Of each feature of a text: where its first character stands, its hash, its weight; shape ``(e,)`` each."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


class HashingOptions(Options):
    """Options of the encoder ``hashing``, ``[text.options]``."""

    dim: int = Field(512, ge=1, description="length of a vector; more means fewer collisions")
    ngrams: Sequence[Annotated[int, Field(ge=1)]] = Field(
        (1, 2, 3), description="lengths of character n-grams, taken over the text with single spaces between words"
    )
    word_weight: float = Field(2.0, ge=0, description="weight of a word against a character n-gram")
    seed: int = Field(0, ge=0, description="of the hash; vectors of different seeds cannot be compared")


class HashingEncoder(Configured):
    """Encode texts by hashing words and character n-grams."""

    Options = HashingOptions
    options: HashingOptions

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.options.dim

    @property
    def fingerprint(self) -> str:
        """Name of the method and all its options."""
        grams = ".".join(map(str, self.options.ngrams))
        return f"hashing-1-d{self.dim}-g{grams}-w{self.options.word_weight:g}-s{self.options.seed}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 ``(n, dim)``, unit rows, zero rows for texts without a letter or digit.

        Works on the code points of all texts at once, in blocks that bound the memory.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        cleaned = [_clean(text) for text in texts]
        ends = np.cumsum([len(text) for text in cleaned], dtype=np.int64)
        start = 0
        while start < len(cleaned):
            before = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + 1_000_000, side="right")))
            vectors[start:stop] = self._encode_block(cleaned[start:stop])
            start = stop
        return vectors

    def terms(self, text: str) -> tuple[list[str], Vectors]:
        """Return the words of a text, each once, and vectors of shape ``(t, dim)`` that sum to its vector.

        A run of characters counts for the word that it starts in; what a feature that occurs several times adds is
        shared equally by its occurrences.
        """
        cleaned = _clean(text)
        codes, rows = _code_points([cleaned])
        starts, hashes, weights = self._features(codes, rows)
        words, word = _words_at(cleaned)
        _, feature, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        times = counts[feature]
        cells = (word[starts], self._columns(hashes))
        values = _signs(hashes) * weights * np.log1p(times) / times
        dense = coo_array((values, cells), shape=(len(words), self.dim)).toarray()
        norm = np.linalg.norm(dense.sum(axis=0))
        return words, (dense / norm if norm > 0 else dense).astype(np.float32)

    def _encode_block(self, texts: list[str]) -> Vectors:
        codes, rows = _code_points(texts)
        starts, hashes, weight = self._features(codes, rows)
        row = rows[starts]
        # The same feature of the same text counts once, damped.
        order = np.lexsort((hashes, row))
        row, hashes, weight = row[order], hashes[order], weight[order]
        first = np.ones(len(row), dtype=bool)
        first[1:] = (row[1:] != row[:-1]) | (hashes[1:] != hashes[:-1])
        starts = np.flatnonzero(first)
        counts = np.diff(np.append(starts, len(row)))
        row, hashes, weight = row[starts], hashes[starts], weight[starts]
        values = weight * np.log1p(counts) * _signs(hashes)
        dense = coo_array((values, (row, self._columns(hashes))), shape=(len(texts), self.dim)).toarray()
        norms = np.linalg.norm(dense, axis=1, keepdims=True)
        unit: Vectors = np.divide(dense, norms, out=np.zeros_like(dense), where=norms > 0).astype(np.float32)
        return unit

    def _columns(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (hashes % np.uint64(self.dim)).astype(np.int64)

    def _features(self, codes: NDArray[np.uint64], rows: NDArray[np.int64]) -> Features:
        """Return where each feature starts, its hash and its weight."""
        parts = [self._grams(codes, rows, n) for n in self.options.ngrams]
        parts.append(self._words(codes, rows))
        starts, hashes, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        return starts, hashes, weights

    def _grams(self, codes: NDArray[np.uint64], rows: NDArray[np.int64], n: int) -> Features:
        """Return the features of every run of ``n`` characters that lies in one text."""
        size = max(len(codes) - n + 1, 0)
        hashes = np.full(size, _mix(np.uint64(self.options.seed * 64 + n)), dtype=np.uint64)
        for k in range(n):
            hashes = _mix(hashes ^ codes[k : k + size])
        inside = rows[:size] == rows[n - 1 : n - 1 + size]
        if n == 1:
            inside &= codes[:size] != 32  # single letters say little, single Chinese characters much
            inside &= codes[:size] > 0x2E80
        return np.flatnonzero(inside), hashes[inside], np.ones(int(inside.sum()))

    def _words(self, codes: NDArray[np.uint64], rows: NDArray[np.int64]) -> Features:
        """Return the features of every word.

        A word's hash is the sum of its characters' hashes, each mixed with its position in the word, so that
        words of all lengths are hashed at once.
        """
        is_letter = codes != 32
        starts = is_letter.copy()
        starts[1:] &= ~is_letter[:-1] | (rows[1:] != rows[:-1])
        if not starts.any():
            return np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0)
        first = np.flatnonzero(starts)
        word = np.cumsum(starts) - 1
        offset = (np.arange(len(codes)) - first[np.maximum(word, 0)]).astype(np.uint64)
        mixed = _mix(codes ^ _mix(offset + np.uint64(self.options.seed * 64 + 32)))
        mixed[~is_letter] = 0
        hashes = _mix(np.add.reduceat(mixed, first))
        return first, hashes, np.full(len(first), self.options.word_weight)


def _signs(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.where(hashes >> np.uint64(63), 1.0, -1.0)


def _words_at(cleaned: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the different words of a cleaned text, and which of them each character belongs to.

    Chinese runs are cut by a dictionary. A space belongs to the word behind it.
    """
    pieces: list[str] = []
    lengths: list[int] = []
    for k, word in enumerate(cleaned.split()):
        cut = chinese_tokeniser().lcut(word) if HAN.search(word) else [word]
        pieces += cut
        lengths += [len(cut[0]) + (k > 0), *(len(piece) for piece in cut[1:])]
    words = list(dict.fromkeys(pieces))
    number = {word: k for k, word in enumerate(words)}
    return words, np.repeat(np.array([number[piece] for piece in pieces], dtype=np.int64), lengths)


def _clean(text: str) -> str:
    """Return the words of ``text``, folded (NFKC, case, accents kept) with one space between them."""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _code_points(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return all characters of ``texts`` one after the other and the text each belongs to."""
    lengths = [len(text) for text in texts]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    return codes, np.repeat(np.arange(len(texts), dtype=np.int64), lengths)


def _mix(values: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers (the finaliser of splitmix64, Steele et al., OOPSLA 2014); overflow wraps."""
    z = np.atleast_1d(np.asarray(values, dtype=np.uint64)) + _MIX
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed
