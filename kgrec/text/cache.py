"""Text vectors by content: a text that was encoded once is not encoded again.

    cache/text/<encoder>/<name>.safetensors     hashes (n, 16) uint8, vectors (n, dim) float32

A shard's name is the hash of what it holds; shards are only added, each written aside and renamed, so readers and
several writers cannot disturb each other, and an interrupted run resumes after its last shard. The folder may be
deleted at any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.artifacts import load_arrays, replacing, save_arrays
from kgrec.errors import CorruptArtifactError
from kgrec.plugin.protocols import TextEncoder
from kgrec.progress import SILENT, Progress
from kgrec.types import Vectors
from kgrec.workers import HERE, Workers, told

SHARD_ROWS = 2048
"""Texts encoded between two saves."""

Hashes = NDArray[np.uint8]
"""One blake2b hash a text, shape ``(n, 16)``."""


@dataclass(frozen=True, slots=True)
class EncodingEffort:
    """Who encodes, and what is known already.

    Attributes:
        cache_dir: folder of all encoders' vectors (``workspace.cache / "text"``); None: no cache.
        progress: told of the texts encoded and of damaged shards.
        workers: who encodes.
    """

    cache_dir: Path | None = None
    progress: Progress = SILENT
    workers: Workers = HERE


def encode_cached(
    texts: Sequence[str],
    encoder: TextEncoder,
    effort: EncodingEffort,
    batch_size: int = 64,
    *,
    reopen: Callable[[], TextEncoder] | None = None,
) -> Vectors:
    """Encode ``texts`` -> float32 ``(n, dim)``; only texts that the cache does not know are encoded.

    Args:
        texts: repeated and empty ones cost nothing.
        encoder: its fingerprint names the part of the cache.
        effort: who encodes, and what is known already.
        batch_size: texts handed to the encoder at once, sorted by length.
        reopen: makes the encoder at a worker.

    Raises:
        StorageError: the cache cannot be written.
    """
    cache_dir, progress, workers = effort.cache_dir, effort.progress, effort.workers
    series = pl.Series("text", texts, dtype=pl.String)
    distinct = series.unique(maintain_order=True)
    distinct = distinct.filter(distinct.str.strip_chars() != "")
    hashes = hash_texts(distinct.to_list())
    vectors = np.zeros((len(distinct), encoder.dim), dtype=np.float32)
    folder = cache_dir / folder_name(encoder.fingerprint) if cache_dir else None
    known = _look_up(folder, hashes, vectors, progress) if folder else np.zeros(len(distinct), dtype=bool)
    lengths = distinct.str.len_chars().to_numpy()
    new = np.flatnonzero(~known)
    new = new[np.argsort(lengths[new], kind="stable")]
    if len(new):
        # A shard is kept as soon as it is there; several workers take a batch each, as it would be encoded here.
        with progress.task(told("encoding texts", workers), len(new)) as task:
            batches = [part for rows in _parts(new, SHARD_ROWS) for part in _parts(rows, batch_size)]
            asked = (distinct.gather(part).to_list() for part in batches)
            found = zip(batches, workers.map(_encode, encoder, asked, reopen=reopen), strict=True)
            for rows in _parts(new, SHARD_ROWS):
                for part, encoded in islice(found, -(-len(rows) // batch_size)):
                    vectors[part] = encoded
                    task.advance(len(part))
                if folder:
                    _write_shard(folder, hashes[rows], vectors[rows])
    return _spread(series, distinct, vectors)


def _encode(encoder: TextEncoder, texts: list[str]) -> Vectors:
    return encoder.encode(texts)


@dataclass(frozen=True, slots=True)
class CachedEncoder:
    """A text encoder that keeps what it encoded.

    Attributes:
        encoder: what encodes.
        cache_dir: folder of all encoders' vectors.
    """

    encoder: TextEncoder
    cache_dir: Path

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """That of the encoder: vectors are the same."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 ``(n, dim)``; only those the cache does not know."""
        return encode_cached(texts, self.encoder, EncodingEffort(self.cache_dir))


def hash_texts(texts: Sequence[str]) -> Hashes:
    """Return the hash of each text, shape ``(n, 16)``."""
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), 16)


def folder_name(fingerprint: str) -> str:
    """Return ``fingerprint`` as the name of a folder; different fingerprints stay different."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", fingerprint)[:80].strip(".-") or "encoder"
    if readable == fingerprint:
        return readable
    return f"{readable}-{blake2b(fingerprint.encode(), digest_size=4).hexdigest()}"


def _look_up(folder: Path, hashes: Hashes, vectors: Vectors, progress: Progress) -> NDArray[np.bool_]:
    """Fill the rows of ``vectors`` that the shards in ``folder`` hold; return which were found."""
    found = np.zeros(len(hashes), dtype=bool)
    wanted = _keys(hashes).with_columns(row=pl.int_range(pl.len(), dtype=pl.UInt32))
    for shard in sorted(folder.glob("*.safetensors")):
        try:
            arrays = load_arrays(shard)
            held, rows = arrays["hashes"], arrays["vectors"]
        except (CorruptArtifactError, KeyError):
            progress.log(f"ignoring a damaged shard of the text cache: {shard.name}")
            continue
        if held.shape != (len(rows), 16) or held.dtype != np.uint8 or rows.shape[1:] != vectors.shape[1:]:
            progress.log(f"ignoring a shard of the text cache with other shapes: {shard.name}")
            continue
        at = _keys(held.astype(np.uint8)).with_columns(at=pl.int_range(pl.len(), dtype=pl.UInt32))
        hits = wanted.join(at, on=["high", "low"])
        vectors[hits["row"].to_numpy()] = rows[hits["at"].to_numpy()]
        found[hits["row"].to_numpy()] = True
        if found.all():
            break
    return found


def _write_shard(folder: Path, hashes: Hashes, vectors: Vectors) -> None:
    name = blake2b(hashes.tobytes(), digest_size=12).hexdigest()
    with replacing(folder / f"{name}.safetensors") as aside:
        save_arrays(aside, {"hashes": hashes, "vectors": vectors})


def _keys(hashes: Hashes) -> pl.DataFrame:
    numbers = np.ascontiguousarray(hashes).view(np.uint64).reshape(len(hashes), 2)
    return pl.DataFrame({"high": numbers[:, 0], "low": numbers[:, 1]})


def _parts(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _spread(series: pl.Series, distinct: pl.Series, vectors: Vectors) -> Vectors:
    """Return the vectors of ``distinct`` in the order of ``series``; zero rows for what is not among them."""
    position = pl.DataFrame({"text": distinct}).with_columns(at=pl.int_range(pl.len(), dtype=pl.Int64))
    at = pl.DataFrame({"text": series}).join(position, on="text", how="left", maintain_order="left")["at"]
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), dtype=np.float32)])
    spread: Vectors = padded[at.fill_null(len(vectors)).to_numpy()]
    return spread


def keep_texts(cache_dir: Path, texts: Sequence[str]) -> None:
    """Drop the vectors of all other texts, such as the words of somebody who is forgotten.

    Args:
        cache_dir: folder of all encoders' vectors.
        texts: whose vectors stay.
    """
    kept = _keys(hash_texts(list(dict.fromkeys(texts))))
    for shard in sorted(cache_dir.glob("*/*.safetensors")):
        try:
            arrays = load_arrays(shard)
            hashes, vectors = arrays["hashes"].astype(np.uint8), arrays["vectors"].astype(np.float32)
            rows = _keys(hashes).with_row_index("row").join(kept, on=["high", "low"], how="semi")["row"].to_numpy()
        except (CorruptArtifactError, KeyError, ValueError):
            rows, hashes, vectors = (
                np.zeros(0, dtype=np.int64),
                np.zeros((0, 16), np.uint8),
                np.zeros((0, 1), np.float32),
            )
        if len(rows) == len(hashes) and len(rows):
            continue
        if len(rows):
            _write_shard(shard.parent, hashes[np.sort(rows)], vectors[np.sort(rows)])
        shard.unlink(missing_ok=True)
