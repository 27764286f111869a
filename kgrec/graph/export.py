"""The knowledge graph as a file for other programs: Turtle, N-Triples, JSON-LD, GraphML, node-link JSON."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from kgrec.errors import UsageError, did_you_mean
from kgrec.graph.networks import write_graphml, write_node_link
from kgrec.graph.rdf import LineStream, RdfOptions, lines
from kgrec.graph.tables import GraphTables
from kgrec.graph.vocabulary import prefixes
from kgrec.progress import SILENT, Progress
from kgrec.workspace import storage_errors

SUFFIXES: Mapping[str, str] = {
    ".ttl": "turtle",
    ".nt": "ntriples",
    ".jsonld": "jsonld",
    ".graphml": "graphml",
    ".json": "json",
}
"""Format by the suffix of the file."""

FORMATS = tuple(SUFFIXES.values())


def export_graph(
    kg: GraphTables,
    path: Path,
    format: str | None = None,  # noqa: A002  # the name of the option
    *,
    base_iri: str,
    interactions: bool = True,
    details: bool = True,
    progress: Progress = SILENT,
) -> None:
    """Write the graph to ``path``, which is replaced only when the whole file is written.

    Args:
        kg: the graph.
        path: the file.
        format: one of :data:`FORMATS`; by default told from the suffix.
        base_iri: start of the IRIs of nodes that have none of their own.
        interactions: edges between users and items too.
        details: times and weights of edges too, in the RDF formats (the others always have them).
        progress: who listens.

    Raises:
        UsageError: the format is unknown.
        StorageError: the disk is full or read-only.
    """
    name = format_of(path, format)
    options = RdfOptions(base_iri, interactions, details)
    writer = _WRITERS[name]
    with storage_errors(path), progress.task(f"writing {path.name}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with aside.open("wb") as stream:
                writer(kg, stream, options)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def format_of(path: Path, format: str | None = None) -> str:  # noqa: A002
    """Return the name of the format to write.

    Raises:
        UsageError: neither ``format`` nor the suffix names one.
    """
    if format is not None:
        if format not in FORMATS:
            raise UsageError(f"unknown export format {format!r}", hint=did_you_mean(format, FORMATS))
        return format
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path.name}: the suffix {suffix!r} names no export format",
            hint=f"end it with {', '.join(SUFFIXES)}, or give --format {'|'.join(FORMATS)}",
        )
    return SUFFIXES[suffix]


def _write_ntriples(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    reader = LineStream(lines(kg, options, graphs=False))
    while block := reader.read(1 << 20):
        stream.write(block)


def _write_turtle(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    _serialize(kg, stream, options, "TURTLE")


def _write_jsonld(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    _serialize(kg, stream, options, "JSON_LD")


def _serialize(kg: GraphTables, stream: IO[bytes], options: RdfOptions, format_name: str) -> None:
    import pyoxigraph as ox

    source = io.BufferedReader(LineStream(lines(kg, options, graphs=False)), 1 << 20)
    triples = ox.parse(source, format=ox.RdfFormat.N_TRIPLES, lenient=True)
    target: ox.RdfFormat = getattr(ox.RdfFormat, format_name)
    ox.serialize(triples, stream, format=target, prefixes=prefixes(options.base_iri))


_WRITERS: Mapping[str, Callable[[GraphTables, IO[bytes], RdfOptions], None]] = {
    "turtle": _write_turtle,
    "ntriples": _write_ntriples,
    "jsonld": _write_jsonld,
    "graphml": write_graphml,
    "json": write_node_link,
}
