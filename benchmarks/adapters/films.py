"""Films: MovieLens-100k and -1M, Douban."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.common import Prepared, interactions, pairs, table, write


def ml_100k(source: Path, out: Path) -> Prepared:
    parts = {p: table(source / "splits" / f"pos4-811.{p}.tsv.gz") for p in ("train", "valid", "test")}
    known_items = pl.concat([p.select("item_id") for p in parts.values()]).unique()
    items = table(source / "items.tsv.gz").join(known_items, on="item_id", how="semi")
    files = [write(parts[p].select("user_id", "item_id", "timestamp"), out / f"{p}.tsv") for p in ("train", "valid")]
    files += [write(items, out / "items.tsv"), write(table(source / "kg.tsv.gz"), out / "kg.tsv")]
    files += [write(table(source / "link.tsv"), out / "link.tsv")]
    files += [write(table(source / "entity_names.tsv.gz"), out / "entity_names.tsv")]
    config = (
        'domain = "video"\n\n'
        + interactions("train.tsv", time="timestamp")
        + interactions("valid.tsv", split="validation", time="timestamp")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "title", description = "plot" }
[data.items.attributes]
genre = { column = "genres", separator = "|", relation = "has_genre" }
director = { column = "directors", separator = ", ", relation = "directed_by" }
actor = { column = "cast", separator = ", ", relation = "stars" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head", relation = "relation", tail = "tail" }
link = { path = "link.tsv", columns = { item = "item_id", entity = "entity" } }
names = { path = "entity_names.tsv", columns = { entity = "entity", name = "name" } }
"""
    )
    test = write(pairs(parts["test"]), out / "test.tsv")
    known = write(pairs(pl.concat([parts["train"], parts["valid"]])), out / "known.tsv")
    return Prepared("video", tuple(files), config, test, known)


def ml_1m(source: Path, out: Path) -> Prepared:
    parts = {p: pairs(table(source / f"{p}.tsv.gz"), item="movie_id") for p in ("train", "test")}
    used = pl.concat(list(parts.values())).select("item_id").unique()
    items = table(source / "items.tsv.gz").rename({"movie_id": "item_id"}).join(used, on="item_id", how="semi")
    resource = pl.col("dbpedia").str.strip_prefix("http://dbpedia.org/resource/")
    link = items.filter(pl.col("dbpedia").str.len_chars() > 0).select("item_id", entity=resource)
    files = (
        write(parts["train"], out / "train.tsv"),
        write(items, out / "items.tsv"),
        write(table(source / "kg.tsv.gz"), out / "kg.tsv"),
        write(link, out / "link.tsv"),
    )
    config = (
        'domain = "video"\n\n'
        + interactions("train.tsv")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "title" }
[data.items.attributes]
genre = { column = "genres", separator = "|", relation = "has_genre" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head", relation = "relation", tail = "tail" }
link = { path = "link.tsv", columns = { item = "item_id", entity = "entity" } }
"""
    )
    return Prepared("video", files, config, write(parts["test"], out / "test.tsv"), out / "train.tsv")


def douban(source: Path, out: Path) -> Prepared:
    train, test = table(source / "train.tsv.gz"), table(source / "test.tsv.gz")
    films = table(source / "movies.tsv.gz").filter(pl.col("item_id").str.len_chars() > 0)
    files = (
        write(train, out / "train.tsv"),
        write(films, out / "items.tsv"),
        write(table(source / "kg.tsv.gz"), out / "kg.tsv"),
    )
    config = (
        'domain = "video"\n\n'
        + interactions("train.tsv")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "title", description = "plot" }
[data.items.attributes]
genre = { column = "genres", separator = " / ", relation = "has_genre" }
director = { column = "directors", separator = " / ", relation = "directed_by" }
actor = { column = "cast", separator = " / ", relation = "stars" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head_id", relation = "relation_id", tail = "tail_id" }
"""
    )
    return Prepared("video", files, config, write(pairs(test), out / "test.tsv"), out / "train.tsv")
