"""Which terms make an item special: TF-IDF over the items' texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.artifacts import as_csr, load_arrays, replacing, save_arrays
from kgrec.errors import CorruptArtifactError
from kgrec.text.cache import hash_texts
from kgrec.text.tokens import term_table


@dataclass(frozen=True)
class TermIndex:
    """TF-IDF of the items' terms.

    Attributes:
        terms: column -> term.
        matrix: CSR float32 of shape ``(n_items, n_terms)``; rows have length 1 or are empty.
        idf: inverse document frequency of each term, shape ``(n_terms,)``.
    """

    terms: pl.Series
    matrix: csr_array
    idf: NDArray[np.float32]

    @classmethod
    def build(cls, texts: list[str], *, min_items: int = 1, max_share: float = 0.5) -> TermIndex:
        """Count the terms of the items' texts.

        A term's weight is ``(1 + log tf) * log((1 + n) / (1 + df))``, rows scaled to length 1 (Salton and Buckley,
        *Term-weighting approaches in automatic text retrieval*, 1988).

        Args:
            texts: one an item.
            min_items: terms of fewer items are left out.
            max_share: terms of a larger share of the items say nothing and are left out (with four items or more).
        """
        counts = term_table(texts).group_by("text", "term").len("tf")
        found = counts.group_by("term").len("df")
        limit = max_share * len(texts) if len(texts) >= 4 else len(texts)
        found = found.filter(pl.col("df") >= min_items, pl.col("df") <= limit).sort("term")
        found = found.with_columns(column=pl.int_range(pl.len(), dtype=pl.Int64))
        idf = np.log((1 + len(texts)) / (1 + found["df"].to_numpy())).astype(np.float32)
        counts = counts.join(found.select("term", "column"), on="term").sort("text", "column")
        columns = counts["column"].to_numpy()
        values = (1 + np.log(counts["tf"].to_numpy())).astype(np.float32) * idf[columns]
        starts = np.searchsorted(counts["text"].to_numpy(), np.arange(len(texts) + 1))
        matrix = csr_array((values, columns.copy(), starts), shape=(len(texts), found.height))
        return cls(found["term"], _unit_rows(matrix), idf)

    @cached_property
    def columns(self) -> pl.DataFrame:
        """Table with the columns ``term`` and ``column``."""
        return pl.DataFrame({"term": self.terms}).with_columns(column=pl.int_range(pl.len(), dtype=pl.Int64))

    @classmethod
    def cached(cls, texts: list[str], file: Path) -> TermIndex:
        """Return the terms that at least two of the items' texts share, built only where the texts have changed.

        Args:
            texts: one an item.
            file: keeps the last index, one .safetensors; it may be deleted at any time.

        Raises:
            StorageError: the file cannot be written.
        """
        key = hash_texts(texts)
        key = np.frombuffer(blake2b(key.tobytes(), digest_size=16).digest(), dtype=np.uint8)
        found = cls._load(file, key)
        if found is None:
            found = cls.build(texts, min_items=2)
            found._save(file, key)
        return found

    def _save(self, file: Path, key: NDArray[np.uint8]) -> None:
        parts = {name: getattr(self.matrix, name) for name in ("data", "indices", "indptr")}
        terms = np.frombuffer("\n".join(self.terms.to_list()).encode(), dtype=np.uint8)
        with replacing(file) as aside:
            save_arrays(aside, {**parts, "idf": self.idf, "terms": terms, "key": key})

    @classmethod
    def _load(cls, file: Path, key: NDArray[np.uint8]) -> TermIndex | None:
        """Read the index of the texts with this hash; None where the file is of others, damaged or not there."""
        try:
            arrays: dict[str, NDArray[Any]] = dict(load_arrays(file))
            if not np.array_equal(arrays["key"], key):
                return None
            terms = arrays["terms"].tobytes().decode()
            names = pl.Series("term", terms.split("\n") if terms else [], dtype=pl.String)
            shape = (len(arrays["indptr"]) - 1, len(names))
            matrix = as_csr(arrays["data"], arrays["indices"], arrays["indptr"], shape)
            return cls(names, matrix, arrays["idf"].astype(np.float32))
        except (CorruptArtifactError, KeyError, ValueError):
            return None


def _unit_rows(matrix: csr_array) -> csr_array:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    lengths = np.diff(matrix.indptr)
    data = matrix.data / np.repeat(np.where(norms > 0, norms, 1), lengths)
    return csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
