"""Classes of nodes and edges that kgrec's shapes cannot tell apart, and a representative of each in RDF."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.graph.ontology import ontology_lines, relation_lines
from kgrec.graph.tables import GraphTables
from kgrec.graph.terms import date_literal, float_literal, literal, relation_iris, type_iris
from kgrec.graph.vocabulary import NAMESPACE, RDF, RDFS

if TYPE_CHECKING:
    from rdflib import Graph

_TYPE = f"<{RDF}type>"
_EDGE_CLASSES = {
    "interaction": "Interaction",
    "catalogue": "Fact",
    "triples": "Fact",
    "mention": "Mention",
    "pattern": "Mention",
}
_ENDS = ("head_kind", "head_type", "tail_kind", "tail_type")


def node_profiles(kg: GraphTables) -> pl.DataFrame:
    """Return for each node its number ``row``, its class ``profile``, and what shapes see of it."""
    seen = {
        "label_seen": pl.col("label").fill_null("").str.strip_chars() != "",
        "key_seen": pl.col("key").fill_null("") != "",
        "alone": pl.len().over("kind", "key") == 1,
    }
    frame = kg.nodes.select("kind", "type", "key", "label").with_row_index("row").with_columns(**seen)
    return _numbered(frame, ["kind", "type", *seen])


def edge_profiles(kg: GraphTables, shapes: Graph) -> pl.DataFrame:
    """Return for each edge its number ``row``, its class ``profile``, and what shapes see of it."""
    nodes = kg.nodes.select("kind", "type").with_row_index("node")
    frame = kg.edges.with_row_index("row").with_columns(
        _side(pl.Series("weight_side", kg.edges["weight"]), _bounds(shapes, "weight")),
        _side(pl.Series("time_side", kg.edges["time"]), _bounds(shapes, "time")),
    )
    for end in ("head", "tail"):
        renamed = nodes.rename({"node": end, "kind": f"{end}_kind", "type": f"{end}_type"})
        frame = frame.join(renamed, on=end, how="left", maintain_order="left")
    return _numbered(frame, ["relation", *_ENDS, "provenance", "weight_side", "time_side"])


def representatives(kg: GraphTables, nodes: pl.DataFrame, edges: pl.DataFrame, base_iri: str) -> Iterator[pl.Series]:
    """Yield N-Triples: the ontology, the relations, and one node ``urn:kgrec:n:K`` or edge ``urn:kgrec:e:K`` a class.

    The ends of an edge's representative are nodes of their own, ``urn:kgrec:h:K`` and ``urn:kgrec:t:K``.
    """
    yield ontology_lines()
    yield relation_lines(kg, base_iri)
    yield from _nodes(nodes.unique("profile", keep="first", maintain_order=True), base_iri)
    yield from _edges(kg, edges.unique("profile", keep="first", maintain_order=True), base_iri)


def _nodes(rows: pl.DataFrame, base_iri: str) -> Iterator[pl.Series]:
    rows = rows.with_columns(node=pl.format("<urn:kgrec:n:{}>", "profile"))
    yield from _classes(rows, "node", "kind", "type", base_iri)
    yield _lines(rows.filter("label_seen"), "node", f"<{RDFS}label>", literal("label"))
    keyed = rows.filter("key_seen")
    yield _lines(keyed, "node", f"<{NAMESPACE}key>", literal("key"))
    twice = keyed.filter(~pl.col("alone")).with_columns(pl.concat_str("key", pl.lit(" (again)")).alias("key"))
    yield _lines(twice, "node", f"<{NAMESPACE}key>", literal("key"))


def _edges(kg: GraphTables, rows: pl.DataFrame, base_iri: str) -> Iterator[pl.Series]:
    declared = relation_iris(kg.relations["name"], base_iri)
    relations = pl.DataFrame({"r": declared}).with_row_index("relation").cast({"relation": pl.UInt16})
    own = {kind: f"<{NAMESPACE}{name}>" for kind, name in _EDGE_CLASSES.items()}
    whence = {kind: f"<{NAMESPACE}From{kind.capitalize()}>" for kind in _EDGE_CLASSES}
    rows = rows.join(relations, on="relation", how="left", maintain_order="left").with_columns(
        pl.col("r").fill_null(pl.format("<urn:kgrec:relation:{}>", "relation")),
        *(pl.format(f"<urn:kgrec:{part}:{{}}>", "profile").alias(part) for part in "eht"),
        edge_class=pl.col("provenance").replace_strict(own, default=f"<{NAMESPACE}Edge>", return_dtype=pl.String),
        whence=pl.col("provenance").replace_strict(whence, default=None, return_dtype=pl.String),
    )
    yield _lines(rows, "e", _TYPE, pl.col("edge_class"))
    for name, value in (("head", "h"), ("relation", "r"), ("tail", "t")):
        yield _lines(rows, "e", f"<{NAMESPACE}{name}>", pl.col(value))
    yield rows.select(pl.format("{} {} {} .", "h", "r", "t").alias("line"))["line"]
    yield _lines(rows.drop_nulls("weight"), "e", f"<{NAMESPACE}weight>", float_literal("weight"))
    yield _lines(rows.drop_nulls("time"), "e", f"<{NAMESPACE}time>", date_literal("time"))
    yield _lines(rows.drop_nulls("whence"), "e", f"<{NAMESPACE}provenance>", pl.col("whence"))
    for part, end in (("h", "head"), ("t", "tail")):
        there = rows.drop_nulls(f"{end}_kind")
        yield from _classes(there, part, f"{end}_kind", f"{end}_type", base_iri)
        # Nodes have their own representatives: these are nothing but ends.
        yield _lines(there, part, f"<{RDFS}label>", pl.lit('"end"'))
        yield _lines(there, part, f"<{NAMESPACE}key>", pl.lit('"end"'))


def _classes(rows: pl.DataFrame, node: str, kind: str, type_: str, base_iri: str) -> Iterator[pl.Series]:
    # Every class is stated: pyshacl would else have to reason for each node anew.
    yield _lines(rows, node, _TYPE, pl.lit(f"<{NAMESPACE}Node>"))
    yield _lines(rows.with_columns(c=type_iris(rows[kind], base_iri)), node, _TYPE, pl.col("c"))
    typed = rows.drop_nulls(type_)
    yield _lines(typed.with_columns(c=type_iris(typed[type_], base_iri)), node, _TYPE, pl.col("c"))


def _bounds(shapes: Graph, path: str) -> list[float]:
    """Return the numbers (times as unix seconds) with which shapes compare the values of ``kgrec:path``, rising."""
    from rdflib import Literal, URIRef
    from rdflib.namespace import SH

    limits = (SH.minInclusive, SH.maxInclusive, SH.minExclusive, SH.maxExclusive)
    found = {
        bound.toPython()
        for shape in shapes.subjects(SH.path, URIRef(NAMESPACE + path))
        for limit in limits
        for bound in shapes.objects(shape, limit)
        if isinstance(bound, Literal)
    }
    return sorted(b.timestamp() if isinstance(b, datetime) else float(b) for b in found)


def _side(values: pl.Series, bounds: list[float]) -> pl.Series:
    """Return between, or on, which bounds each value lies; null stays null and NaN lies beyond all."""
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    below, at_most = (np.searchsorted(bounds, numbers, side) for side in ("left", "right"))
    place = np.where(np.isnan(numbers), -1, below + at_most)
    return pl.Series(values.name, place).set(values.is_null(), None)


def _numbered(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    distinct = frame.select(keys).unique(maintain_order=True).with_row_index("profile")
    return frame.join(distinct, on=keys, how="left", nulls_equal=True, maintain_order="left")


def _lines(rows: pl.DataFrame, subject: str, predicate: str, value: pl.Expr) -> pl.Series:
    return rows.select(pl.format("{} " + predicate + " {} .", subject, value).alias("line"))["line"]
