"""The contract of a text encoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from kgrec.plugin.protocols import LinearEncoder, TextEncoder
from kgrec.testing.contract import Contract, untouched_random_state
from kgrec.types import Vectors

TEXTS: Mapping[str, tuple[str, str, str]] = {
    "en": (
        "A crew of astronauts flies a space ship to a distant planet",
        "Astronauts travel by space ship to a new planet",
        "How to bake sourdough bread with butter at home",
    ),
    "zh": ("宇航员驾驶飞船前往遥远的星球", "一艘飞船载着宇航员飞向新的星球", "在家用黄油烤面包的方法"),
}
"""By language: a text, one of the same meaning that shares words with it, and one of another meaning."""


class TextEncoderContract(Contract):
    """What every text encoder must keep.

    Attributes:
        languages: for which it must place similar texts nearer than others: ``en``, ``zh``.
        atol: how near vectors must be that ought to be the same.
    """

    languages: ClassVar[tuple[str, ...]] = ("en",)
    atol: ClassVar[float] = 1e-4
    _made: ClassVar[dict[type, TextEncoder]] = {}

    @abstractmethod
    def make(self) -> TextEncoder:
        """Return a new encoder."""

    def encoder(self) -> TextEncoder:
        """Return an encoder, made once a class: loading a model takes time."""
        if type(self) not in self._made:
            self._made[type(self)] = self.make()
        return self._made[type(self)]

    def test_is_an_encoder(self) -> None:
        """It has the members of the protocol."""
        encoder = self.encoder()
        assert isinstance(encoder, TextEncoder)
        assert isinstance(encoder.dim, int)
        assert encoder.dim > 0

    def test_terms_sum_to_the_text(self) -> None:
        """Where an encoder tells its terms, each comes once and their vectors sum to the vector of the text."""
        encoder = self.encoder()
        if not isinstance(encoder, LinearEncoder):
            return
        for text in (*TEXTS["en"], *TEXTS["zh"], ""):
            words, vectors = encoder.terms(text)
            assert len(words) == len(set(words)) == len(vectors)
            np.testing.assert_allclose(vectors.sum(axis=0), encoder.encode([text])[0], atol=self.atol)

    def test_fingerprint_is_stable(self) -> None:
        """Two encoders made alike may share a cache, and their fingerprint is a short printable string."""
        fingerprint = self.make().fingerprint
        assert isinstance(fingerprint, str)
        assert fingerprint == self.encoder().fingerprint
        assert fingerprint.isprintable()
        assert 0 < len(fingerprint) <= 200

    def test_unit_rows(self) -> None:
        """Vectors are float32 of unit length, one a text."""
        vectors = _check(self.encoder(), [text for texts in TEXTS.values() for text in texts])
        norms = np.linalg.norm(vectors, axis=1)
        assert np.all((np.abs(norms - 1) < 1e-3) | (norms == 0)), "rows must have length 1"
        known = np.concatenate([np.full(3, language in self.languages) for language in TEXTS])
        assert np.all(norms[known] > 0)

    def test_no_texts(self) -> None:
        """No texts give no rows."""
        _check(self.encoder(), [])

    def test_empty_text_is_the_zero_row(self) -> None:
        """An empty text says nothing, alone or among others."""
        alone = _check(self.encoder(), [""])
        assert not alone.any()
        among = _check(self.encoder(), ["bread", "", "butter"])
        assert not among[1].any()
        assert among[0].any()
        assert among[2].any()

    def test_one_by_one_equals_batch(self) -> None:
        """Which other texts are in the batch, and in what order, changes nothing."""
        texts = [*(text for texts in TEXTS.values() for text in texts), "", "bread", "bread and butter " * 40]
        whole = _check(self.encoder(), texts)
        single = np.concatenate([_check(self.encoder(), [text]) for text in texts])
        np.testing.assert_allclose(single, whole, atol=self.atol)
        np.testing.assert_allclose(_check(self.encoder(), texts[::-1]), whole[::-1], atol=self.atol)

    def test_deterministic(self) -> None:
        """A second encoder gives the same vectors."""
        texts = [text for texts in TEXTS.values() for text in texts]
        np.testing.assert_allclose(_check(self.make(), texts), _check(self.encoder(), texts), atol=self.atol)

    def test_similar_texts_are_nearer(self) -> None:
        """In each of ``languages``, a paraphrase is nearer than a text about something else."""
        for language in self.languages:
            text, similar, other = _check(self.encoder(), TEXTS[language])
            assert text @ similar > text @ other, language

    def test_any_characters(self) -> None:
        """No text makes it fail: very long, emoji, control characters, mixed scripts."""
        _check(self.encoder(), ["word " * 3000, "🎬🍿", "\x00\x01\t\n", "电影 movie кино فيلم", "a", "？！"])

    def test_global_random_state_and_input_untouched(self) -> None:
        """Encoding draws from nothing global and leaves the list alone."""
        texts = ["bread", "", "butter"]
        encoder = self.encoder()
        encoder.encode(texts)  # imports what it needs, so that torch's state can be looked at
        with untouched_random_state():
            encoder.encode(texts)
        assert texts == ["bread", "", "butter"]


def _check(encoder: TextEncoder, texts: list[str] | tuple[str, ...]) -> Vectors:
    vectors = encoder.encode(texts)
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), encoder.dim)
    assert np.isfinite(vectors).all()
    return vectors
