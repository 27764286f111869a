"""Books: DBbook2014, Amazon-Book, Goodreads."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.common import Prepared, interactions, pairs, table, write


def dbbook(source: Path, out: Path) -> Prepared:
    train, test = table(source / "train.tsv.gz"), table(source / "test.tsv.gz")
    label = pl.col("uri").str.split("/").list.last().str.replace_all("_", " ")
    entities = table(source / "entities.tsv.gz").select("entity_id", name=label)
    items = table(source / "items.tsv.gz").select("item_id", title=label)
    relations = table(source / "relations.tsv").select("relation_id", relation=pl.col("uri"))
    kg = table(source / "kg.tsv.gz").join(relations, on="relation_id", how="left")
    files = [
        write(train, out / "train.tsv"),
        write(items, out / "items.tsv"),
        write(kg.select("head_id", "relation", "tail_id"), out / "kg.tsv"),
        write(entities, out / "entities.tsv"),
    ]
    config = (
        interactions("train.tsv")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "title" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head_id", relation = "relation", tail = "tail_id" }
names = { path = "entities.tsv", columns = { entity = "entity_id", name = "name" } }
"""
    )
    return Prepared(
        "generic", tuple(files), config, write(pairs(test), out / "test.tsv"), write(pairs(train), out / "known.tsv")
    )


def amazon_book(source: Path, out: Path) -> Prepared:
    parts = {name: _adjacency(source / f"{name}.txt.gz") for name in ("train", "test")}
    items = table(source / "items.tsv.gz").select("item_id", "asin")
    files = (write(parts["train"], out / "train.tsv"), write(items, out / "items.tsv"))
    config = interactions("train.tsv") + '[[data.items]]\npath = "items.tsv"\ncolumns = { id = "item_id" }\n'
    known = out / "train.tsv"
    return Prepared("generic", files, config, write(parts["test"], out / "test.tsv"), known)


def _adjacency(path: Path) -> pl.DataFrame:
    lines = pl.read_csv(path, has_header=False, separator="\n", new_columns=["line"], infer_schema=False)
    cells = lines.select(pl.col("line").str.strip_chars().str.split(" "))
    return (
        cells.select(user_id=pl.col("line").list.first(), item_id=pl.col("line").list.slice(1))
        .explode("item_id", empty_as_null=False)
        .drop_nulls()
        .unique(maintain_order=True)
    )


def goodreads(source: Path, out: Path) -> Prepared:
    rows = table(source / "interactions.tsv.gz").with_columns(pl.col("position").cast(pl.Int64))
    rows = rows.with_columns(
        left=pl.col("position").max().over("user_id") - pl.col("position"), count=pl.len().over("user_id")
    ).with_columns(time=pl.col("position") * 86_400 + 1_500_000_000)
    judged = pl.col("count") >= 5
    parts = {
        "train": rows.filter(~judged | (pl.col("left") >= 2)),
        "valid": rows.filter(judged & (pl.col("left") == 1)),
        "test": rows.filter(judged & (pl.col("left") == 0)),
    }
    files = [write(parts[p].select("user_id", "item_id", "time"), out / f"{p}.tsv") for p in ("train", "valid")]
    books = pl.read_ndjson(source / "items.jsonl.gz").select(pl.col("item_id").cast(pl.String), "title", "description")
    clean = pl.col("title", "description").str.replace_all(r"\s+", " ")
    files.append(write(books.with_columns(clean), out / "items.tsv"))
    config = (
        interactions("train.tsv", time="time")
        + interactions("valid.tsv", split="validation", time="time")
        + '[[data.items]]\npath = "items.tsv"\n'
        + 'columns = { id = "item_id", title = "title", description = "description" }\n'
    )
    test = write(pairs(parts["test"]), out / "test.tsv")
    known = write(pairs(pl.concat([parts["train"], parts["valid"]])), out / "known.tsv")
    return Prepared("generic", tuple(files), config, test, known)
