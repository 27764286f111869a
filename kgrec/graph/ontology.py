"""kgrec's ontology and shapes, and the ontology of a workspace's own relations."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import polars as pl

from kgrec.graph.tables import GraphTables
from kgrec.graph.terms import literal, relation_iris, type_iris
from kgrec.graph.vocabulary import NAMESPACE, OWL, RDF, RDFS

if TYPE_CHECKING:
    from rdflib import Graph


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
        _lines(frame, "forward", f"<{RDF}type>", pl.lit(f"<{OWL}ObjectProperty>")),
        _lines(frame, "forward", f"<{RDF}type>", pl.lit(f"<{NAMESPACE}Relation>")),
        _lines(frame, "forward", f"<{RDFS}subPropertyOf>", pl.col("parent")),
        _lines(frame.drop_nulls("label"), "forward", f"<{RDFS}label>", literal("label")),
        _lines(inverse, "forward", f"<{OWL}inverseOf>", pl.col("backward")),
        _lines(inverse, "backward", f"<{RDF}type>", pl.lit(f"<{OWL}ObjectProperty>")),
        _lines(inverse, "backward", f"<{OWL}inverseOf>", pl.col("forward")),
        _lines(inverse_labelled, "backward", f"<{RDFS}label>", literal("inverse_label")),
        _lines(classes, "class", f"<{RDF}type>", pl.lit(f"<{OWL}Class>")),
        _lines(classes, "class", f"<{RDFS}subClassOf>", pl.lit(f"<{NAMESPACE}Entity>")),
        _lines(classes, "class", f"<{RDFS}label>", literal("type")),
    ]
    # A relation may be its own inverse, or two may be each other's.
    return pl.concat(parts).unique(maintain_order=True)


def relations_graph(kg: GraphTables, base_iri: str) -> Graph:
    """Return the ontology of the workspace's relations as an rdflib graph; see :func:`relation_lines`."""
    from rdflib import Graph

    return Graph().parse(data="\n".join(relation_lines(kg, base_iri).to_list()), format="nt")


def _asset(name: str) -> str:
    return files("kgrec.graph").joinpath("assets", name).read_text(encoding="utf-8")


def _lines(frame: pl.DataFrame, subject: str, predicate: str, value: pl.Expr) -> pl.Series:
    return frame.select(pl.format("{} " + predicate + " {} .", pl.col(subject), value).alias("line"))["line"]
