"""The knowledge graph as lines of N-Quads, made by Polars a block at a time: no step for each triple.

What becomes of a graph:

* a node: its class (``kgrec:User``, ``kgrec:Item``, ``kgrec:Entity`` and the class of its type), ``rdfs:label``,
  ``skos:altLabel`` and, of users and items, ``kgrec:key``, in the default graph;
* a relation: an ``owl:ObjectProperty`` with label and inverse, in the default graph, as is kgrec's ontology;
* an edge: one triple in the graph of its provenance (``graph:catalogue``, ``graph:interaction``...);
* an edge that has a time or a weight other than 1: further a ``kgrec:Edge`` that carries them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from kgrec.errors import ConfigError
from kgrec.graph.tables import GraphTables
from kgrec.graph.vocabulary import NAMESPACE, OWL, RDF, RDFS, SKOS, VOID, XSD

BLOCK_ROWS = 200_000
"""Rows turned into text at once."""

STATEMENT = ("head", "relation", "tail", "provenance")
TYPE = f"<{RDF}type>"


@dataclass(frozen=True, slots=True)
class RdfOptions:
    """What goes into the RDF.

    Attributes:
        base_iri: start of the IRIs of nodes that have none of their own.
        interactions: the edges between users and items too.
        details: times and weights of edges too; a rated interaction then takes six quads instead of one.
    """

    base_iri: str
    interactions: bool = True
    details: bool = False

    def __post_init__(self) -> None:
        if not re.match(IS_IRI, self.base_iri) or self.base_iri[-1] not in "/#":
            raise ConfigError(
                f"graph.base_iri = {self.base_iri!r} is no start of IRIs",
                hint="it begins with http:// or https:// and ends with / or #",
            )


def statements(edges: pl.DataFrame, options: RdfOptions) -> pl.DataFrame:
    """Return the edges that become triples, each once: ``head``, ``relation``, ``tail``, ``provenance``."""
    return _wanted(edges, options).select(STATEMENT).unique(maintain_order=True)


def detailed(edges: pl.DataFrame, options: RdfOptions) -> pl.DataFrame:
    """Return the edges that carry more than the fact: ``head``, ``relation``, ``tail``, ``time``, ``weight``.

    Edges of equal ends, relation and time are one, with the largest weight.
    """
    keys = ["head", "relation", "tail", "time"]
    if not options.details:
        return edges.select(*keys, "weight").clear()
    told = _wanted(edges, options).filter(pl.col("time").is_not_null() | (pl.col("weight") != 1.0))
    return told.group_by(keys, maintain_order=True).agg(pl.col("weight").max())


def provenance_iri(provenance: str, base_iri: str) -> str:
    """Return the IRI term of the named graph that holds the edges of a provenance."""
    return f"<{base_iri}provenance/{provenance}>"


def node_lines(nodes: pl.DataFrame, base_iri: str) -> Iterator[pl.Series]:
    """Yield the lines that describe nodes."""
    frame = nodes.select("kind", "type", "key", "label", "aliases").with_columns(node=node_iris(nodes, base_iri))
    yield triple_lines(frame, "node", TYPE, type_iris(frame["kind"], base_iri))
    typed = frame.filter(pl.col("type").is_not_null() & (pl.col("type") != pl.col("kind")))
    yield triple_lines(typed, "node", TYPE, type_iris(typed["type"], base_iri))
    yield triple_lines(frame, "node", f"<{RDFS}label>", literal("label"))
    # An entity's key is its IRI or the end of it; the ids of users and items are what other tables are joined on.
    yield triple_lines(frame.filter(pl.col("kind") != "entity"), "node", f"<{NAMESPACE}key>", literal("key"))
    named = frame.filter(pl.col("aliases").list.len() > 0).explode("aliases").drop_nulls("aliases")
    yield triple_lines(named, "node", f"<{SKOS}altLabel>", literal("aliases"))


def statement_lines(
    rows: pl.DataFrame, nodes: pl.Series, relations: pl.Series, base_iri: str, *, graphs: bool = True
) -> Iterator[pl.Series]:
    """Yield a line for each row of :func:`statements`; ``nodes`` and ``relations`` are IRI terms by number."""
    graph = pl.format(provenance_iri("{}", base_iri), "provenance")
    for block in rows.iter_slices(BLOCK_ROWS):
        frame = _with_terms(block, nodes, relations).with_columns(g=graph)
        ending = pl.format(" {} .", "g") if graphs else pl.lit(" .")
        yield frame.select(pl.concat_str("h", pl.lit(" "), "r", pl.lit(" "), "t", ending).alias("line"))["line"]


def detail_lines(rows: pl.DataFrame, nodes: pl.Series, relations: pl.Series, base_iri: str) -> Iterator[pl.Series]:
    """Yield the lines of the ``kgrec:Edge`` of each row of :func:`detailed`.

    Its IRI names relation, ends and time, so that an edge keeps it when rows are added before it.
    """
    if rows.is_empty():
        return
    node_paths, relation_paths = _paths(nodes, base_iri), _paths(relations, f"{base_iri}relation/")
    for block in rows.iter_slices(BLOCK_ROWS):
        frame = _with_terms(block, nodes, relations).with_columns(
            hk=node_paths.gather(block["head"]),
            rk=relation_paths.gather(block["relation"]),
            tk=node_paths.gather(block["tail"]),
            moment=pl.col("time").cast(pl.String).fill_null("always"),
        )
        edge = pl.format("<{}edge/{}/{}/{}/{}>", pl.lit(base_iri), "rk", "hk", "tk", "moment")
        frame = frame.with_columns(edge=edge)
        for name, column in (("head", "h"), ("relation", "r"), ("tail", "t")):
            yield triple_lines(frame, "edge", f"<{NAMESPACE}{name}>", pl.col(column))
        yield triple_lines(frame, "edge", f"<{NAMESPACE}weight>", float_literal("weight"))
        timed = frame.drop_nulls("time")
        yield triple_lines(timed, "edge", f"<{NAMESPACE}time>", date_literal("time"))


def header_lines(kg: GraphTables, options: RdfOptions) -> pl.Series:
    """Return the lines that do not grow with the data: the ontology, the relations, what the store holds."""
    graph = f"<{options.base_iri}graph>"
    told = {"interactions": options.interactions, "details": options.details}
    about = [
        f"{graph} {TYPE} <{VOID}Dataset> .",
        f'{graph} <{VOID}uriSpace> "{options.base_iri}" .',
        *(f'{graph} <{NAMESPACE}{name}> "{str(on).lower()}"^^<{XSD}boolean> .' for name, on in told.items()),
    ]
    return pl.concat([ontology_lines(), relation_lines(kg, options.base_iri), pl.Series("line", about)])


def lines(kg: GraphTables, options: RdfOptions, *, graphs: bool = True) -> Iterator[pl.Series]:
    """Yield the whole graph as lines of N-Quads, or of N-Triples when ``graphs`` is False."""
    nodes = node_iris(kg.nodes, options.base_iri)
    relations = relation_iris(kg.relations["name"], options.base_iri)
    stated = statements(kg.edges, options)
    if not graphs:
        stated = stated.unique(subset=["head", "relation", "tail"], maintain_order=True)
    yield header_lines(kg, options)
    for block in kg.nodes.iter_slices(BLOCK_ROWS):
        yield from node_lines(block, options.base_iri)
    yield from statement_lines(stated, nodes, relations, options.base_iri, graphs=graphs)
    yield from detail_lines(detailed(kg.edges, options), nodes, relations, options.base_iri)


def to_bytes(line: pl.Series) -> bytes:
    """Return lines as UTF-8 text, each ended by a line feed."""
    buffer = io.BytesIO()
    line.rename("line").to_frame().write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()


class LineStream(io.RawIOBase):
    """Blocks of lines as a binary file, so that they never lie in memory all at once."""

    def __init__(self, blocks: Iterator[pl.Series]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer is what readers pass
        """Fill ``buffer``; 0 at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(to_bytes(block))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _wanted(edges: pl.DataFrame, options: RdfOptions) -> pl.DataFrame:
    return edges if options.interactions else edges.filter(pl.col("provenance") != "interaction")


def _with_terms(rows: pl.DataFrame, nodes: pl.Series, relations: pl.Series) -> pl.DataFrame:
    return rows.with_columns(
        h=nodes.gather(rows["head"]), r=relations.gather(rows["relation"]), t=nodes.gather(rows["tail"])
    )


def _paths(terms: pl.Series, start: str) -> pl.Series:
    inner = terms.str.head(-1).str.slice(1)
    frame = pl.DataFrame({"inner": inner, "encoded": encode(inner)})
    own = pl.col("inner").str.starts_with(start)
    return frame.select(pl.when(own).then(pl.col("inner").str.strip_prefix(start)).otherwise("encoded").alias("p"))["p"]


def triple_lines(frame: pl.DataFrame, subject: str, predicate: str, value: pl.Expr | pl.Series | str) -> pl.Series:
    """Return a line a row.

    Args:
        frame: the rows.
        subject: column of IRI terms.
        predicate: an IRI term.
        value: terms, or one term for all rows.
    """
    if isinstance(value, pl.Series):
        frame, value = frame.with_columns(value.alias("__value__")), pl.col("__value__")
    term = pl.lit(value) if isinstance(value, str) else value
    return frame.select(pl.format("{} " + predicate + " {} .", subject, term).alias("line"))["line"]


_UNSAFE = r"[^A-Za-z0-9._~:\-\p{L}\p{N}]"
IS_IRI = r"^(?:https?://|urn:)[^\x00-\x20<>\"{}|^`\\\x7f]+$"
"""Keys of this form are IRIs and kept as they stand."""

_LITERAL_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


def encode(keys: pl.Series) -> pl.Series:
    """Percent-encode keys so that each can be one step of an IRI's path; letters of any script stay readable.

    ``%`` itself is encoded, so different keys never meet.
    """
    unsafe = keys.filter(keys.str.contains(_UNSAFE)).unique()
    found = sorted(unsafe.str.extract_all(_UNSAFE).explode().drop_nulls().unique().to_list())
    if not found:
        return keys
    # One step for each distinct character that occurs, never for each key.
    encoded = ["".join(f"%{byte:02X}" for byte in char.encode("utf-8")) for char in found]
    return keys.str.replace_many(found, encoded)


def iris(keys: pl.Series, start: str) -> pl.Series:
    """Return ``<start + encoded key>`` of each key; a key that is an IRI itself is kept as it stands."""
    frame = pl.DataFrame({"key": keys, "path": encode(keys)}, schema={"key": pl.String, "path": pl.String})
    return frame.select(
        pl.when(pl.col("key").str.contains(IS_IRI))
        .then(pl.format("<{}>", "key"))
        .otherwise(pl.format("<{}{}>", pl.lit(start), "path"))
        .alias("iri")
    )["iri"]


def node_iris(nodes: pl.DataFrame, base_iri: str) -> pl.Series:
    """Return the IRI term of each node, shape ``(n,)``; see :data:`kgrec.graph.tables.NODES`.

    Users always get an IRI of the workspace, even when their key is an IRI: a person's address is not an entity.
    """
    path = encode(nodes["key"])
    frame = nodes.select("kind", "key").with_columns(path=path)
    own = pl.col("key").str.contains(IS_IRI) & (pl.col("kind") != "user")
    return frame.select(
        pl.when(own)
        .then(pl.format("<{}>", "key"))
        .otherwise(pl.format("<{}{}/{}>", pl.lit(base_iri), "kind", "path"))
        .alias("iri")
    )["iri"]


def relation_iris(names: pl.Series, base_iri: str) -> pl.Series:
    """Return the IRI term of each relation name."""
    return iris(names, f"{base_iri}relation/")


def type_iris(names: pl.Series, base_iri: str) -> pl.Series:
    """Return the IRI term of the class of each type name; the reserved types are kgrec's own classes."""
    own: Mapping[str, str] = {kind: f"<{NAMESPACE}{kind.capitalize()}>" for kind in ("user", "item", "entity")}
    reserved = names.replace_strict(own, default=None, return_dtype=pl.String)
    return pl.select(pl.coalesce(reserved, iris(names, f"{base_iri}type/")).alias("iri"))["iri"]


def literal(column: str) -> pl.Expr:
    """Return the plain literal of a string column."""
    text = pl.col(column).str.replace_many(list(_LITERAL_ESCAPES), list(_LITERAL_ESCAPES.values()))
    return pl.format('"{}"', text)


def date_literal(column: str) -> pl.Expr:
    """Return the xsd:dateTime literal of a column of unix seconds."""
    moment = pl.from_epoch(pl.col(column), time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pl.format('"{}"^^<' + XSD + "dateTime>", moment)


def float_literal(column: str) -> pl.Expr:
    """Return the xsd:float literal of a column of numbers."""
    text = pl.col(column).cast(pl.Float32).cast(pl.String).str.replace("inf", "INF", literal=True)
    return pl.format('"{}"^^<' + XSD + "float>", text)


def ontology_turtle() -> str:
    """Return kgrec's ontology (OWL and RDFS, Turtle)."""
    return _asset("ontology.ttl")


def shapes_turtle() -> str:
    """Return kgrec's SHACL shapes (Turtle)."""
    return _asset("shapes.ttl")


@cache
def ontology_lines() -> pl.Series:
    """Return kgrec's ontology as lines of N-Triples."""
    import pyoxigraph as ox

    triples = ox.parse(ontology_turtle(), format=ox.RdfFormat.TURTLE)
    text = (ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES) or b"").decode("utf-8")
    return pl.Series("line", text.splitlines(), dtype=pl.String)


def relation_lines(kg: GraphTables, base_iri: str) -> pl.Series:
    """Return the ontology of the workspace's relations and entity types as lines of N-Triples.

    Each relation is a ``kgrec:Relation`` with label, inverse, and the inverse's label; those of interactions are
    sub-properties of ``kgrec:interaction``; each type of entity is a sub-class of ``kgrec:Entity``.
    """
    actions = kg.edges.filter(pl.col("provenance") == "interaction")["relation"].unique()
    frame = kg.relations.with_row_index("number").with_columns(
        forward=relation_iris(kg.relations["name"], base_iri),
        backward=relation_iris(kg.relations["inverse"].fill_null(""), base_iri),
        parent=pl.when(pl.col("number").is_in(actions.implode()))
        .then(pl.lit(f"<{NAMESPACE}interaction>"))
        .otherwise(pl.lit(f"<{NAMESPACE}relatedTo>")),
    )
    inverse = frame.filter(pl.col("inverse").is_not_null())
    inverse_labelled = inverse.filter(pl.col("inverse_label").is_not_null())
    types = kg.nodes.filter(pl.col("kind") == "entity")["type"].drop_nulls().unique().sort()
    types = types.filter(~types.is_in(["entity", "item", "user"]))
    classes = pl.DataFrame({"type": types, "class": type_iris(types, base_iri)})
    parts = [
        triple_lines(frame, "forward", TYPE, f"<{OWL}ObjectProperty>"),
        triple_lines(frame, "forward", TYPE, f"<{NAMESPACE}Relation>"),
        triple_lines(frame, "forward", f"<{RDFS}subPropertyOf>", pl.col("parent")),
        triple_lines(frame.drop_nulls("label"), "forward", f"<{RDFS}label>", literal("label")),
        triple_lines(inverse, "forward", f"<{OWL}inverseOf>", pl.col("backward")),
        triple_lines(inverse, "backward", TYPE, f"<{OWL}ObjectProperty>"),
        triple_lines(inverse, "backward", f"<{OWL}inverseOf>", pl.col("forward")),
        triple_lines(inverse_labelled, "backward", f"<{RDFS}label>", literal("inverse_label")),
        triple_lines(classes, "class", TYPE, f"<{OWL}Class>"),
        triple_lines(classes, "class", f"<{RDFS}subClassOf>", f"<{NAMESPACE}Entity>"),
        triple_lines(classes, "class", f"<{RDFS}label>", literal("type")),
    ]
    # A relation may be its own inverse, or two may be each other's.
    return pl.concat(parts).unique(maintain_order=True)


def _asset(name: str) -> str:
    return files("kgrec.graph").joinpath("assets", name).read_text(encoding="utf-8")
