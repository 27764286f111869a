"""Checking the knowledge graph against SHACL shapes, down to the source rows that break them.

pyshacl takes about half a millisecond a node, minutes for a graph of ordinary size. But kgrec's own shapes see little
of an edge: the classes of its ends, its relation, its provenance, and on which side of the shapes' bounds weight and
time lie. So edges (and nodes) that no shape can tell apart are checked once, by a representative, and what the shapes
say of it holds for all of them. The bounds are read from the shapes. A shapes file of the user's may look at anything;
it is run on the whole graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.errors import DataError, UsageError
from kgrec.graph.query import check_readable
from kgrec.graph.rdf import (
    TYPE,
    RdfOptions,
    date_literal,
    float_literal,
    lines,
    literal,
    node_iris,
    ontology_lines,
    relation_iris,
    relation_lines,
    shapes_turtle,
    triple_lines,
    type_iris,
)
from kgrec.graph.tables import GraphTables
from kgrec.graph.vocabulary import NAMESPACE, RDFS

if TYPE_CHECKING:
    from rdflib import Graph

_DAY = 86_400
_FUTURE = """
kgrec:FutureShape a sh:NodeShape ; sh:targetClass kgrec:Edge ; sh:property [ sh:path kgrec:time ;
  sh:maxInclusive "LATEST"^^xsd:dateTime ; sh:message "has a time in the future" ] .
"""
"""Appended to kgrec's shapes, with the time from which on times are impossible."""


@dataclass(frozen=True, slots=True)
class ShapeViolation:
    """A node or edge that breaks a shape.

    Attributes:
        node: what breaks it: ``item:50``, ``relation:rate``, or an edge as ``user:1 -rate-> item:50``.
        shape: name of the shape: ``InteractionShape``.
        message: what is wrong.
        source: the file it came from, None where unknown; for a node that of its first edge.
        line: the line in that file.
        total: how many nodes or edges break this shape in the same way.
    """

    node: str
    shape: str
    message: str
    source: str | None
    line: int | None
    total: int = 1


def validate(
    kg: GraphTables,
    *,
    base_iri: str,
    shapes: Path | None = None,
    limit: int = 100,
    now: float | None = None,
) -> list[ShapeViolation]:
    """Check the graph against kgrec's shapes, and optionally further shapes.

    Args:
        kg: the graph.
        base_iri: start of the IRIs of nodes that have none of their own.
        shapes: file of further SHACL shapes (Turtle), run on the whole graph without ``kgrec:Edge``; takes about 30 s
            for each million triples and half a millisecond for each targeted node.
        limit: violations of the same kind to name at most.
        now: unix seconds after which (and a day) times are impossible; by default the clock's.

    Raises:
        DataError: ``shapes`` is no Turtle.
    """
    latest = datetime.fromtimestamp((time.time() if now is None else now) + _DAY, UTC)
    own = _parse(shapes_turtle() + _FUTURE.replace("LATEST", latest.strftime("%Y-%m-%dT%H:%M:%SZ")), "kgrec's shapes")
    nodes, edges = node_profiles(kg), edge_profiles(kg, own)
    findings = _run(_graph(representatives(kg, nodes, edges, base_iri)), own)
    found = [*_of_nodes(kg, nodes, findings, limit), *_of_edges(kg, edges, findings, limit), *_of_relations(findings)]
    if shapes is not None:
        found += _extra(kg, shapes, base_iri, limit)
    return found


def _of_nodes(kg: GraphTables, profiles: pl.DataFrame, findings: pl.DataFrame, limit: int) -> list[ShapeViolation]:
    hit = _matched(profiles, findings.filter(pl.col("part") == "n"), limit)
    hit = hit.with_columns(node=_node_names(kg).gather(hit["row"]))
    return _violations(hit.join(_origins(kg), on="row", how="left", maintain_order="left"))


def _of_edges(kg: GraphTables, profiles: pl.DataFrame, findings: pl.DataFrame, limit: int) -> list[ShapeViolation]:
    hit = _matched(profiles, findings.filter(pl.col("part").is_in(["e", "h", "t"])), limit)
    return _violations(_with_edges(kg, hit))


def _of_relations(findings: pl.DataFrame) -> list[ShapeViolation]:
    rows = findings.filter(pl.col("part") == "").unique(maintain_order=True)
    names = [iri.rsplit("/", 1)[-1] for iri in rows["focus"].to_list()]
    told = zip(names, rows["shape"].to_list(), rows["message"].to_list(), strict=True)
    return [ShapeViolation(f"relation:{name}", shape, message, None, None) for name, shape, message in told]


def _matched(profiles: pl.DataFrame, findings: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Return the rows behind representatives that break a shape: row, shape, message, total; ``limit`` of a kind."""
    pairs = findings.select(pl.col("number").cast(pl.UInt32).alias("profile"), "shape", "message").unique(
        maintain_order=True
    )
    return (
        profiles.select("row", "profile")
        .join(pairs, on="profile", maintain_order="left")
        .unique(subset=["row", "shape", "message"], maintain_order=True)
        .with_columns(total=pl.len().over("shape", "message"))
        .filter(pl.int_range(pl.len()).over("shape", "message") < limit)
        .sort("shape", "message", "row")
    )


def _with_edges(kg: GraphTables, hit: pl.DataFrame) -> pl.DataFrame:
    edges = kg.edges[hit["row"]]
    names = _node_names(kg)
    relations = kg.relations["name"]
    ends = {
        end: names.gather(edges[end].clip(0, max(len(names) - 1, 0))).set(edges[end] >= len(names), "(missing node)")
        for end in ("head", "tail")
    }
    known = edges["relation"].clip(0, max(len(relations) - 1, 0))
    relation = relations.gather(known).set(edges["relation"] >= len(relations), "(undeclared)")
    return hit.with_columns(
        pl.select(pl.format("{} -{}-> {}", ends["head"], relation, ends["tail"]).alias("node"))["node"],
        edges["source"],
        edges["line"],
    )


def _violations(rows: pl.DataFrame) -> list[ShapeViolation]:
    columns = ("node", "shape", "message", "source", "line", "total")
    return [ShapeViolation(*row) for row in rows.select(columns).iter_rows()]  # at most ``limit`` of a kind


def _node_names(kg: GraphTables) -> pl.Series:
    return kg.nodes.select(pl.format("{}:{}", "kind", pl.col("key").fill_null("")).alias("name"))["name"]


def _origins(kg: GraphTables) -> pl.DataFrame:
    """Return for each node the source and line of the first edge that names it."""
    ends = pl.concat([kg.edges.select(pl.col(end).alias("row"), "source", "line") for end in ("head", "tail")])
    return ends.filter(pl.col("source").is_not_null()).unique("row", keep="first", maintain_order=True)


def _extra(kg: GraphTables, shapes_file: Path, base_iri: str, limit: int) -> list[ShapeViolation]:
    try:
        text = shapes_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{shapes_file} cannot be read: {error}", hint="it must be a Turtle file in UTF-8") from None
    shapes = _parse(text, str(shapes_file))
    data = _graph(lines(kg, RdfOptions(base_iri), graphs=False))
    _check_shapes(shapes, shapes_file)
    try:
        findings = _run(data, shapes)
    except Exception as error:  # pyshacl lets everything through that a query or a regular expression of shapes raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"{shapes_file}: the shapes cannot be evaluated: {reason}",
            hint="check the queries (sh:select, sh:ask), paths and patterns of the shapes",
        ) from None
    numbers = pl.DataFrame({"focus": node_iris(kg.nodes, base_iri).str.head(-1).str.slice(1)}).with_row_index("row")
    rows = findings.join(numbers, on="focus", how="left", maintain_order="left")
    rows = rows.join(numbers.rename({"focus": "value", "row": "other"}), on="value", how="left", maintain_order="left")
    rows = rows.join(_edge_between(kg, rows, base_iri), on=["row", "path", "other"], how="left", nulls_equal=True)
    rows = rows.join(_origins(kg), on="row", how="left", suffix="_first")
    names = _node_names(kg)
    rows = rows.with_columns(
        node=pl.coalesce(names.gather(rows["row"].fill_null(0)).set(rows["row"].is_null(), None), pl.col("focus")),
        source=pl.coalesce("source", "source_first"),
        line=pl.coalesce("line", "line_first"),
        total=pl.len().over("shape", "message"),
    )
    return _violations(rows.filter(pl.int_range(pl.len()).over("shape", "message") < limit))


def _check_shapes(shapes: Graph, file: Path) -> None:
    """Make sure that the queries within shapes only read this graph: a call to a server would send it there.

    Raises:
        DataError: a query does more, or its text is none.
    """
    from rdflib.namespace import SH

    for part in (SH.select, SH.ask, SH.construct, SH.update):
        for query in shapes.objects(None, part):
            try:
                check_readable(str(query))
            except UsageError as error:
                raise DataError(f"{file}: sh:{part.rsplit('#')[-1]}: {error.message}", hint=error.hint) from None


def _edge_between(kg: GraphTables, rows: pl.DataFrame, base_iri: str) -> pl.DataFrame:
    """Return source and line of the first edge behind each (row, path, other), forward only."""
    paths = relation_iris(kg.relations["name"], base_iri).str.head(-1).str.slice(1)
    wanted = rows.select("row", "path", "other").drop_nulls().unique()
    relations = pl.DataFrame({"path": paths}).with_row_index("relation").cast({"relation": pl.UInt16})
    edges = kg.edges.select(pl.col("head").alias("row"), "relation", pl.col("tail").alias("other"), "source", "line")
    joined = wanted.join(relations, on="path").join(edges, on=["row", "relation", "other"], maintain_order="right")
    return joined.unique(["row", "path", "other"], keep="first", maintain_order=True).drop("relation")


def _parse(text: str, where: str) -> Graph:
    from rdflib import Graph
    from rdflib.plugins.parsers.notation3 import BadSyntax

    try:
        return Graph().parse(data=text, format="turtle")
    except BadSyntax as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{where}: no Turtle, line {error.lines + 1}: {reason}", hint="check the syntax") from None
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError, AssertionError) as error:
        # What rdflib's parser raises of rubbish besides.
        raise DataError(f"{where}: no Turtle: {type(error).__name__}", hint="check the syntax") from None


def _graph(blocks: Iterable[pl.Series]) -> Graph:
    from rdflib import Graph

    graph = Graph()
    for block in blocks:
        graph.parse(data="\n".join(block.to_list()), format="nt")
    return graph


def _run(data: Graph, shapes: Graph) -> pl.DataFrame:
    """Run pyshacl; one row a result: focus, part and number of a representative, shape, message, path, value."""
    from pyshacl import validate as shacl
    from rdflib.namespace import RDF, SH

    _, report, _ = shacl(data, shacl_graph=shapes, inference="none", meta_shacl=False, allow_warnings=False)
    rows = []
    for result in report.subjects(RDF.type, SH.ValidationResult):
        focus, path, value = (report.value(result, p) for p in (SH.focusNode, SH.resultPath, SH.value))
        shape = _named(shapes, report.value(result, SH.sourceShape))
        messages = sorted(str(m) for m in report.objects(result, SH.resultMessage))
        told = str(value) if value is not None else None
        rows.append((str(focus), shape, "; ".join(messages), None if path is None else str(path), told))
    columns = ("focus", "shape", "message", "path", "value")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").sort(columns)
    place = pl.col("focus").str.extract_groups(r"^urn:kgrec:(?<part>[neht]):(?<number>\d+)$")
    return frame.with_columns(
        part=place.struct.field("part").fill_null(""), number=place.struct.field("number").cast(pl.Int64)
    )


def _named(shapes: Graph, shape: object) -> str:
    """Return the name of a shape; a property shape without one goes by the shape that holds it."""
    from rdflib import BNode
    from rdflib.namespace import SH

    while isinstance(shape, BNode):
        holders = sorted(shapes.subjects(SH.property, shape), key=str)
        if not holders:
            return "(unnamed)"
        shape = holders[0]
    text = str(shape)
    return text.rsplit("#", 1)[-1].rsplit("/", 1)[-1]


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
    yield triple_lines(rows.filter("label_seen"), "node", f"<{RDFS}label>", literal("label"))
    keyed = rows.filter("key_seen")
    yield triple_lines(keyed, "node", f"<{NAMESPACE}key>", literal("key"))
    twice = keyed.filter(~pl.col("alone")).with_columns(pl.concat_str("key", pl.lit(" (again)")).alias("key"))
    yield triple_lines(twice, "node", f"<{NAMESPACE}key>", literal("key"))


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
    yield triple_lines(rows, "e", TYPE, pl.col("edge_class"))
    for name, value in (("head", "h"), ("relation", "r"), ("tail", "t")):
        yield triple_lines(rows, "e", f"<{NAMESPACE}{name}>", pl.col(value))
    yield rows.select(pl.format("{} {} {} .", "h", "r", "t").alias("line"))["line"]
    yield triple_lines(rows.drop_nulls("weight"), "e", f"<{NAMESPACE}weight>", float_literal("weight"))
    yield triple_lines(rows.drop_nulls("time"), "e", f"<{NAMESPACE}time>", date_literal("time"))
    yield triple_lines(rows.drop_nulls("whence"), "e", f"<{NAMESPACE}provenance>", pl.col("whence"))
    for part, end in (("h", "head"), ("t", "tail")):
        there = rows.drop_nulls(f"{end}_kind")
        yield from _classes(there, part, f"{end}_kind", f"{end}_type", base_iri)
        # Nodes have their own representatives: these are nothing but ends.
        yield triple_lines(there, part, f"<{RDFS}label>", '"end"')
        yield triple_lines(there, part, f"<{NAMESPACE}key>", '"end"')


def _classes(rows: pl.DataFrame, node: str, kind: str, type_: str, base_iri: str) -> Iterator[pl.Series]:
    # Every class is stated: otherwise pyshacl would have to infer it for each node.
    yield triple_lines(rows, node, TYPE, f"<{NAMESPACE}Node>")
    yield triple_lines(rows, node, TYPE, type_iris(rows[kind], base_iri))
    typed = rows.drop_nulls(type_)
    yield triple_lines(typed, node, TYPE, type_iris(typed[type_], base_iri))


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
