"""Cleaning that needs all rows at once: duplicates, repeats, fills, unknown ids, k-core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import CleaningConfig

CODED = ("user", "item", "action", "split")
"""Columns that get a column of numbers, ``_user`` for ``user``, while rows are compared."""


@dataclass
class Ledger:
    """What cleaning did: rejected rows and counts by reason.

    Attributes:
        rejects: tables of rejected rows: ``source``, ``line``, ``reason``, ``row``.
        rejected, filled: number of rows by reason.
    """

    rejects: list[pl.DataFrame] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)

    def reject(self, rows: pl.DataFrame, reason: str) -> None:
        """Write down that ``rows`` (with ``source``, ``line`` and data columns) are dropped."""
        if not rows.height:
            return
        self.rejected[reason] = self.rejected.get(reason, 0) + rows.height
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

    def document(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"rejected": dict(self.rejected), "filled": dict(self.filled)}


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
    rows = _with_codes(rows)
    rows = ledger.keep(rows, _first_of_equal(rows), "exact duplicate")
    if cleaning.unknown_items == "reject" and known_items is not None:
        known = rows["item"].is_null() | rows["item"].is_in(known_items.implode())
        rows = ledger.keep(rows, known, "item not in the catalogue")
    if cleaning.unknown_users == "reject" and known_users is not None:
        rows = ledger.keep(rows, rows["user"].is_in(known_users.implode()), "user not in the users file")
    rows = _fill_ratings(rows, cleaning, ledger)
    if cleaning.repeated != "keep":
        rows = ledger.keep(rows, _one_of_repeated(rows, cleaning.repeated), "repeated event")
    rows = _k_core(rows, cleaning, ledger)
    return rows.drop(*(f"_{name}" for name in CODED))


def _first_of_equal(rows: pl.DataFrame) -> pl.Series:
    numbered = rows.with_row_index("_row")
    keys = ["_user", "_item", "_action", "_split", "time", "value", "text"]
    filled = [key for key in keys if numbered[key].null_count() < numbered.height]
    first = numbered.unique(subset=filled, keep="first")["_row"] if filled else numbered["_row"]
    return _mask(rows.height, first)


def _one_of_repeated(rows: pl.DataFrame, rule: str) -> pl.Series:
    """Mark one row of each user, item, action and split; rows without an item are all kept."""
    numbered = rows.with_row_index("_row")
    order = ["value", "time", "_row"] if rule == "max" else ["time", "_row"]
    # Rows without time or value come first, so that they lose against those that have one.
    ordered = numbered.filter(pl.col("item").is_not_null()).sort(order, nulls_last=rule == "first")
    keep: Any = "first" if rule == "first" else "last"
    chosen = ordered.unique(subset=["_user", "_item", "_action", "_split"], keep=keep, maintain_order=True)["_row"]
    return _mask(rows.height, chosen) | rows["item"].is_null()


def _fill_ratings(rows: pl.DataFrame, cleaning: CleaningConfig, ledger: Ledger) -> pl.DataFrame:
    missing = (pl.col("action") == "rate") & pl.col("value").is_null()
    if cleaning.missing_value not in ("mean", "user_mean") or not rows.select(missing.any()).item():
        return rows
    fitted = (pl.col("action") == "rate") & (pl.col("split") == "train")
    rated = pl.when(fitted).then(pl.col("value").cast(pl.Float64))
    mean: pl.Expr = rated.mean()
    if cleaning.missing_value == "user_mean":
        mean = pl.coalesce(rated.mean().over("_user"), mean)
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
    users = np.unique(rows["_user"].to_numpy(), return_inverse=True)[1]
    items = np.unique(rows["_item"].fill_null(0).to_numpy(), return_inverse=True)[1]
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


def _with_codes(rows: pl.DataFrame) -> pl.DataFrame:
    """Add numbers for the strings: grouping by them is several times faster."""
    return rows.with_columns(pl.col(name).cast(pl.Categorical).to_physical().alias(f"_{name}") for name in CODED)


def _mask(height: int, rows: pl.Series) -> pl.Series:
    mask = np.zeros(height, dtype=bool)
    mask[rows.to_numpy()] = True
    return pl.Series(mask)
