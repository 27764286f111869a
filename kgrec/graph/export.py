"""The knowledge graph for other programs: as a networkx graph, and as files.

GraphML and node-link JSON of small graphs are written by networkx. For larger ones it takes long (100,000 edges as
GraphML: 24 s and 400 MB, against 0.7 s), so these are written by Polars, a block at a time; networkx reads back the
same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import polars as pl

from kgrec.artifacts import replacing
from kgrec.errors import UsageError, did_you_mean
from kgrec.graph.rdf import BLOCK_ROWS, LineStream, RdfOptions, lines, node_iris, to_bytes
from kgrec.graph.tables import GraphTables
from kgrec.graph.vocabulary import prefixes

if TYPE_CHECKING:
    import networkx as nx

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
) -> None:
    """Write the graph to ``path``, which is replaced only when the whole file is written.

    Args:
        kg: the graph.
        path: the file.
        format: one of :data:`FORMATS`; by default told from the suffix.
        base_iri: start of the IRIs of nodes that have none of their own.

    Raises:
        UsageError: the format is unknown.
        StorageError: the disk is full or read-only.
    """
    writer = _WRITERS[format_of(path, format)]
    with replacing(path) as aside, aside.open("wb") as stream:
        writer(kg, stream, RdfOptions(base_iri, details=True))


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


LARGEST = 10_000
"""Up to so many edges the files are written by networkx."""

_XML_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_NOT_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"

_NODE_KEYS = {"kind": "string", "type": "string", "key": "string", "label": "string"}
_EDGE_KEYS = {
    "relation": "string",
    "label": "string",
    "weight": "double",
    "time": "long",
    "provenance": "string",
    "file": "string",  # networkx takes "source" for an end of the edge
    "line": "long",
}


def to_networkx(kg: GraphTables) -> nx.MultiDiGraph:
    """Return the graph for networkx; nodes are named like ``item:50``, absent values are left out.

    Nodes have ``kind``, ``type``, ``key``, ``label`` and ``aliases``; edges have ``relation``, ``label``, ``weight``,
    ``time`` (unix seconds), ``provenance``, ``file`` and ``line``.
    """
    names = kg.nodes.select(pl.format("{}:{}", "kind", "key").alias("name"))["name"]
    return _network(*_named(kg, names, interactions=True))


def write_graphml(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    """Write GraphML: a directed multigraph, nodes named by their IRIs."""
    nodes, edges = _tables(kg, options)
    nodes = nodes.with_columns(pl.col(pl.String).str.replace_all(_NOT_XML, "\ufffd")).drop("aliases")
    edges = edges.with_columns(pl.col(pl.String).str.replace_all(_NOT_XML, "\ufffd"))
    edges = edges.with_columns(number=pl.format("e{}", pl.int_range(pl.len())))
    if edges.height <= LARGEST:
        from networkx.readwrite.graphml import write_graphml_xml

        write_graphml_xml(_network(nodes, edges), stream)
        return
    head = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    for place, keys in (("node", _NODE_KEYS), ("edge", _EDGE_KEYS)):
        head += [
            f'<key id="{place}_{key}" for="{place}" attr.name="{key}" attr.type="{kind}"/>'
            for key, kind in keys.items()
        ]
    stream.write("\n".join([*head, '<graph edgedefault="directed">', ""]).encode())
    for block in nodes.iter_slices(BLOCK_ROWS):
        stream.write(to_bytes(_element(block, pl.format('<node id="{}">', _xml("id")), "node", _NODE_KEYS)))
    for block in edges.iter_slices(BLOCK_ROWS):
        opening = pl.format('<edge id="{}" source="{}" target="{}">', "number", _xml("from"), _xml("to"))
        stream.write(to_bytes(_element(block, opening, "edge", _EDGE_KEYS)))
    stream.write(b"</graph>\n</graphml>\n")


def write_node_link(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    """Write node-link JSON for ``networkx.node_link_graph(data, edges="edges")``; absent values are left out."""
    nodes, edges = _tables(kg, options)
    if edges.height <= LARGEST:
        from networkx.readwrite.json_graph import node_link_data

        stream.write(json.dumps(node_link_data(_network(nodes, edges), edges="edges"), ensure_ascii=False).encode())
        return
    stream.write(b'{"directed": true, "multigraph": true, "graph": {"name": "kgrec"},\n"nodes": ')
    stream.write(nodes.write_json().encode())
    stream.write(b',\n"edges": ')
    stream.write(edges.rename({"from": "source", "to": "target", "number": "key"}).write_json().encode())
    stream.write(b"}\n")


def _tables(kg: GraphTables, options: RdfOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    iris = node_iris(kg.nodes, options.base_iri).str.head(-1).str.slice(1)
    return _named(kg, iris, interactions=options.interactions)


def _named(kg: GraphTables, names: pl.Series, *, interactions: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return nodes (``id`` and their attributes) and edges (``from``, ``to``, ``number`` and their attributes)."""
    edges = kg.edges if interactions else kg.edges.filter(pl.col("provenance") != "interaction")
    edges = edges.select(
        names.gather(edges["head"]).alias("from"),
        names.gather(edges["tail"]).alias("to"),
        kg.relations["name"].gather(edges["relation"]).alias("relation"),
        kg.relations["label"].gather(edges["relation"]).alias("label"),
        pl.col("weight").cast(pl.Float64),
        "time",
        "provenance",
        pl.col("source").alias("file"),
        "line",
    )
    nodes = kg.nodes.select(names.alias("id"), *_NODE_KEYS, pl.col("aliases").list.drop_nulls())
    return nodes, edges.with_columns(number=pl.int_range(pl.len()).over("from", "to"))


def _network(nodes: pl.DataFrame, edges: pl.DataFrame) -> nx.MultiDiGraph:
    import networkx as nx

    def told(row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if value is not None}

    network = nx.MultiDiGraph(name="kgrec")
    network.add_nodes_from((row.pop("id"), told(row)) for row in nodes.iter_rows(named=True))
    network.add_edges_from(
        (row.pop("from"), row.pop("to"), row.pop("number"), told(row)) for row in edges.iter_rows(named=True)
    )
    return network


def _xml(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.replace_many(list(_XML_ESCAPES), list(_XML_ESCAPES.values()))


def _element(frame: pl.DataFrame, opening: pl.Expr, place: str, keys: dict[str, str]) -> pl.Series:
    data = [
        pl.when(pl.col(key).is_not_null())
        .then(pl.format(f'<data key="{place}_{key}">{{}}</data>', _xml(key)))
        .otherwise(pl.lit(""))
        for key in keys
    ]
    return frame.select(pl.concat_str(opening, *data, pl.lit(f"</{place}>")).alias("line"))["line"]


_WRITERS: Mapping[str, Callable[[GraphTables, IO[bytes], RdfOptions], None]] = {
    "turtle": _write_turtle,
    "ntriples": _write_ntriples,
    "jsonld": _write_jsonld,
    "graphml": write_graphml,
    "json": write_node_link,
}
