"""RDF terms of the knowledge graph: IRIs and literals in N-Triples syntax, made a column at a time."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from kgrec.graph.vocabulary import NAMESPACE, XSD

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
