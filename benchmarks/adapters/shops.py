"""Shops: Amazon Scientific, Retailrocket."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.common import Prepared, interactions, pairs, table, write


def scientific(source: Path, out: Path) -> Prepared:
    rows = (
        table(source / "sequences.tsv.gz")
        .with_columns(item_id=pl.col("item_ids").str.split(" "))
        .with_columns(position=pl.int_ranges(pl.col("item_id").list.len()), last=pl.col("item_id").list.len() - 1)
        .explode("item_id", "position")
    )
    # One step a day: the data states an order, not times.
    rows = rows.with_columns(time=pl.col("position") * 86_400 + 1_500_000_000)
    # The published protocol asks for the last item given all others, so kgrec holds out the latest of these by itself.
    known = rows.filter(pl.col("position") < pl.col("last")).select("user_id", "item_id", "time")
    files = [write(known, out / "train.tsv")]
    items = table(source / "items.tsv.gz").with_columns(
        title=pl.when(pl.col("title").str.len_chars() > 0).then("title").otherwise("text")
    )
    files.append(write(items.drop("text"), out / "items.tsv"))
    config = (
        'domain = "ecommerce"\n\n'
        + 'train.split = "time"\nrecommend.include_seen = true\n\n'
        + interactions("train.tsv", time="time", action="purchase")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "title", description = "description" }
[data.items.attributes]
brand = { column = "brand", relation = "has_brand" }
category = { column = "categories", separator = ", ", relation = "in_category" }
"""
    )
    test = write(pairs(rows.filter(pl.col("position") == pl.col("last"))), out / "test.tsv")
    return Prepared("ecommerce", tuple(files), config, test, out / "train.tsv", k=10, include_seen=True, length=50)


def retailrocket(source: Path, out: Path) -> Prepared:
    train, test = table(source / "train.tsv.gz"), table(source / "test.tsv.gz")
    kg = table(source / "kg.tsv.gz")
    items = pl.concat([t.select(pl.col(c).alias("item_id")) for t, c in _item_columns(train, test, kg)]).unique()
    files = (
        write(train, out / "train.tsv"),
        write(items.sort("item_id"), out / "items.tsv"),
        write(kg, out / "kg.tsv"),
    )
    config = """domain = "ecommerce"
train.split = "time"

[[data.interactions]]
path = "train.tsv"
columns = { user = "user_id", item = "item_id", action = "behavior", time = "time" }
actions = { view = "view", cart = "cart", buy = "purchase" }

[[data.items]]
path = "items.tsv"
columns = { id = "item_id" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head_item", relation = "relation_id", tail = "tail_item" }
"""
    # All items are ranked, and no test purchase is of an item that its user had even viewed.
    known = write(pairs(train.filter(pl.col("behavior") == "buy")), out / "known.tsv")
    return Prepared("ecommerce", files, config, write(pairs(test), out / "test.tsv"), known)


def _item_columns(train: pl.DataFrame, test: pl.DataFrame, kg: pl.DataFrame) -> list[tuple[pl.DataFrame, str]]:
    return [(train, "item_id"), (test, "item_id"), (kg, "head_item"), (kg, "tail_item")]
