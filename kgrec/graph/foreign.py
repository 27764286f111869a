"""Foreign graphs as they are read, before items and relations are recognised: edges, names and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import polars as pl

from kgrec.graph.facts import NAMES, shape

RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
LABELS: Mapping[str, int] = {
    "http://www.w3.org/2000/01/rdf-schema#label": 20,
    "http://www.w3.org/2004/02/skos/core#prefLabel": 30,
    "http://schema.org/name": 40,
    "https://schema.org/name": 40,
    "http://xmlns.com/foaf/0.1/name": 50,
    "http://www.w3.org/2004/02/skos/core#altLabel": 60,
    "http://schema.org/alternateName": 60,
    "https://schema.org/alternateName": 60,
}
"""Properties whose literals are names of their subject, with the rank of the name."""

_NO_TYPES = ("Thing", "Resource", "NamedIndividual", "Class", "Concept", "Entity")
_RANK_LOCAL_NAME = 90
_LANGUAGES = {"en": 0, "": 1, "zh": 2}

TRIPLES: Mapping[str, pl.DataType] = {
    "head": pl.String(),
    "relation": pl.String(),
    "tail": pl.String(),
    "line": pl.UInt32(),
    "source": pl.String(),
}
ENTITY_NAMES: Mapping[str, pl.DataType] = {"entity": pl.String(), "name": pl.String(), "rank": pl.UInt8()}
ENTITY_TYPES: Mapping[str, pl.DataType] = {"entity": pl.String(), "type": pl.String(), "rank": pl.UInt8()}


@dataclass(frozen=True)
class Parsed:
    """A file of triples: foreign keys and relations, nothing resolved.

    Attributes:
        triples: ``head``, ``relation``, ``tail``, ``line``, ``source``.
        names: ``entity``, ``name``, ``rank``; see :data:`kgrec.graph.facts.NAMES`.
        types: ``entity``, ``type``, ``rank``.
        counts: what was read and left out.
    """

    triples: pl.DataFrame
    names: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(ENTITY_NAMES)))
    types: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(ENTITY_TYPES)))
    counts: Mapping[str, int] = field(default_factory=dict)


def split_rdf(statements: pl.DataFrame, source: str) -> Parsed:
    """Tell edges from names and types. Other literals are counted and left out: nothing uses them yet."""
    # The same blank node name in two files is two nodes.
    scoped = [
        pl.when(pl.col(c).str.starts_with("_:"))
        .then(pl.format("_:{}.{}", pl.lit(source), pl.col(c).str.slice(2)))
        .otherwise(c)
        .alias(c)
        for c in ("subject", "object")
    ]
    if statements.select(pl.col("subject", "object").str.starts_with("_:").any()).row(0) != (False, False):
        literal_object = pl.when(pl.col("literal")).then("object").otherwise(scoped[1]).alias("object")
        statements = statements.with_columns(scoped[0], literal_object)
    named = statements.filter(pl.col("literal") & pl.col("predicate").is_in(list(LABELS)))
    language = pl.col("language").fill_null("").str.split("-").list.first()
    rank = pl.col("predicate").replace_strict(LABELS, return_dtype=pl.UInt8)
    names = named.select(
        entity="subject",
        name=pl.col("object").str.replace_all(r"\s+", " ").str.strip_chars(),
        rank=rank + language.replace_strict(_LANGUAGES, default=3, return_dtype=pl.UInt8),
    ).filter(pl.col("name") != "")
    typed = statements.filter(~pl.col("literal") & (pl.col("predicate") == RDF_TYPE))
    types = typed.select(
        entity="subject", type=pl.col("object").str.strip_chars_end("/#").str.extract(r"([^/#:]+)$"), rank=pl.lit(20)
    ).filter(~pl.col("type").is_in(_NO_TYPES))
    types = types.with_columns(pl.col("type").str.replace_all("([a-z0-9])([A-Z])", "${1}_${2}").str.to_lowercase())
    edges = statements.filter(~pl.col("literal") & (pl.col("predicate") != RDF_TYPE))
    triples = shape(
        edges.rename({"subject": "head", "predicate": "relation", "object": "tail"}).with_columns(
            source=pl.lit(source)
        ),
        TRIPLES,
    )
    literals = int(statements["literal"].sum()) - named.height
    counts = {"read": statements.height, "names": names.height, "types": types.height, "literals_skipped": literals}
    return Parsed(triples, shape(names, ENTITY_NAMES), shape(types, ENTITY_TYPES), counts)


def local_names(facts: pl.DataFrame) -> pl.DataFrame:
    """Name entities by the end of their IRI, for want of a label: ``.../Tom_Hanks`` reads "Tom Hanks"."""
    keys = pl.concat(
        [facts.filter(pl.col(f"{end}_kind") == "entity").select(key=end) for end in ("head", "tail")]
    ).unique()
    iris = keys.filter(pl.col("key").str.contains("://", literal=True))
    local = iris["key"].str.strip_chars_end("/#").str.extract(r"([^/#]+)$")
    encoded = local.str.contains("%", literal=True).fill_null(False)
    if encoded.any():
        decoded = pl.Series([unquote(name) for name in local.filter(encoded).to_list()], dtype=pl.String)
        local = local.scatter(encoded.arg_true(), decoded)
    readable = local.str.replace_all("_", " ").str.strip_chars()
    frame = iris.with_columns(kind=pl.lit("entity"), name=readable, rank=pl.lit(_RANK_LOCAL_NAME), count=pl.lit(1))
    return shape(frame.drop_nulls("name"), NAMES)
