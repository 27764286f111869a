"""The bundled samples: written as committed, small, dirty on purpose, with a right answer that numpy finds."""

import importlib
import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kgrec.plugin.manager import load_plugins
from kgrec.settings import load_settings

SAMPLES = Path(__file__).parents[2] / "graphs" / "samples"
DOMAINS = ("ecommerce", "news", "video")
FIELDS = {
    "ecommerce": ("events.csv", "用户编号", "商品编号"),
    "news": ("events.tsv", "reader", "news_id"),
    "video": ("interactions.csv", "user_id", "film_id"),
}


def sample(domain):
    return importlib.import_module(f"kgrec_{domain}.sample")


def matrix(domain):
    """Return what the committed interactions say, shape (users, items), dirt left out."""
    file, user, item = FIELDS[domain]
    table = pl.read_csv(SAMPLES / domain / file, separator="\t" if file.endswith("tsv") else ",", infer_schema=False)
    users = {key: k for k, key in enumerate(sample(domain).user_ids())}
    items = {key: k for k, key in enumerate(sample(domain).item_ids())}
    rows = [(users[u], items[i]) for u, i in table.select(user, item).iter_rows() if u in users and i in items]
    seen = np.zeros((len(users), len(items)), dtype=np.float32)
    seen[tuple(np.array(rows).T)] = 1
    return seen


def liked(domain, kind=None):
    """Return the held-out likes, shape (users, items)."""
    items = {key: k for k, key in enumerate(sample(domain).item_ids())}
    held = np.zeros((len(sample(domain).user_ids()), len(items)), dtype=bool)
    for row, likes in enumerate(sample(domain).truth().values()):
        held[row, [items[item] for item, found in likes.items() if kind in (None, found)]] = True
    return held


@pytest.mark.parametrize("domain", DOMAINS)
def test_generator_writes_exactly_the_committed_files(domain, tmp_path):
    module, _, function = load_plugins().domain(domain).sample.partition(":")
    getattr(importlib.import_module(module), function)(tmp_path, 42)
    committed = {file.name: file.read_bytes() for file in (SAMPLES / domain).iterdir()}
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert sorted(written) == sorted(committed)
    assert [name for name in written if written[name] != committed[name]] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_another_seed_is_another_sample(domain, tmp_path):
    sample(domain).write(tmp_path, 7)
    file = FIELDS[domain][0]
    assert (tmp_path / file).read_bytes() != (SAMPLES / domain / file).read_bytes()
    assert sample(domain).truth(7) != sample(domain).truth(42)


@pytest.mark.parametrize("domain", DOMAINS)
def test_sample_is_small_and_large_enough(domain):
    assert sum(file.stat().st_size for file in (SAMPLES / domain).iterdir()) < 300_000
    assert len(sample(domain).user_ids()) >= 300
    assert len(sample(domain).item_ids()) >= 200


@pytest.mark.parametrize("domain", DOMAINS)
def test_settings_name_the_files_that_are_there_but_not_the_holdout(domain):
    config = load_settings(SAMPLES / domain / "kgrec.toml").config
    data = config.data
    named = [f.path for part in (data.interactions, data.items, data.users, data.triples) for f in part]
    named += [f.path for triples in data.triples for f in (triples.link, triples.names) if f]
    there = {file.name for file in (SAMPLES / domain).iterdir()}
    assert sorted(named) == sorted(there - {"kgrec.toml", "holdout.tsv"})
    assert config.domain == domain
    relations = {r.name for r in load_plugins().domain(domain).relation_types}
    assert {a.relation for f in data.items for a in f.attributes.values() if a.relation} <= relations


@pytest.mark.parametrize("domain", DOMAINS)
def test_holdout_file_is_the_truth_and_disjoint_from_the_sample(domain):
    rows = (SAMPLES / domain / "holdout.tsv").read_text(encoding="utf-8").splitlines()[1:]
    truth = [f"{u}\t{i}\t{kind}" for u, likes in sample(domain).truth().items() for i, kind in likes.items()]
    assert rows == truth
    assert not (matrix(domain).astype(bool) & liked(domain)).any()
    cold = liked(domain, "graph").any(axis=0) | liked(domain, "text").any(axis=0)
    assert cold.sum() == 24
    assert matrix(domain)[:, cold].sum() == 0


@pytest.mark.parametrize("domain", DOMAINS)
def test_neighbours_find_the_held_out_likes_and_popularity_does_not(domain):
    seen, held = matrix(domain), liked(domain, "warm")
    together = seen.T @ seen
    norms = np.sqrt(np.maximum(np.diag(together), 1))
    similar = together / norms / norms[:, None]
    np.fill_diagonal(similar, 0)

    def precision(scores):
        top = np.argsort(np.where(seen > 0, -np.inf, scores), axis=1)[:, ::-1][:, :5]
        return float(np.take_along_axis(held, top, axis=1).mean())

    chance, popular = held.mean(), precision(np.tile(seen.sum(axis=0), (len(seen), 1)))
    assert precision(seen @ similar) > 0.7
    assert popular < 0.15
    assert chance < 0.05


@pytest.mark.parametrize("domain", DOMAINS)
def test_cold_items_name_their_entity_only_where_they_should(domain):
    names = {"video": _film_directors, "news": _news_subjects, "ecommerce": _product_brands}[domain]()
    items = sample(domain).item_ids()
    kinds = {item: kind for likes in sample(domain).truth().values() for item, kind in likes.items()}
    cold = {item: kind for item, kind in kinds.items() if kind != "warm"}
    assert set(cold.values()) == {"graph", "text"}
    for item, kind in cold.items():
        in_column, in_graph, in_text = names[item]
        assert not in_column, item
        assert (in_graph, in_text) == (kind == "graph", kind == "text"), item
    warm = [names[item] for item in items if item not in cold]
    assert all(in_column or in_graph for in_column, in_graph, _ in warm)
    assert 0.05 < np.mean([not in_column for in_column, _, _ in warm]) < 0.3, "some warm rows lack the value"


def _film_directors():
    films = pl.read_csv(SAMPLES / "video" / "films.csv", infer_schema=False)
    graph = (SAMPLES / "video" / "graph.ttl").read_text(encoding="utf-8")
    directed = {line.split()[0].removeprefix("ex:") for line in graph.splitlines() if "schema:director" in line}
    rows = films.select("film_id", "director", "plot").iter_rows()
    return {item: (bool(director), item in directed, "A film by" in plot) for item, director, plot in rows}


def _news_subjects():
    from kgrec_news.sample import SUBJECTS

    names = {name for name, _ in SUBJECTS}
    lines = (SAMPLES / "news" / "news.jsonl").read_text(encoding="utf-8").splitlines()
    link = dict(pl.read_csv(SAMPLES / "news" / "link.tsv", separator="\t").iter_rows())
    graph = pl.read_csv(SAMPLES / "news" / "kg.tsv", separator="\t")
    about = set(graph.filter(pl.col("relation") == "P921")["head"])
    return {
        row["news_id"]: (
            bool(names & set(row["entities"])),
            link[row["news_id"]] in about,
            any(name in row["abstract"] for name in names),
        )
        for row in map(json.loads, lines)
    }


def _product_brands():
    products = pl.read_csv(SAMPLES / "ecommerce" / "products.csv", infer_schema=False)
    graph = pl.read_csv(SAMPLES / "ecommerce" / "graph.tsv", separator="\t", infer_schema=False)
    branded = set(graph.filter(pl.col("关系") == "品牌")["头实体"])
    rows = products.select("商品编号", "品牌", "描述").iter_rows()
    return {item: (bool(brand), item in branded, "出品" in text) for item, brand, text in rows}


def test_the_shop_speaks_chinese_throughout():
    products = pl.read_csv(SAMPLES / "ecommerce" / "products.csv", infer_schema=False)
    for column in ("商品名", "描述", "类目", "材质"):
        assert products[column].str.contains(r"\p{Han}").all(), column
        assert not products[column].str.contains(r"[A-Za-z]{2}").any(), column  # a size such as B5 is Chinese, too
    settings = tomllib.loads((SAMPLES / "ecommerce" / "kgrec.toml").read_text(encoding="utf-8"))
    assert settings["data"]["interactions"][0]["actions"]["购买"] == "purchase"
