"""GraphML and node-link JSON as networkx reads them, written by Polars without building a networkx graph."""

from __future__ import annotations

from typing import IO

import polars as pl

from kgrec.graph.rdf import BLOCK_ROWS, RdfOptions, to_bytes
from kgrec.graph.tables import GraphTables
from kgrec.graph.terms import node_iris

_XML_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_NOT_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"

_NODE_KEYS = {"kind": "string", "type": "string", "key": "string", "label": "string"}
_EDGE_KEYS = {
    "relation": "string",
    "label": "string",
    "weight": "double",
    "time": "long",
    "provenance": "string",
    "source": "string",
    "line": "long",
}


def write_graphml(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    """Write GraphML: a directed multigraph, nodes named by their IRIs."""
    nodes, edges = _tables(kg, options)
    head = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    for place, keys in (("node", _NODE_KEYS), ("edge", _EDGE_KEYS)):
        head += [
            f'<key id="{place}_{key}" for="{place}" attr.name="{key}" attr.type="{kind}"/>'
            for key, kind in keys.items()
        ]
    stream.write("\n".join([*head, '<graph edgedefault="directed">', ""]).encode())
    for block in nodes.iter_slices(BLOCK_ROWS):
        opening = pl.format('<node id="{}">', _xml("id"))
        stream.write(to_bytes(_element(block, opening, "node", _NODE_KEYS)))
    for block in edges.with_row_index("row").iter_slices(BLOCK_ROWS):
        opening = pl.format('<edge id="e{}" source="{}" target="{}">', "row", _xml("from"), _xml("to"))
        stream.write(to_bytes(_element(block, opening, "edge", _EDGE_KEYS)))
    stream.write(b"</graph>\n</graphml>\n")


def write_node_link(kg: GraphTables, stream: IO[bytes], options: RdfOptions) -> None:
    """Write node-link JSON for ``networkx.node_link_graph(data, edges="edges")``; absent values are left out."""
    nodes, edges = _tables(kg, options)
    aliases = nodes["aliases"].list.drop_nulls()
    nodes = nodes.select("id", *_NODE_KEYS).with_columns(aliases=aliases)
    edges = edges.select(pl.col("from").alias("source"), pl.col("to").alias("target"), "number", *_edge_columns())
    stream.write(b'{"directed": true, "multigraph": true, "graph": {"name": "kgrec"},\n"nodes": ')
    stream.write(nodes.write_json().encode())
    stream.write(b',\n"edges": ')
    stream.write(edges.rename({"number": "key"}).write_json().encode())
    stream.write(b"}\n")


def _tables(kg: GraphTables, options: RdfOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    name = node_iris(kg.nodes, options.base_iri).str.head(-1).str.slice(1)
    edges = kg.edges if options.interactions else kg.edges.filter(pl.col("provenance") != "interaction")
    edges = edges.with_columns(
        name.gather(edges["head"]).alias("from"),
        name.gather(edges["tail"]).alias("to"),
        kg.relations["name"].gather(edges["relation"]).alias("relation"),
        kg.relations["label"].gather(edges["relation"]).alias("label"),
    )
    return kg.nodes.with_columns(id=name), edges.with_columns(number=pl.int_range(pl.len()).over("from", "to"))


def _edge_columns() -> list[pl.Expr]:
    # networkx takes "source" for the end of the edge, so the file it came from is named otherwise.
    return [pl.col(key).alias("file" if key == "source" else key) for key in _EDGE_KEYS]


def _xml(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.replace_all(_NOT_XML, "\ufffd")
    return text.str.replace_many(list(_XML_ESCAPES), list(_XML_ESCAPES.values()))


def _element(frame: pl.DataFrame, opening: pl.Expr, place: str, keys: dict[str, str]) -> pl.Series:
    data = [
        pl.when(pl.col(key).is_not_null())
        .then(pl.format(f'<data key="{place}_{key}">{{}}</data>', _xml(key)))
        .otherwise(pl.lit(""))
        for key in keys
    ]
    return frame.select(pl.concat_str(opening, *data, pl.lit(f"</{place}>")).alias("line"))["line"]
