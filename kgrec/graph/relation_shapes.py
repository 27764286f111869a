"""SHACL shapes that depend on the workspace: the ends of its relation types, and today's date."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from kgrec.graph.terms import relation_iris, type_iris

if TYPE_CHECKING:
    from kgrec.plugin.domain import RelationType


def relation_shapes(relation_types: Iterable[RelationType], base_iri: str, latest: int) -> str:
    """Return Turtle, to be appended to kgrec's shapes.

    Args:
        relation_types: their ``head`` and ``tail`` become ``sh:class`` of the subjects and objects of the relation;
            ``entity`` also allows items, which entities may be linked to.
        base_iri: start of the workspace's IRIs.
        latest: unix seconds; later times are impossible.
    """
    moment = datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [
        "kgrec:FutureShape a sh:NodeShape ; sh:targetClass kgrec:Edge ; sh:property [ sh:path kgrec:time ;"
        f' sh:maxInclusive "{moment}"^^xsd:dateTime ; sh:message "has a time in the future" ] .'
    ]
    types = {kind.name: kind for kind in relation_types}
    for kind in types.values():
        iri = relation_iris(pl.Series([kind.name]), base_iri)[0]
        for end, target, wanted in (("Head", "Subjects", kind.head), ("Tail", "Objects", kind.tail)):
            text = f"{kind.name} must {'start' if end == 'Head' else 'end'} at a node of type {wanted}"
            parts.append(
                f"{iri[:-1]}.{end.lower()}> a sh:NodeShape ; sh:target{target}Of {iri} ;"
                f" {_of_type(wanted, base_iri)} ; sh:message {_quoted(text)} ."
            )
    return "\n\n" + "\n".join(parts) + "\n"


def _of_type(name: str, base_iri: str) -> str:
    if name == "entity":
        return "sh:or ( [ sh:class kgrec:Entity ] [ sh:class kgrec:Item ] )"
    return f"sh:class {type_iris(pl.Series([name]), base_iri)[0]}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
