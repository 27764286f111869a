"""Namespaces and prefixes of the knowledge graph's RDF; apart, because the process of a query has no need of Polars."""

from __future__ import annotations

NAMESPACE = "https://w3id.org/kgrec/ns#"
"""kgrec's own vocabulary: ``assets/ontology.ttl``."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
VOID = "http://rdfs.org/ns/void#"


def prefixes(base_iri: str) -> dict[str, str]:
    """Return the prefixes that queries and exports may use without declaring them."""
    return {
        "kgrec": NAMESPACE,
        "user": f"{base_iri}user/",
        "item": f"{base_iri}item/",
        "entity": f"{base_iri}entity/",
        "rel": f"{base_iri}relation/",
        "type": f"{base_iri}type/",
        "graph": f"{base_iri}provenance/",
        "rdf": RDF,
        "rdfs": RDFS,
        "owl": OWL,
        "xsd": XSD,
        "skos": SKOS,
    }
