"""SHACL: a sound graph conforms; every fault is named with the row it came from, and how often it occurs."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest

from kgrec.errors import DataError
from kgrec.graph.validate import validate

BASE = "https://kgrec.example/id/"
NOW = 1_700_000_000


def found(kg, **options):
    return {(v.shape, v.message, v.node, v.line) for v in validate(kg, base_iri=BASE, now=NOW, **options)}


def with_edge(kg, row, **values):
    edges = kg.edges.with_row_index("row").with_columns(
        pl.when(pl.col("row") == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )
    return dataclasses.replace(kg, edges=edges.drop("row").cast(dict(kg.edges.schema)))


def test_sound_graph_conforms(film_graph):
    assert validate(film_graph, base_iri=BASE) == []


@pytest.mark.parametrize(
    ("row", "values", "shape", "message"),
    [
        (3, {"weight": 1.5}, "FactShape", "has a weight outside (0, 1]"),
        (9, {"weight": 0.0}, "FactShape", "has a weight outside (0, 1]"),
        (0, {"weight": float("nan")}, "EdgeShape", "has a weight that is no number of ordinary size"),
        (0, {"weight": float("inf")}, "EdgeShape", "has a weight that is no number of ordinary size"),
        (0, {"time": -1}, "EdgeShape", "has an impossible time: before 1970-01-02"),
        (0, {"time": NOW + 100_000}, "FutureShape", "has a time in the future"),
        (3, {"provenance": "hearsay"}, "EdgeShape", "does not say how it came into the graph"),
        (0, {"head": 2}, "InteractionShape", "is an interaction that does not start at a user"),
        (0, {"tail": 7}, "InteractionShape", "is an interaction that does not end at an item"),
        (3, {"relation": 40}, "EdgeShape", "has a relation that is not declared"),
        (3, {"tail": 99}, "EdgeShape", "ends at no node of the graph"),
        (3, {"head": 99}, "EdgeShape", "starts at no node of the graph"),
    ],
)
def test_faulty_edge_is_named_with_its_row(film_graph, row, values, shape, message):
    told = {(s, m, line) for s, m, _, line in found(with_edge(film_graph, row, **values))}
    assert (shape, message, row + 2) in told
    assert {line for _, _, line in told} == {row + 2}


def test_values_on_the_bounds_are_fine(film_graph):
    assert not found(with_edge(film_graph, 9, weight=1.0))
    assert not found(with_edge(film_graph, 0, time=86_400))
    assert not found(with_edge(film_graph, 0, time=NOW + 86_400))
    assert not found(with_edge(film_graph, 0, weight=-7.5))


def test_limit_and_total(film_graph):
    edges = film_graph.edges.with_columns(
        pl.when(pl.col("relation") == 3).then(2.0).otherwise("weight").alias("weight")
    )
    kg = dataclasses.replace(film_graph, edges=edges.cast(dict(film_graph.edges.schema)))
    (only,) = validate(kg, base_iri=BASE, limit=1)
    assert (only.total, only.source, only.line) == (3, "film.csv", 8)


def test_faulty_nodes(film_graph):
    nodes = film_graph.nodes.with_columns(
        label=pl.when(pl.col("key") == "7").then(pl.lit("  ")).otherwise("label"),
        key=pl.when(pl.col("key") == "ann").then(pl.lit("bob@x.org")).otherwise("key"),
    )
    told = found(dataclasses.replace(film_graph, nodes=nodes))
    assert ("NodeShape", "has no label", "item:7", 7) in told
    shared = [(node, line) for shape, message, node, line in told if "shares its key" in message]
    assert sorted(shared) == [("user:bob@x.org", 2), ("user:bob@x.org", 4)]


def test_relations_need_label_and_inverse(film_graph):
    relations = film_graph.relations.with_columns(
        label=pl.when(pl.col("name") == "rate").then(pl.lit("")).otherwise("label"),
        inverse=pl.when(pl.col("name") == "starring").then(None).otherwise("inverse"),
        inverse_label=pl.when(pl.col("name") == "mentions").then(None).otherwise("inverse_label"),
    )
    told = {(message, node) for _, message, node, _ in found(dataclasses.replace(film_graph, relations=relations))}
    assert told == {
        ("is a relation without a label", "relation:rate"),
        ("is a relation without an inverse", "relation:starring"),
        ("is a relation whose inverse has no label", "relation:starring"),
        ("is a relation whose inverse has no label", "relation:mentions"),
    }


OWN = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix kgrec: <https://w3id.org/kgrec/ns#> .
@prefix rel: <https://kgrec.example/id/relation/> . @prefix x: <http://example.org/> .
x:DirectedShape a sh:NodeShape ; sh:targetClass kgrec:Item ;
  sh:property [ sh:path rel:directed_by ; sh:minCount 1 ; sh:message "has no director" ] ;
  sh:property [ sh:path rel:starring ; sh:class kgrec:User ; sh:message "stars nobody we know" ] .
"""


def test_own_shapes_run_on_the_whole_graph(film_graph, tmp_path):
    (tmp_path / "own.ttl").write_text(OWN)
    told = {(message, node, line) for _, message, node, line in found(film_graph, shapes=tmp_path / "own.ttl")}
    assert told == {
        ("has no director", "item:7", 7),
        ("has no director", "item:9/大话", 10),
        ("stars nobody we know", "item:50", 6),
        ("stars nobody we know", "item:7", 7),
    }


def test_unreadable_shapes(film_graph, tmp_path):
    (tmp_path / "bad.ttl").write_text("@prefix x: <http://x/> .\nx:a x:b ;;; [")
    with pytest.raises(DataError, match="no Turtle, line 2"):
        validate(film_graph, base_iri=BASE, shapes=tmp_path / "bad.ttl")
    with pytest.raises(DataError, match="cannot be read"):
        validate(film_graph, base_iri=BASE, shapes=tmp_path / "none.ttl")


BROKEN_SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix kgrec: <https://w3id.org/kgrec/ns#> .
[] a sh:NodeShape ; sh:targetClass kgrec:Node ; {constraint} .
"""


@pytest.mark.parametrize(
    ("constraint", "told"),
    [
        ('sh:sparql [ sh:message "m" ; sh:select "SELECT $this WHERE { broken" ]', "cannot be evaluated"),
        ('sh:sparql [ sh:message "m" ]', "cannot be evaluated"),
        ("sh:property [ sh:path 3 ; sh:minCount 1 ]", "cannot be evaluated"),
        ('sh:property [ sh:path kgrec:key ; sh:pattern "(" ]', "cannot be evaluated"),
        (
            'sh:sparql [ sh:select "SELECT $this WHERE { SERVICE <http://h/> { $this ?p ?o } }" ]',
            "SERVICE asks another",
        ),
        ('sh:sparql [ sh:select "DROP ALL" ]', "DROP changes data"),
        ("sh:property " + "[ sh:path " * 3_000, "no Turtle"),
    ],
)
def test_shapes_that_cannot_be_run_are_named(film_graph, tmp_path, constraint, told):
    file = tmp_path / "shapes.ttl"
    file.write_text(BROKEN_SHAPES.replace("{constraint}", constraint))
    with pytest.raises(DataError, match=told):
        validate(film_graph, base_iri=BASE, shapes=file)
