"""A table of links is compared with the catalogue: right ones hold, shuffled and shifted ones are found out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.graph.link_audit import LinkAuditor
from kgrec.text.tokens import plain_tokens

DATA = Path(os.environ.get("KGREC_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "ml-100k"
N = 120
NO_NAMES = pl.DataFrame(schema={"entity": pl.String, "name": pl.String})
NO_DATES = pl.DataFrame(schema={"entity": pl.String, "text": pl.String})
ATTRIBUTES = {"maker": AttributeInfo("made_by", False), "kind": AttributeInfo("has_kind", True)}
SYLLABLES = ["ba", "ko", "ri", "mun", "té", "sal", "vo", "gri", "len", "dar", "pö", "quis"]


def word(rng):
    return "".join(rng.choice(SYLLABLES, 3)).capitalize()


@pytest.fixture(scope="module")
def world():
    """A catalogue sorted by year, and a graph that knows the same things in its own words."""
    rng = np.random.default_rng(4)
    titles = [f"{word(rng)} {word(rng)}" for _ in range(N)]
    years = np.sort(rng.integers(1950, 2020, N))
    makers = [word(rng) for _ in range(25)]
    own = rng.integers(0, 25, N)
    kinds = [list(rng.choice(["Bowl", "Vase", "Lamp", "Chair"], 2, replace=False)) for _ in range(N)]
    items = pl.DataFrame(
        {
            "item_id": [str(k + 1) for k in range(N)],
            "title": [
                f"{t}, The ({y})" if k % 3 else f"{t} ({y})" for k, (t, y) in enumerate(zip(titles, years, strict=True))
            ],
            "maker": [makers[k] for k in own],
            "kind": kinds,
        }
    )
    dataset = Dataset(pl.DataFrame(), pl.DataFrame(), items, item_attributes=ATTRIBUTES)
    links = pl.DataFrame({"entity": [f"Q{k}" for k in range(N)], "item": items["item_id"]})
    triples = [(f"Q{k}", "made", f"P{own[k]}") for k in range(N)] + [
        (f"Q{k}", "is_a", f"K{c}") for k in range(N) for c in kinds[k]
    ]
    triples = pl.DataFrame(triples, schema=["head", "relation", "tail"], orient="row")
    names = [(f"Q{k}", f"The {t}" if k % 2 else t.upper()) for k, t in enumerate(titles)]
    names += [(f"P{k}", name) for k, name in enumerate(makers)] + [(f"K{kind}", kind.lower()) for kind in ATTRIBUTES]
    names = pl.DataFrame(names, schema=["entity", "name"], orient="row")
    dates = pl.DataFrame({"entity": links["entity"], "text": [f"{y}-05-01" for y in years]})
    return LinkAuditor(dataset, 42), links, triples, names, dates


def shuffled(links, seed):
    return links.with_columns(links["entity"].sample(fraction=1, shuffle=True, seed=seed))


def shifted(links, by):
    return links.with_columns(pl.col("entity").shift(by)).drop_nulls()


def kinds(audit):
    return {a.kind: a for a in audit.agreements}


def test_a_right_table_holds(world):
    auditor, links, triples, names, dates = world
    audit = auditor.audit("link.csv", links, triples, names, dates)
    assert audit.verdict == "holds"
    assert audit.warning() is None
    found = kinds(audit)
    assert (found["names"].agree, found["years"].agree, found["attributes"].agree) == (N, N, N)
    assert found["names"].chance < 0.05
    assert not audit.n_suspicious


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_table_fails(world, seed):
    auditor, links, *known = world
    audit = auditor.audit("link.csv", shuffled(links, seed), *known)
    assert audit.verdict == "fails"
    assert "no better than chance" in audit.warning()
    assert len(audit.examples) == 3
    assert all("is linked to Q" in example for example in audit.examples)


@pytest.mark.parametrize("by", [-2, -1, 1, 3])
def test_a_shifted_table_fails_although_the_years_of_neighbours_are_alike(world, by):
    auditor, links, *known = world
    audit = auditor.audit("link.csv", shifted(links, by), *known)
    assert kinds(audit)["years"].share > 0.4
    assert audit.verdict == "fails"
    assert f"{abs(by)} rows further on it would agree" in audit.warning()


def test_names_of_another_language_are_no_fault_where_all_else_agrees(world):
    auditor, links, triples, names, dates = world
    rng = np.random.default_rng(8)
    foreign = names.with_columns(
        name=pl.when(pl.col("entity").str.starts_with("Q"))
        .then(pl.Series([f"{word(rng)[::-1]} {word(rng)[::-1]}" for _ in range(names.height)]))
        .otherwise("name")
    )
    audit = auditor.audit("link.csv", links, triples, foreign, dates)
    assert kinds(audit)["names"].share < 0.1
    assert audit.verdict == "holds"
    assert auditor.audit("link.csv", shuffled(links, 1), triples, foreign, dates).verdict == "fails"


def test_without_names_what_is_connected_alike_tells(world):
    auditor, links, triples, *_ = world
    assert auditor.audit("link.csv", links, triples, NO_NAMES, NO_DATES).verdict == "holds"
    audit = auditor.audit("link.csv", shuffled(links, 1), triples, NO_NAMES, NO_DATES)
    assert audit.verdict == "doubtful"  # graph and catalogue may have nothing to do with each other
    assert "are used; look whether they are right" in audit.warning()


def test_a_single_wrong_link_is_listed(world):
    auditor, links, *known = world
    entities = links["entity"].to_list()
    entities[5], entities[90] = entities[90], entities[5]
    audit = auditor.audit("link.csv", links.with_columns(entity=pl.Series(entities)), *known)
    assert audit.verdict == "holds"
    assert {(wrong.item, wrong.entity, wrong.differs) for wrong in audit.suspicious} == {
        ("6", "Q90", "name and year"),
        ("91", "Q5", "name and year"),
    }
    assert audit.state()["n_suspicious"] == 2
    assert "2 single links look wrong" in audit.summary()


def test_little_to_compare_says_nothing(world):
    auditor, links, triples, names, dates = world
    assert auditor.audit("link.csv", shuffled(links, 1).head(5), triples, names, dates).verdict == "unknown"
    audit = auditor.audit("link.csv", links, triples.clear(), NO_NAMES, NO_DATES)
    assert (audit.verdict, audit.warning()) == ("unknown", None)


def test_scripts_are_read_as_others_write_them():
    plain = plain_tokens(pl.Series(["霸王别姬", "Москва", "Amélie, la", "Straße 9", "", None]))
    spelt = plain.group_by("row", maintain_order=True).agg("plain")["plain"].to_list()
    assert spelt == [["ba", "wang", "bie", "ji"], ["moskva"], ["amelie", "la"], ["strasse", "9"]]


def written(workshop, links, triples, names):
    triples.write_csv(workshop.root / "kg.csv")
    links.write_csv(workshop.root / "link.csv")
    names.write_csv(workshop.root / "names.csv")
    return {"path": "kg.csv", "link": {"path": "link.csv"}, "names": {"path": "names.csv"}}


def test_a_failing_table_is_not_used_unless_it_is_trusted(workshop, world):
    auditor, links, triples, names, _ = world
    items = auditor.dataset.items.select("item_id", "title").to_dicts()
    dataset = workshop.make_dataset(items)
    config = workshop.config(written(workshop, shuffled(links, 2), triples, names), enabled=False)
    graph = workshop.build(dataset, config)
    assert not [edge for edge in workshop.stated(graph, "triples") if edge[0].startswith("item/")]
    (audit,) = graph.report["link_audits"]
    assert (audit["verdict"], audit["used"]) == ("fails", False)
    assert "not used" in audit["warning"]
    links_config = config.data.links.model_copy(update={"trust": True})
    data = config.data.model_copy(update={"links": links_config})
    graph = workshop.build(dataset, config.model_copy(update={"data": data}))
    assert [edge for edge in workshop.stated(graph, "triples") if edge[0].startswith("item/")]
    assert "data.links.trust is true" in graph.report["link_audits"][0]["warning"]


def test_equal_ids_are_links_too(workshop, world):
    """Two files that both number from 1 on: the graph's 17 need not be the catalogue's."""
    auditor, links, triples, names, _ = world
    items = auditor.dataset.items.select("item_id", "title").to_dicts()
    for table, used in ((links, True), (shuffled(links, 2), False)):
        renamed = dict(zip(table["entity"], table["item"], strict=True))
        own = [
            frame.with_columns(pl.col(column).replace(renamed))
            for frame, column in ((triples, "head"), (names, "entity"))
        ]
        files = written(workshop, links, *own)
        graph = workshop.build(workshop.make_dataset(items), workshop.config({**files, "link": None}, enabled=False))
        assert bool([e for e in workshop.stated(graph, "triples") if e[0].startswith("item/")]) is used


@pytest.mark.skipif(not DATA.is_dir(), reason="ml-100k is not there; set KGREC_DATA to its folder")
def test_the_link_file_that_recbole_ships_is_found_out():
    def read(name):
        return pl.read_csv(DATA / name, separator="\t", quote_char=None, infer_schema=False)

    items = read("items.tsv.gz").select("item_id", "title", pl.col("genres").str.split("|"))
    dataset = Dataset(
        pl.DataFrame(), pl.DataFrame(), items, item_attributes={"genres": AttributeInfo("has_genre", True)}
    )
    triples, names = read("kg.tsv.gz"), read("entity_names.tsv.gz")
    verdicts = {}
    for name in ("link.tsv", "link.recbole.tsv"):
        links = read(name).select("entity", item="item_id").filter(pl.col("item").is_in(items["item_id"].implode()))
        audit = LinkAuditor(dataset, 42).audit(name, links, triples, names, NO_DATES)
        verdicts[name] = audit.verdict, kinds(audit)["names"].agree, kinds(audit)["names"].comparable
    assert verdicts["link.tsv"][0] == "holds"
    assert verdicts["link.tsv"][1] > 0.8 * verdicts["link.tsv"][2] > 200
    assert verdicts["link.recbole.tsv"][:2] == ("fails", 0)
