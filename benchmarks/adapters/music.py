"""Music: Last.fm."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.common import Prepared, interactions, pairs, table, write


def lastfm(source: Path, out: Path) -> Prepared:
    parts = {p: table(source / f"{p}.tsv.gz") for p in ("train", "valid", "test")}
    items = table(source / "items.tsv.gz")
    resource = pl.col("dbpedia_uri").str.strip_prefix("http://dbpedia.org/resource/")
    dbpedia_link = items.filter(pl.col("dbpedia_uri").str.len_chars() > 0).select("item_id", entity=resource)
    files = [
        *(write(pairs(parts[p]), out / f"{p}.tsv") for p in ("train", "valid")),
        write(items.select("item_id", "name"), out / "items.tsv"),
        write(table(source / "kg.tsv.gz"), out / "kg.tsv"),
        write(table(source / "link.tsv.gz"), out / "link.tsv"),
        write(table(source / "dbpedia.tsv.gz"), out / "dbpedia.tsv"),
        write(dbpedia_link, out / "dbpedia_link.tsv"),
    ]
    config = (
        interactions("train.tsv")
        + interactions("valid.tsv", split="validation")
        + """[[data.items]]
path = "items.tsv"
columns = { id = "item_id", title = "name" }

[[data.triples]]
path = "kg.tsv"
columns = { head = "head_id", relation = "relation", tail = "tail_id" }
link = { path = "link.tsv", columns = { item = "item_id", entity = "entity_id" } }

[[data.triples]]
path = "dbpedia.tsv"
columns = { head = "head", relation = "relation", tail = "tail" }
link = { path = "dbpedia_link.tsv", columns = { item = "item_id", entity = "entity" } }
"""
    )
    test = write(pairs(parts["test"]), out / "test.tsv")
    known = write(pairs(pl.concat([parts["train"], parts["valid"]])), out / "known.tsv")
    return Prepared("generic", tuple(files), config, test, known)
