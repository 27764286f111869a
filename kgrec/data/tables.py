"""Puts the parts together: catalogues, vocabularies, numbered interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from kgrec.config import CleaningConfig
from kgrec.data.cleaning import Ledger, clean_interactions
from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset, empty_rejects
from kgrec.data.parts import Part, PartRole
from kgrec.errors import ConfigError

Attributes = dict[str, AttributeInfo]


def assemble(parts: Sequence[Part], cleaning: CleaningConfig, *, seed: int, previous: Dataset | None = None) -> Dataset:
    """Do all that needs the files together: global cleaning, vocabularies, numbering.

    Users and items are numbered in an order drawn with ``seed`` (the order of ids or of first appearance would tell
    a model what it must not know). Those of ``previous`` keep their positions and new ones follow.

    Args:
        parts: the files, parsed, in the order of kgrec.toml.
        cleaning: the rules.
        seed: of the numbering.
        previous: the dataset that was there before an append. If something in it would no longer be there, its
            numbering cannot be kept: everything is numbered anew and the report says ``renumbered``.
    """
    ledger = Ledger()
    items, item_attributes = _catalogue(parts, "items", ledger)
    users, user_attributes = _catalogue(parts, "users", ledger)
    rows = clean_interactions(
        _interactions(parts),
        cleaning,
        ledger,
        known_items=items["id"] if any(p.role == "items" for p in parts) else None,
        known_users=users["id"] if any(p.role == "users" for p in parts) else None,
    )
    if cleaning.min_item_interactions > 0:
        items = ledger.keep(items, items["id"].is_in(rows["item"].drop_nulls().unique().implode()), "k-core")
    if cleaning.min_user_interactions > 0:
        users = ledger.keep(users, users["id"].is_in(rows["user"].unique().implode()), "k-core")
    old_users = previous.users["user_id"] if previous else None
    old_items = previous.items["item_id"] if previous else None
    user_ids, users_kept = _number([users["id"], rows["user"]], old_users, [seed, 0])
    item_ids, items_kept = _number([items["id"], rows["item"]], old_items, [seed, 1])
    rejects = [part.rejects for part in parts] + ledger.rejects
    dataset = Dataset(
        interactions=_positions(rows, user_ids, item_ids),
        users=_in_order(users, user_ids, "user_id").drop("title", strict=False),
        items=_in_order(items, item_ids, "item_id"),
        user_attributes=user_attributes,
        item_attributes=item_attributes,
        rejects=pl.concat([empty_rejects(), *rejects]),
    )
    report = {**_report(parts, ledger, dataset), "renumbered": not (users_kept and items_kept)}
    return replace(dataset, report=report)


def _interactions(parts: Sequence[Part]) -> pl.DataFrame:
    sources = _sources(parts)
    tables = [
        part.table.with_columns(pl.lit(part.source, dtype=sources).alias("source"))
        for part in parts
        if part.role == "interactions"
    ]
    if tables:
        return pl.concat(tables)
    return pl.DataFrame(schema={**INTERACTIONS, "user": pl.String(), "item": pl.String(), "source": sources})


def _sources(parts: Sequence[Part]) -> pl.Enum:
    return pl.Enum(list(dict.fromkeys(part.source for part in parts)))


def _catalogue(parts: Sequence[Part], role: PartRole, ledger: Ledger) -> tuple[pl.DataFrame, Attributes]:
    """Concatenate the catalogues of ``role``; of several rows with one id the first is kept."""
    chosen = [part for part in parts if part.role == role]
    attributes: Attributes = {}
    for part in chosen:
        for name, info in part.attributes.items():
            before = attributes.get(name, info)
            if before.relation != info.relation:
                raise ConfigError(
                    f"{part.source}: attribute {name!r} has relation {info.relation!r}, in another file it is "
                    f"{before.relation!r}",
                    hint="give them the same relation or different names in kgrec.toml",
                )
            attributes[name] = AttributeInfo(info.relation, info.multi or before.multi)
    sources = _sources(parts)
    base = {"id": pl.String(), "title": pl.String(), "description": pl.String(), "line": pl.UInt32()}
    tables = [pl.DataFrame(schema={**base, "source": sources})]
    for part in chosen:
        widened = [
            pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name)).alias(name)
            for name, info in part.attributes.items()
            if attributes[name].multi and not info.multi
        ]
        tables.append(part.table.with_columns(*widened, pl.lit(part.source, dtype=sources).alias("source")))
    table = pl.concat(tables, how="diagonal")
    return ledger.keep(table, table["id"].is_first_distinct(), f"duplicate {role[:-1]} id"), attributes


def _number(columns: Sequence[pl.Series], old: pl.Series | None, seed: list[int]) -> tuple[pl.Series, bool]:
    """Return the ids in the order of their positions, and whether the old positions were kept."""
    ids = pl.concat([column.alias("id") for column in columns]).drop_nulls().unique().sort()
    kept = old is None or bool(old.is_in(ids.implode()).all())
    if old is None or not kept:
        return _shuffle(ids, seed), kept
    new = ids.filter(~ids.is_in(old.implode()))
    return pl.concat([old.alias("id"), _shuffle(new, [*seed, len(old)])]), True


def _shuffle(ids: pl.Series, seed: list[int]) -> pl.Series:
    return ids.gather(np.random.default_rng(seed).permutation(len(ids)))


def _in_order(table: pl.DataFrame, ids: pl.Series, name: str) -> pl.DataFrame:
    """Return the rows of ``table`` in the order of ``ids``, the file and line they came from last."""
    joined = ids.to_frame("id").join(table, on="id", how="left", maintain_order="left").rename({"id": name})
    origin = [pl.col("source").cast(pl.String), pl.col("line").cast(pl.UInt32)]
    return joined.select(pl.exclude("source", "line"), *origin)


def _positions(rows: pl.DataFrame, user_ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    for name, ids in (("user", user_ids), ("item", item_ids)):
        numbers = ids.to_frame(name).with_row_index("_position")
        rows = rows.join(numbers, on=name, how="left", maintain_order="left").drop(name).rename({"_position": name})
    ordered = rows.sort("time", maintain_order=True)
    return ordered.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS.items())


def _report(parts: Sequence[Part], ledger: Ledger, dataset: Dataset) -> dict[str, object]:
    files = [{"source": part.source, "role": part.role, **part.counts} for part in parts]
    rejected = dict(dataset.rejects["reason"].value_counts(sort=True).iter_rows())
    return {
        "files": files,
        "rows": sum(part.counts["rows"] for part in parts),
        "rejected": rejected,
        "filled": dict(ledger.filled),
        "interactions": dataset.interactions.height,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "cold_items": dataset.n_items - dataset.interactions["item"].drop_nulls().n_unique(),
        "actions": dict(dataset.interactions["action"].value_counts(sort=True).iter_rows()),
    }
