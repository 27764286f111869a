"""News: Bing."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from adapters.common import Prepared, pairs, table, write


def bing_news(source: Path, out: Path) -> Prepared:
    """Impressions with and without a click. Published as AUC on impressions; here the clicked test news are ranked."""
    train, test = table(source / "train.tsv.gz"), table(source / "test.tsv.gz")
    action = pl.when(pl.col("clicked") == "1").then(pl.lit("click")).otherwise(pl.lit("impression"))
    train = train.select("user_id", "news_id", action=action)
    names = table(source / "entities.tsv.gz").select("entity_id", "name")
    mentions = table(source / "news.tsv.gz").select("news_id", entity_id=pl.col("entity_ids").str.split(" "))
    mentions = mentions.explode("entity_id").join(names, on="entity_id", how="inner")
    entities = mentions.group_by("news_id").agg(entities=pl.col("name").str.replace_all(r"\|", " ").str.join("|"))
    news = table(source / "news.tsv.gz").select("news_id", "title").join(entities, on="news_id", how="left")
    files = (write(train, out / "train.tsv"), write(news.sort("news_id"), out / "items.tsv"))
    config = """domain = "news"

[[data.interactions]]
path = "train.tsv"
columns = { user = "user_id", item = "news_id", action = "action" }

[[data.items]]
path = "items.tsv"
columns = { id = "news_id", title = "title" }
[data.items.attributes]
entities = { column = "entities", separator = "|", relation = "mentions" }
"""
    held_out = write(pairs(test.filter(pl.col("clicked") == "1"), item="news_id"), out / "test.tsv")
    return Prepared("news", files, config, held_out, write(pairs(train, item="news_id"), out / "known.tsv"))
