from __future__ import annotations

import polars as pl
import pytest

from kgrec.errors import DataError, NotFoundError

PREFIXES = """@prefix e: <http://example.org/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix schema: <http://schema.org/> .
"""


@pytest.fixture
def dataset(workshop):
    return workshop.make_dataset([{"item_id": "m1", "title": "One"}, {"item_id": "m2"}])


def imported(workshop, graph):
    return workshop.stated(graph, "triples")


def test_a_table_with_links_and_names(workshop, dataset):
    workshop.write(
        "kg.tsv",
        "head_id\trelation_id\ttail_id\n"
        "f1\tfilm.film.director\tp1\n"
        "p1\tfilm.director.film\tf1\n"  # the same, said the other way round
        "p1\tperson.person.spouse_s\tp2\n"
        "f1\tfilm.film.director\tp1\n"
        "p1\tperson.person.spouse_s\tp1\n"
        "p1\tperson.person.spouse_s\t\n",
    )
    workshop.write("link.tsv", "item_id\tentity_id\nm1\tf1\nm2\tf2\nm9\tf9\n")
    workshop.write("names.tsv", "entity\tname\ttype\np1\t张艺谋\tperson\np1\tZhang Yimou\tperson\nf2\tTwo\t\n")
    config = workshop.config(
        {"path": "kg.tsv", "link": {"path": "link.tsv"}, "names": {"path": "names.tsv"}}, enabled=False
    )
    graph = workshop.build(dataset, config)
    assert imported(workshop, graph) == {
        ("item/m1", "directed_by", "entity/p1"),
        ("entity/p1", "person_person_spouse_s", "entity/p2"),
    }
    edges = workshop.edge_keys(graph)
    assert edges.select("source", "line", "weight").rows() == [("kg.tsv", 2, 1.0), ("kg.tsv", 4, 1.0)]
    report = graph.report["triples"]
    counted = {k: report[k] for k in ("edges", "duplicates", "self_loops", "incomplete", "links_to_unknown_items")}
    assert counted == {"edges": 2, "duplicates": 2, "self_loops": 1, "incomplete": 1, "links_to_unknown_items": 1}
    nodes = {row["key"]: row for row in graph.nodes.iter_rows(named=True)}
    assert nodes["p1"]["label"] == "Zhang Yimou"
    assert nodes["p1"]["aliases"] == ["张艺谋"]
    assert nodes["p1"]["type"] == "person"
    assert nodes["m2"]["label"] == "Two"  # a linked item without a title takes the entity's name
    relation = graph.relations.row(by_predicate=pl.col("name") == "person_person_spouse_s", named=True)
    assert (relation["label"], relation["inverse_label"]) == ("person spouse s", "person spouse s of")


def test_an_entity_that_is_two_items_gives_both_its_edges(workshop, dataset):
    workshop.write("kg.csv", "head,relation,tail\nf1,likes,x\n")
    workshop.write("link.csv", "item,entity\nm1,f1\nm2,f1\n")
    graph = workshop.build(dataset, workshop.config({"path": "kg.csv", "link": {"path": "link.csv"}}))
    assert imported(workshop, graph) == {("item/m1", "likes", "entity/x"), ("item/m2", "likes", "entity/x")}


def test_without_a_link_ids_and_the_workspaces_iris_are_items(workshop, dataset):
    workshop.write("kg.csv", "head,relation,tail\nm1,likes,x\n")
    workshop.write("kg.nt", "<https://kgrec.example/id/item/m2> <http://example.org/likes> <http://example.org/y> .\n")
    graph = workshop.build(dataset, workshop.config({"path": "kg.csv"}, {"path": "kg.nt"}))
    assert imported(workshop, graph) == {
        ("item/m1", "likes", "entity/x"),
        ("item/m2", "likes", "entity/http://example.org/y"),
    }


def test_rdf_labels_types_and_literals(workshop, dataset):
    workshop.write(
        "g.ttl",
        PREFIXES + "e:p a e:FilmPerson , e:Thing ; rdfs:label 'Ann'@en , '安'@zh ; skos:altLabel 'Annie' ; e:age 7 ;\n"
        "  e:knows e:New%20Friend_1 , [ e:knows e:p ] .\n",
    )
    graph = workshop.build(dataset, workshop.config({"path": "g.ttl"}))
    nodes = {row["key"]: row for row in graph.nodes.iter_rows(named=True)}
    ann = nodes["http://example.org/p"]
    assert (ann["type"], ann["label"], ann["aliases"]) == ("film_person", "Ann", ["Annie", "p", "安"])
    assert nodes["http://example.org/New%20Friend_1"]["label"] == "New Friend 1"
    assert "_:g.ttl.b0" in nodes
    counts = graph.report["triples"]["files"]["g.ttl"]
    assert counts == {"read": 9, "names": 3, "types": 1, "literals_skipped": 1}
    assert len(imported(workshop, graph)) == 3


def test_types_follow_from_the_domains_relations(workshop, dataset):
    workshop.write("g.nt", "<http://e.org/m1> <http://example.org/director> <http://e.org/p> .\n")
    workshop.write("link.csv", "item,entity\nm1,http://e.org/m1\n")
    graph = workshop.build(dataset, workshop.config({"path": "g.nt", "link": {"path": "link.csv"}}))
    assert imported(workshop, graph) == {("item/m1", "directed_by", "entity/http://e.org/p")}
    assert dict(graph.nodes.select("key", "type").iter_rows())["http://e.org/p"] == "person"


def test_catalogue_values_join_the_entities_they_name(workshop):
    from kgrec.data.dataset import AttributeInfo

    dataset = workshop.make_dataset(
        [{"item_id": "m1", "director": "ANN  Lee", "genre": ["War"]}, {"item_id": "m2", "director": "Bob"}],
        attributes={"director": AttributeInfo("directed_by", False), "genre": AttributeInfo("has_genre", True)},
    )
    workshop.write(
        "g.ttl",
        PREFIXES + "e:ann rdfs:label 'Ann Lee' ; a e:Person . e:war rdfs:label 'war' ; a e:Event .\n"
        "e:bob rdfs:label 'Bob' ; a e:Person . e:bob2 schema:name 'Bob' ; a e:Person .\n"
        "e:ann e:knows e:bob . e:bob2 e:saw e:war .\n",
    )
    graph = workshop.build(dataset, workshop.config({"path": "g.ttl"}))
    assert workshop.stated(graph, "catalogue") == {
        ("item/m1", "directed_by", "entity/http://example.org/ann"),
        ("item/m1", "has_genre", "entity/genre:war"),  # an event is no genre
        ("item/m2", "directed_by", "entity/person:bob"),  # there are two of that name
    }


def test_foreign_names_never_become_actions(workshop, dataset):
    workshop.write("kg.csv", "head,relation,tail\nm1,like,x\nm1,mentions,y\n")
    graph = workshop.build(dataset, workshop.config({"path": "kg.csv"}))
    assert {r for _, r, _ in imported(workshop, graph)} == {"graph_like", "graph_mentions"}


def test_parsed_files_are_kept_by_content(workshop, dataset, tmp_path):
    line = "<http://e.org/a> <http://e.org/b> <http://e.org/{}> .\n"
    workshop.write("g.nt", line.format("c"))
    config = workshop.config({"path": "g.nt"})
    cache = tmp_path / "cache"
    first = workshop.build(dataset, config, cache=cache)
    assert len(list(cache.glob("graph/triples-*.parquet"))) == 1
    assert workshop.stated(workshop.build(dataset, config, cache=cache)) == workshop.stated(first)
    workshop.write("g.nt", line.format("d"))
    changed = workshop.build(dataset, config, cache=cache)
    assert imported(workshop, changed) == {("entity/http://e.org/a", "b", "entity/http://e.org/d")}
    assert len(list(cache.glob("graph/triples-*.parquet"))) == 1


def test_what_a_person_gets_wrong(workshop, dataset):
    with pytest.raises(NotFoundError, match="nothing"):
        workshop.build(dataset, workshop.config({"path": "nothing.nt"}))
    workshop.write("bad.nt", "<http://e.org/a> <http://e.org/b> .\n")
    with pytest.raises(DataError, match=r"bad\.nt: line 1"):
        workshop.build(dataset, workshop.config({"path": "bad.nt"}))
    workshop.write("kg.csv", "head,kind,tail\na,b,c\n")
    with pytest.raises(DataError, match="relation of triples") as caught:
        workshop.build(dataset, workshop.config({"path": "kg.csv"}))
    assert "kind" in caught.value.hint
    with pytest.raises(DataError, match="no column 'kin'") as caught:
        workshop.build(dataset, workshop.config({"path": "kg.csv", "columns": {"relation": "kin"}}))
    assert "kind" in caught.value.hint
    named = workshop.build(dataset, workshop.config({"path": "kg.csv", "columns": {"relation": "kind"}}))
    assert imported(workshop, named) == {("entity/a", "b", "entity/c")}
