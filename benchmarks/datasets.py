"""Adapters: real datasets, kept outside the project, as files and a kgrec.toml that a user would write.

The datasets lie where ``KGREC_DATA`` says (by default ``../shared/data`` beside the project); their README files state
terms, columns and splits. What is written here goes under ``build/`` and is never committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    return Path(os.environ.get("KGREC_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset ready for ``kgrec init``.

    Attributes:
        domain: of the workspace.
        files: what is handed to ``kgrec init --from``.
        config: kgrec.toml, with the published split marked.
        test: held-out interactions for scoring.
        known: interactions that must not be recommended again (train and validation), for the leak count.
        k: length of the lists the published figures use.
        include_seen: the protocol ranks items of the user's history too.
    """

    domain: str
    files: tuple[Path, ...]
    config: str
    test: Path
    known: Path
    k: int = 20
    include_seen: bool = False


def table(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path, separator="\t", quote_style="never")
    return path


def pairs(frame: pl.DataFrame, user: str = "user_id", item: str = "item_id") -> pl.DataFrame:
    return frame.select(pl.col(user).alias("user_id"), pl.col(item).alias("item_id"))


def interactions(name: str, *, split: str = "train", action: str = "like", time: str | None = None) -> str:
    columns = '{ user = "user_id", item = "item_id"' + (f', time = "{time}"' if time else "") + " }"
    return f'[[data.interactions]]\npath = "{name}"\ncolumns = {columns}\naction = "{action}"\nsplit = "{split}"\n\n'


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
    return Prepared("ecommerce", tuple(files), config, test, out / "train.tsv", k=10, include_seen=True)


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


def bing_news(source: Path, out: Path) -> Prepared:
    """Impressions with and without a click. Published as AUC on impressions; here the clicked test news are ranked."""
    train, test = table(source / "train.tsv.gz"), table(source / "test.tsv.gz")
    names = table(source / "entities.tsv.gz").select("entity_id", "name")
    mentions = table(source / "news.tsv.gz").select("news_id", entity_id=pl.col("entity_ids").str.split(" "))
    mentions = mentions.explode("entity_id").join(names, on="entity_id", how="inner")
    entities = mentions.group_by("news_id").agg(entities=pl.col("name").str.replace_all(r"\|", " ").str.join("|"))
    news = table(source / "news.tsv.gz").select("news_id", "title").join(entities, on="news_id", how="left")
    files = (write(train, out / "train.tsv"), write(news.sort("news_id"), out / "items.tsv"))
    config = """domain = "news"

[[data.interactions]]
path = "train.tsv"
columns = { user = "user_id", item = "news_id", value = "clicked" }
action = "rate"

[[data.items]]
path = "items.tsv"
columns = { id = "news_id", title = "title" }
[data.items.attributes]
entities = { column = "entities", separator = "|", relation = "mentions" }
"""
    held_out = write(pairs(test.filter(pl.col("clicked") == "1"), item="news_id"), out / "test.tsv")
    return Prepared("news", files, config, held_out, write(pairs(train, item="news_id"), out / "known.tsv"))


ADAPTERS: dict[str, tuple[str, Callable[[Path, Path], Prepared]]] = {
    "ml-100k": ("ml-100k", ml_100k),
    "lastfm": ("lastfm-lightkg", lastfm),
    "dbbook": ("dbbook2014-cikgrec", dbbook),
    "amazon-book": ("amazon-book-kgat-cf", amazon_book),
    "scientific": ("amazon-scientific", scientific),
    "ml-1m": ("ml-1m-kg", ml_1m),
    "retailrocket": ("retailrocket-sslrec", retailrocket),
    "douban": ("douban-movie", douban),
    "goodreads": ("goodreads-genre", goodreads),
    "bing-news": ("bing-news-dkn", bing_news),
}
"""Short name -> folder of the data and its adapter; the folder's own name is understood too."""


def prepare(name: str, out: Path) -> Prepared:
    """Write the input files of a dataset under ``out``."""
    by_folder = {folder: short for short, (folder, _) in ADAPTERS.items()}
    short = by_folder.get(name, name)
    if short not in ADAPTERS:
        raise SystemExit(f"error: unknown dataset {name!r}\nhint: known are {', '.join([*ADAPTERS, *by_folder])}")
    folder, adapter = ADAPTERS[short]
    source = data_folder() / folder
    if not source.is_dir():
        raise SystemExit(f"error: {source} does not exist\nhint: set KGREC_DATA to the folder of the datasets")
    return adapter(source, out)
