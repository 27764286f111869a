"""From parts to one dataset: all that needs the files together.

That is cleaning (duplicates, repeats, fills, unknown ids, k-core), the vocabularies, and the numbering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import CleaningConfig
from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset, empty_rejects
from kgrec.data.parts import EVENTS, Part, PartRole
from kgrec.errors import ConfigError

SAME = ("user", "item", "action", "split")
"""What events have in common that repeat each other."""


@dataclass
class Ledger:
    """What cleaning did.

    Attributes:
        rejects: tables of rejected rows: ``source``, ``line``, ``reason``, ``row``.
        filled: number of values that were filled in, by reason.
        conflicts: ids whose rows say different things, by role and column, with an example; the first value is kept.
    """

    rejects: list[pl.DataFrame] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def conflict(self, role: str, column: str, rows: pl.DataFrame, count: int) -> None:
        """Write down that ``count`` ids have several values in a column; ``rows`` are those of one of them."""
        values = rows[column].drop_nulls().unique(maintain_order=True).head(3).to_list()
        example = {"id": rows["id"][0], "values": [str(value)[:80] for value in values]}
        self.conflicts.append({"role": role, "column": column, "ids": count, "example": example})

    def reject(self, rows: pl.DataFrame, reason: str) -> None:
        """Write down that ``rows`` (with ``source``, ``line`` and data columns) are dropped."""
        if not rows.height:
            return
        data = [name for name in rows.columns if name not in ("source", "line", "split") and not name.startswith("_")]
        self.rejects.append(
            rows.select(
                pl.col("source").cast(pl.String),
                "line",
                pl.lit(reason).alias("reason"),
                pl.struct(data).struct.json_encode().alias("row"),
            )
        )

    def keep(self, rows: pl.DataFrame, mask: pl.Series, reason: str) -> pl.DataFrame:
        """Return the rows where ``mask`` holds and reject the others."""
        if mask.all():
            return rows
        self.reject(rows.filter(~mask), reason)
        return rows.filter(mask)


def clean_interactions(
    rows: pl.DataFrame,
    cleaning: CleaningConfig,
    ledger: Ledger,
    *,
    known_items: pl.Series | None,
    known_users: pl.Series | None,
) -> pl.DataFrame:
    """Apply the rules of ``[data.cleaning]`` that look at several rows.

    In this order: exact duplicates, unknown items and users, fills of missing ratings (means are those of the
    training rows), repeated events, k-core. The order of the rows stays.

    Args:
        rows: interactions of all files in their order.
        cleaning: the rules.
        ledger: gets what is dropped and filled.
        known_items: ids of the items catalogue, or None where there is none.
        known_users: ids of the users file, or None where there is none.
    """
    rows = ledger.keep(rows, _first_of_equal(rows), "exact duplicate")
    if cleaning.unknown_items == "reject" and known_items is not None:
        known = rows["item"].is_null() | rows["item"].is_in(known_items.implode())
        rows = ledger.keep(rows, known, "item not in the catalogue")
    if cleaning.unknown_users == "reject" and known_users is not None:
        rows = ledger.keep(rows, rows["user"].is_in(known_users.implode()), "user not in the users file")
    rows = _fill_ratings(rows, cleaning, ledger)
    if cleaning.repeated != "keep":
        rows = ledger.keep(rows, _one_of_repeated(rows, cleaning.repeated), "repeated event")
    return _k_core(rows, cleaning, ledger)


def _first_of_equal(rows: pl.DataFrame) -> pl.Series:
    keys = [key for key in (*SAME, "time", "value", "text") if rows[key].null_count() < rows.height]
    if not keys:
        return _mask(rows.height, all_but=None)
    again = _again(rows, keys)
    first = rows.lazy().select(keys).with_row_index("_row").filter(again).unique(keys, keep="first")
    return _mask(rows.height, all_but=again, and_also=first.collect()["_row"])


def _one_of_repeated(rows: pl.DataFrame, rule: str) -> pl.Series:
    """Mark one row of each user, item, action and split; rows without an item are all kept."""
    again = _again(rows, SAME) & rows["item"].is_not_null()
    numbered = rows.lazy().select(*SAME, "value", "time").with_row_index("_row").filter(again)
    order = ["value", "time", "_row"] if rule == "max" else ["time", "_row"]
    # Rows without time or value come first, so that they lose against those that have one.
    ordered = numbered.sort(order, nulls_last=rule == "first")
    chosen = ordered.unique(SAME, keep="first" if rule == "first" else "last", maintain_order=True)
    return _mask(rows.height, all_but=again, and_also=chosen.collect()["_row"])


def _again(rows: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """Mark rows that may be like another one, few others among them: those with the same hash.

    They are what has to be compared, and of a long log that is little. Sorted hashes take a fraction of the memory of
    a table of groups.
    """
    hashes = rows.select(keys).hash_rows()
    ordered = np.sort(hashes.to_numpy())
    several = ordered[1:][ordered[1:] == ordered[:-1]]
    return hashes.is_in(pl.Series(several).unique().implode())


def _fill_ratings(rows: pl.DataFrame, cleaning: CleaningConfig, ledger: Ledger) -> pl.DataFrame:
    missing = (pl.col("action") == "rate") & pl.col("value").is_null()
    if cleaning.missing_value not in ("mean", "user_mean") or not rows.select(missing.any()).item():
        return rows
    fitted = (pl.col("action") == "rate") & (pl.col("split") == "train")
    rated = pl.when(fitted).then(pl.col("value").cast(pl.Float64))
    mean: pl.Expr = rated.mean()
    if cleaning.missing_value == "user_mean":
        mean = pl.coalesce(rated.mean().over("user"), mean)
    n_missing = int(rows.select(missing.sum()).item())
    filled = rows.with_columns(pl.when(missing).then(mean.cast(pl.Float32)).otherwise(pl.col("value")).alias("value"))
    n_left = int(filled.select(missing.sum()).item())
    rule = "rating by the mean" if cleaning.missing_value == "mean" else "rating by the user's mean"
    ledger.filled[rule] = n_missing - n_left
    return filled


def _k_core(rows: pl.DataFrame, cleaning: CleaningConfig, ledger: Ledger) -> pl.DataFrame:
    """Drop users and items with too few interactions until all have enough; searches count for no one."""
    least_user, least_item = cleaning.min_user_interactions, cleaning.min_item_interactions
    if max(least_user, least_item) <= 1 or not rows.height:
        return rows
    users, items = (rows[name].to_physical().fill_null(0).to_numpy() for name in ("user", "item"))
    has_item = rows["item"].is_not_null().to_numpy()
    alive = np.ones(rows.height, dtype=bool)
    while True:
        counted = alive & has_item
        of_user = np.bincount(users[counted], minlength=int(users.max()) + 1)
        of_item = np.bincount(items[counted], minlength=int(items.max()) + 1)
        enough = alive & (of_user[users] >= least_user) & (~has_item | (of_item[items] >= least_item))
        if np.array_equal(enough, alive):
            return ledger.keep(rows, pl.Series(alive), "k-core")
        alive = enough


def _mask(height: int, *, all_but: pl.Series | None, and_also: pl.Series | None = None) -> pl.Series:
    mask = np.ones(height, dtype=bool) if all_but is None else ~all_but.to_numpy()
    if and_also is not None:
        mask[and_also.to_numpy()] = True
    return pl.Series(mask)


Attributes = dict[str, AttributeInfo]


def assemble(parts: Sequence[Part], cleaning: CleaningConfig, *, seed: int, previous: Dataset | None = None) -> Dataset:
    """Do all that needs the files together: global cleaning, vocabularies, numbering.

    Users and items are numbered in an order drawn with ``seed`` (the order of ids or of first appearance would tell
    a model what it must not know). Those of ``previous`` keep their positions and new ones follow.

    Args:
        parts: the files, parsed, in the order of kgrec.toml.
        cleaning: the rules.
        seed: of the numbering.
        previous: the dataset that was there before an append. If something in it is no longer there, the others keep
            their order, move up, and the report says ``renumbered``.
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
        items = ledger.keep(items, items["id"].is_in(_distinct(rows["item"]).implode()), "k-core")
    if cleaning.min_user_interactions > 0:
        users = ledger.keep(users, users["id"].is_in(_distinct(rows["user"]).implode()), "k-core")
    old_users = previous.users["user_id"] if previous else None
    old_items = previous.items["item_id"] if previous else None
    user_ids, users_kept = _number([users["id"], _distinct(rows["user"])], old_users, [seed, 0])
    item_ids, items_kept = _number([items["id"], _distinct(rows["item"])], old_items, [seed, 1])
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
    tables = [
        part.table.with_columns(pl.lit(part.source, dtype=INTERACTIONS["source"]).alias("source"))
        for part in parts
        if part.role == "interactions"
    ]
    return pl.concat(tables) if tables else pl.DataFrame(schema={**EVENTS, "source": INTERACTIONS["source"]})


def _distinct(words: pl.Series) -> pl.Series:
    return words.unique().drop_nulls().cast(pl.String)


def _catalogue(parts: Sequence[Part], role: PartRole, ledger: Ledger) -> tuple[pl.DataFrame, Attributes]:
    """Concatenate the catalogues of ``role``; rows of one id, in one file or several, become one."""
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
            unit = info.unit if info.unit == before.unit else ""
            broader = {**before.broader, **info.broader}
            attributes[name] = AttributeInfo(info.relation, info.multi or before.multi, unit, broader)
    base = {"id": pl.String(), "title": pl.String(), "description": pl.String(), "line": pl.UInt32()}
    tables = [pl.DataFrame(schema={**base, "source": pl.Categorical()})]
    for part in chosen:
        widened = [
            pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name)).alias(name)
            for name, info in part.attributes.items()
            if attributes[name].multi and not info.multi
        ]
        tables.append(part.table.with_columns(*widened, pl.lit(part.source, dtype=pl.Categorical).alias("source")))
    return _merge(pl.concat(tables, how="diagonal"), role, ledger), attributes


def _merge(table: pl.DataFrame, role: PartRole, ledger: Ledger) -> pl.DataFrame:
    """Merge rows of one id: of single values the first that is there, of lists all; conflicts of values are counted."""
    again = table["id"].is_duplicated()
    if not again.any():
        return table
    rows = table.with_row_index("_row")
    several = rows.filter(again)
    cells = [n for n in table.columns if n not in ("id", "line", "source")]
    single = [n for n in cells if not isinstance(table.schema[n], pl.List)]
    merged = several.group_by("id", maintain_order=True).agg(
        pl.col("_row", "line", "source").first(),
        *(pl.col(n).drop_nulls().first() for n in single),
        *(pl.col(n).explode().drop_nulls().unique(maintain_order=True) for n in cells if n not in single),
    )
    empty = [pl.when(pl.col(n).list.len() > 0).then(pl.col(n)).alias(n) for n in cells if n not in single]
    different = several.group_by("id").agg(pl.col(n).drop_nulls().n_unique().alias(n) for n in single)
    for name in single:
        ids = different.filter(pl.col(name) > 1)["id"]
        if ids.len():
            ledger.conflict(role, name, several.filter(pl.col("id") == ids.sort()[0]), ids.len())
    kept = pl.concat([rows.filter(~again), merged.with_columns(empty).select(rows.columns)])
    return kept.sort("_row").drop("_row")


def _number(columns: Sequence[pl.Series], old: pl.Series | None, seed: list[int]) -> tuple[pl.Series, bool]:
    """Return the ids in the order of their positions, and whether the old positions were kept."""
    ids = pl.concat([column.alias("id") for column in columns]).drop_nulls().unique().sort()
    if old is None:
        return _shuffle(ids, seed), True
    standing = old.filter(old.is_in(ids.implode()))
    new = ids.filter(~ids.is_in(old.implode()))
    return pl.concat([standing.alias("id"), _shuffle(new, [*seed, len(old)])]), len(standing) == len(old)


def _shuffle(ids: pl.Series, seed: list[int]) -> pl.Series:
    return ids.gather(np.random.default_rng(seed).permutation(len(ids)))


def _in_order(table: pl.DataFrame, ids: pl.Series, name: str) -> pl.DataFrame:
    """Return the rows of ``table`` in the order of ``ids``, the file and line they came from last."""
    joined = ids.to_frame("id").join(table, on="id", how="left", maintain_order="left").rename({"id": name})
    origin = [pl.col("source").cast(pl.String), pl.col("line").cast(pl.UInt32)]
    return joined.select(pl.exclude("source", "line"), *origin)


def _positions(rows: pl.DataFrame, user_ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    for name, ids in (("user", user_ids), ("item", item_ids)):
        numbers = ids.cast(pl.Categorical).to_physical().to_numpy()
        position = np.zeros(int(numbers.max(initial=0)) + 1, dtype=np.uint32)
        position[numbers] = np.arange(len(ids), dtype=np.uint32)
        rows = rows.with_columns(pl.Series(position).gather(rows[name].to_physical()).alias(name))
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
        "conflicts": list(ledger.conflicts),
        "interactions": dataset.interactions.height,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "cold_items": dataset.n_items - dataset.interactions["item"].drop_nulls().n_unique(),
        "actions": dict(dataset.interactions["action"].value_counts(sort=True).iter_rows()),
    }
