"""The ontology and shapes: well-formed, complete in labels (en, zh) and inverses, and shipped with the package."""

from __future__ import annotations

import pytest
import rdflib
from rdflib.namespace import OWL, RDF, RDFS, SH

from kgrec.graph.rdf import ontology_lines, ontology_turtle, relation_lines, shapes_turtle
from kgrec.plugin.domain import ACTIONS

KGREC = rdflib.Namespace("https://w3id.org/kgrec/ns#")
ONTOLOGY = rdflib.Graph().parse(data=ontology_turtle(), format="turtle")


def test_every_term_has_labels_in_both_languages():
    for kind in (OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty):
        for term in ONTOLOGY.subjects(RDF.type, kind):
            assert {label.language for label in ONTOLOGY.objects(term, RDFS.label)} == {"en", "zh"}, term


def test_every_object_property_has_an_inverse_that_points_back():
    properties = set(ONTOLOGY.subjects(RDF.type, OWL.ObjectProperty))
    assert len(properties) > 20
    for term in properties:
        inverse = ONTOLOGY.value(term, OWL.inverseOf)
        assert inverse in properties, term
        assert ONTOLOGY.value(inverse, OWL.inverseOf) == term


def test_every_action_is_an_interaction():
    for action in ACTIONS:
        assert (KGREC[action], RDFS.subPropertyOf, KGREC.interaction) in ONTOLOGY


def test_lines_are_the_ontology_and_name_no_blank_node():
    # A blank node would get another name with each write, and no difference could be applied to it.
    text = "\n".join(ontology_lines().to_list())
    assert "_:" not in text
    assert len(rdflib.Graph().parse(data=text, format="nt")) == len(ONTOLOGY)


def test_shapes_speak_only_of_declared_terms():
    shapes = rdflib.Graph().parse(data=shapes_turtle(), format="turtle")
    assert len(set(shapes.subjects(RDF.type, SH.NodeShape))) >= 6
    used = {term for triple in shapes for term in triple if str(term).startswith(str(KGREC))}
    declared = set(ONTOLOGY.subjects())
    assert {term for term in used - declared if not str(term).endswith("Shape")} == set()


@pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")  # pyshacl uses what rdflib deprecates
def test_shapes_are_valid_shacl():
    from pyshacl import validate

    conforms, _, _ = validate(rdflib.Graph(), shacl_graph=shapes_turtle(), shacl_graph_format="turtle", meta_shacl=True)
    assert conforms


def test_relations_of_a_workspace(film_graph):
    lines = relation_lines(film_graph, "https://kgrec.example/id/")
    graph = rdflib.Graph().parse(data="\n".join(lines), format="nt")
    rel = rdflib.Namespace("https://kgrec.example/id/relation/")
    assert (rel.rate, RDFS.subPropertyOf, KGREC.interaction) in graph
    assert (rel.starring, RDFS.subPropertyOf, KGREC.relatedTo) in graph
    assert graph.value(graph.value(rel.starring, OWL.inverseOf), RDFS.label) == rdflib.Literal("stars in")
    person = rdflib.URIRef("https://kgrec.example/id/type/person")
    assert (person, RDFS.subClassOf, KGREC.Entity) in graph
