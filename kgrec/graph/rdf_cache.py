"""Keeps parsed RDF by the content of the file, so that a file which did not change is not parsed again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from kgrec.data.dataset import read_table
from kgrec.errors import CorruptArtifactError
from kgrec.graph.rdf_reader import read_rdf
from kgrec.workspace import storage_errors

VERSION = 1
"""Changes when the same file would be read differently."""


class RdfCache:
    """Statements of RDF files.

    Args:
        folder: where they are kept, or None to parse every time.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._used: set[Path] = set()

    def read(self, path: Path, ending: str) -> pl.DataFrame:
        """Return what :func:`kgrec.graph.rdf_reader.read_rdf` returns, from the cache where it has it."""
        if self.folder is None:
            return read_rdf(path, ending)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:32]
        file = self.folder / f"triples-{VERSION}-{path.suffix[1:]}-{ending[1:]}-{digest}.parquet"
        self._used.add(file)
        if file.exists():
            try:
                return read_table(file)
            except CorruptArtifactError:
                file.unlink()
        table = read_rdf(path, ending)
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f".{file.name}")
            table.write_parquet(aside, compression="lz4")
            aside.replace(file)
        return table

    def prune(self) -> None:
        """Remove what was not read since this object was made."""
        if self.folder is not None:
            for file in set(self.folder.glob("triples-*.parquet")) - self._used:
                file.unlink(missing_ok=True)
