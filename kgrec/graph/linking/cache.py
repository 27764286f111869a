"""Keeps the links of texts, so that only new texts, and those that contain a new name, are linked again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from kgrec.data.dataset import read_table
from kgrec.errors import CorruptArtifactError
from kgrec.graph.linking.vocabulary import Vocabulary
from kgrec.plugin.protocols import EntityLinker, TextEncoder
from kgrec.workspace import read_json, storage_errors, write_json

LINKS = {
    "text": pl.String(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "kind": pl.String(),
    "key": pl.String(),
    "score": pl.Float32(),
}
"""Links by digest of the text; ``start`` is null in the one row of a text without links."""


@runtime_checkable
class IncrementalLinker(Protocol):
    """A linker whose links of a text depend on nothing but the names that stand in it."""

    @property
    def fingerprint(self) -> str:
        """Names version and options."""
        ...

    def containing(self, texts: Sequence[str], names: Iterable[str]) -> list[bool]:
        """Say which texts contain one of ``names``."""
        ...


def digest(text: str) -> str:
    """Return the digest under which the links of a text are kept."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def link_texts(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    linker: EntityLinker,
    encoder: TextEncoder | None = None,
    cache: Path | None = None,
) -> tuple[pl.DataFrame, int]:
    """Link ``texts``, taking from ``cache`` what cannot have changed; what was linked is kept there.

    Args:
        texts: distinct texts.
        vocabulary: the names.
        linker: already prepared with the vocabulary's gazetteer.
        encoder: the one it was prepared with.
        cache: folder, or None to link everything. Used only for an :class:`IncrementalLinker`.

    Returns:
        Links as :data:`LINKS`, and how many texts were linked rather than taken from the cache.
    """
    digests = pl.Series("text", [digest(text) for text in texts], dtype=pl.String)
    if cache is None or not isinstance(linker, IncrementalLinker):
        return _link(texts, digests, vocabulary, linker), len(texts)
    # Polars' hashes, of which signatures are made, are stable within a version only.
    maker = f"{linker.fingerprint} {encoder.fingerprint if encoder else ''} polars-{pl.__version__}"
    signatures = vocabulary.signatures(described=encoder is not None)
    kept = _reusable(texts, digests, linker, _load(cache, maker), signatures)
    fresh = ~digests.is_in(kept["text"].implode())
    chosen = fresh.arg_true().to_list()
    linked = _link([texts[k] for k in chosen], digests.filter(fresh), vocabulary, linker)
    links = pl.concat([kept, linked])
    _store(cache, maker, links, signatures)
    return links, len(chosen)


def _link(texts: Sequence[str], digests: pl.Series, vocabulary: Vocabulary, linker: EntityLinker) -> pl.DataFrame:
    found = linker.link(texts)
    rows = pl.DataFrame(
        [(link.text, link.start, link.end, link.entity, link.score) for link in found],
        schema={"row": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32, "entity": pl.UInt32, "score": pl.Float32},
        orient="row",
    )
    nodes = vocabulary.nodes.select("kind", "key").with_row_index("entity")
    return (
        digests.to_frame()
        .with_row_index("row")
        .join(rows.join(nodes, on="entity", how="left"), on="row", how="left", maintain_order="left")
        .sort("row", "start")
        .select(pl.col(name).cast(dtype) for name, dtype in LINKS.items())
    )


def _reusable(
    texts: Sequence[str],
    digests: pl.Series,
    linker: IncrementalLinker,
    stored: tuple[pl.DataFrame, pl.DataFrame] | None,
    signatures: pl.DataFrame,
) -> pl.DataFrame:
    if stored is None:
        return pl.DataFrame(schema=LINKS)
    links, before = stored
    both = ["name", "signature"]
    differing = pl.concat([signatures.join(before, on=both, how="anti"), before.join(signatures, on=both, how="anti")])
    changed = differing["name"].unique().sort().to_list()
    known = digests.is_in(links["text"].unique().implode())
    candidates = known.arg_true().to_list()
    touched = linker.containing([texts[k] for k in candidates], changed) if changed else []
    lost = {digests[k] for k, hit in zip(candidates, touched, strict=bool(changed)) if hit}
    keep = digests.filter(known & ~digests.is_in(sorted(lost)))
    return links.join(keep.to_frame(), on="text", how="semi", maintain_order="left")


def _load(cache: Path, maker: str) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    try:
        if read_json(cache / "links.json") != maker:
            return None
        return read_table(cache / "links.parquet"), read_table(cache / "link-names.parquet")
    except CorruptArtifactError:
        return None


def _store(cache: Path, maker: str, links: pl.DataFrame, signatures: pl.DataFrame) -> None:
    # The mark goes first and comes last: whoever is interrupted between leaves no cache, not a wrong one.
    (cache / "links.json").unlink(missing_ok=True)
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        links.write_parquet(cache / "links.parquet")
        signatures.write_parquet(cache / "link-names.parquet")
    write_json(cache / "links.json", maker)
