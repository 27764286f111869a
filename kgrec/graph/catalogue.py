"""Edges that the tables state: attributes of items and users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.data.values import as_text
from kgrec.graph.facts import EDGE_KEY, FACTS, NAMES, TYPES, Facts, merge, shape
from kgrec.graph.linking import normal_name
from kgrec.graph.schema import Schema, attribute_relation
from kgrec.plugin.domain import Domain, RelationType

RANK_TITLE, RANK_CATALOGUE = 0, 5
"""Ranks of names: an item's title, the spelling of a value in a catalogue."""

_SHARED_BY = 5
"""In the generic domain a text column is a relation when a value is shared by so many items on average..."""
_ALWAYS_FEW = 20
"""... or has no more than so many different values."""


def catalogue_facts(dataset: Dataset, domain: Domain, schema: Schema) -> Facts:
    """Return the edges of all attributes that have a relation; new relations are added to ``schema``.

    A value becomes the entity ``type:normalised value``, or the item or user of that id where the relation leads to
    one. In the generic domain every multi-valued attribute and every text column of few values is a relation
    ``has_<attribute>``.
    """
    parts = [_titles(dataset.items)]
    report: dict[str, Any] = {}
    for kind, table, infos in (
        ("item", dataset.items, dataset.item_attributes),
        ("user", dataset.users, dataset.user_attributes),
    ):
        for attribute, info in infos.items():
            name = info.relation or _generic(domain, table, attribute, info)
            if name is None:
                continue
            if schema.find(name) is None:
                schema.add(attribute_relation(name, attribute, kind))
            relation, swapped = schema.find(name) or (attribute_relation(name, attribute, kind), False)
            part = _attribute(dataset, _values(table, kind, attribute, infos), kind, relation, swapped)
            if info.broader:
                parts.append(_broader(info.broader, relation.head if swapped else relation.tail, schema))
            unknown = part.report["unknown"]
            if unknown:
                report[f"{attribute}_unknown"] = unknown
            parts.append(part)
    return merge(parts, report)


def _broader(broader: Mapping[str, str], kind: str, schema: Schema) -> Facts:
    """Return the edges of a hierarchy from narrower to broader values."""
    if kind in ("item", "user"):
        return Facts()
    relation = RelationType("broader", label="part of", inverse="narrower", inverse_label="has part", head="entity")
    schema.add(relation)
    pairs = pl.DataFrame({"narrower": list(broader), "broader": list(broader.values())})
    ends = [pl.format("{}:{}", pl.lit(kind), normal_name(pl.col(n))).alias(n) for n in pairs.columns]
    facts = pairs.select(ends).select(
        head_kind=pl.lit("entity"),
        head="narrower",
        relation=pl.lit(relation.name),
        tail_kind=pl.lit("entity"),
        tail="broader",
        weight=pl.lit(1.0),
        provenance=pl.lit("catalogue"),
    )
    return Facts(shape(facts.filter(pl.col("head") != pl.col("tail")), FACTS).unique(EDGE_KEY, maintain_order=True))


def provenance_columns(table: pl.DataFrame, attributes: Mapping[str, AttributeInfo]) -> list[pl.Expr]:
    """Return expressions ``source`` and ``line`` of a users or items table: null where the table has none."""
    return [
        (pl.col(name) if name in table.columns and name not in attributes else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in (("source", pl.String()), ("line", pl.UInt32()))
    ]


def _titles(items: pl.DataFrame) -> Facts:
    titled = items.select(kind=pl.lit("item"), key="item_id", name="title", rank=pl.lit(RANK_TITLE), count=pl.lit(1))
    return Facts(names=shape(titled.drop_nulls("name"), NAMES))


def _generic(domain: Domain, table: pl.DataFrame, attribute: str, info: AttributeInfo) -> str | None:
    if domain.name != "generic":
        return None
    if not info.multi:
        column = table[attribute]
        if column.dtype != pl.String:
            return None
        filled = len(column) - column.null_count()
        different = column.drop_nulls().n_unique()
        if different == filled or (different > _ALWAYS_FEW and different * _SHARED_BY > filled):
            return None
    return f"has_{attribute}"


def _values(table: pl.DataFrame, kind: str, attribute: str, infos: Mapping[str, AttributeInfo]) -> pl.DataFrame:
    """Return the cells of an attribute one value a row: ``owner``, ``value``, ``source``, ``line``."""
    dtype = table.schema[attribute]
    multi = isinstance(dtype, pl.List)
    value = pl.col(attribute).cast(pl.List(pl.String)) if multi else as_text(attribute, dtype)
    cells = table.select(pl.col(f"{kind}_id").alias("owner"), value.alias("value"), *provenance_columns(table, infos))
    if multi:
        cells = cells.filter(pl.col("value").list.len() > 0).explode("value")
    return cells.drop_nulls("value").filter(pl.col("value").str.strip_chars() != "")


def _attribute(dataset: Dataset, cells: pl.DataFrame, kind: str, relation: RelationType, swapped: bool) -> Facts:
    target = relation.head if swapped else relation.tail
    unknown = 0
    names, types = Facts().names, Facts().types
    if target in ("item", "user"):
        ids = dataset.items["item_id"] if target == "item" else dataset.users["user_id"]
        known = cells.filter(pl.col("value").is_in(ids.implode()))
        known = known.filter((pl.col("value") != pl.col("owner")) | pl.lit(target != kind))
        unknown = cells.height - known.height
        ends = known.with_columns(other=pl.col("value"), other_kind=pl.lit(target))
    else:
        ends = cells.with_columns(
            other=pl.format("{}:{}", pl.lit(target), normal_name(pl.col("value"))), other_kind=pl.lit("entity")
        )
        spellings = ends.group_by(key="other", name=pl.col("value").str.strip_chars()).agg(count=pl.len())
        names = shape(spellings.with_columns(kind=pl.lit("entity"), rank=pl.lit(RANK_CATALOGUE)), NAMES)
        types = shape(ends.select(key="other").unique().with_columns(type=pl.lit(target), rank=pl.lit(0)), TYPES)
    here, there = ("tail", "head") if swapped else ("head", "tail")
    facts = ends.rename({"owner": here, "other": there, "other_kind": f"{there}_kind"}).with_columns(
        pl.lit(kind).alias(f"{here}_kind"),
        relation=pl.lit(relation.name),
        weight=pl.lit(1.0),
        provenance=pl.lit("catalogue"),
    )
    once = shape(facts, FACTS).unique(EDGE_KEY, keep="first", maintain_order=True)
    return Facts(once, names, types, {"unknown": unknown})
