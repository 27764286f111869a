from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kgrec.data.dataset import AttributeInfo
from kgrec.errors import NotFoundError
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables
from kgrec.plugin.manager import load_plugins


def test_the_tables_have_their_schemas(workshop):
    graph = workshop.build(workshop.films())
    assert dict(graph.nodes.schema) == dict(NODES)
    assert dict(graph.relations.schema) == dict(RELATIONS)
    assert dict(graph.edges.schema) == dict(EDGES)
    assert graph.nodes["label"].null_count() == 0
    assert graph.nodes.select("kind", "key").is_unique().all()
    assert graph.relations.null_count().sum_horizontal().item() == 0
    names = pl.concat([graph.relations["name"], graph.relations["inverse"]])
    assert names.n_unique() == len(names)


def test_catalogue_values_become_edges(workshop):
    graph = workshop.build(workshop.films())
    assert workshop.stated(graph, "catalogue") == {
        ("item/m1", "directed_by", "entity/person:michael mann"),
        ("item/m1", "starring", "entity/person:al pacino"),
        ("item/m1", "starring", "entity/person:robert de niro"),
        ("item/m1", "has_genre", "entity/genre:crime"),
        ("item/m2", "directed_by", "entity/person:al pacino"),
        ("item/m2", "starring", "entity/person:kevin spacey"),
        ("item/m2", "has_genre", "entity/genre:crime"),
        ("item/m4", "directed_by", "entity/person:李安"),
        ("item/m4", "has_genre", "entity/genre:crime"),
    }


def test_a_label_is_the_commonest_spelling_and_never_null(workshop):
    graph = workshop.build(workshop.films())
    labels = dict(graph.nodes.select("key", "label").iter_rows())
    assert labels["genre:crime"] == "Crime"
    assert labels["person:李安"] == "李安"
    assert labels["m1"] == "Heat (1995)"
    assert labels["m4"] == "m4"
    aliases = dict(graph.nodes.select("key", "aliases").iter_rows())
    assert aliases["genre:crime"] == ["crime"]


def test_interactions_carry_value_time_and_origin(workshop):
    graph = workshop.build(workshop.films())
    edges = workshop.edge_keys(graph).filter(pl.col("provenance") == "interaction")
    rows = edges.select("head", "relation", "tail", "weight", "time", "source", "line").rows()
    assert rows == [
        ("user/u1", "rate", "item/m1", 5.0, 1000, "events.csv", 2),
        ("user/u1", "view", "item/m2", 1.0, 1001, "events.csv", 3),
        ("user/u2", "rate", "item/m1", 2.0, 1002, "events.csv", 4),
        ("user/u1", "view", "item/m1", 1.0, 1004, "events.csv", 6),
    ]
    assert graph.report["without_item"] == 1


def test_catalogue_edges_name_their_row(workshop):
    graph = workshop.build(workshop.films())
    edges = workshop.edge_keys(graph).filter(pl.col("provenance").is_in(["catalogue", "mention", "pattern"]))
    lines = dict(edges.select("head", "line").iter_rows())
    assert lines == {"item/m1": 2, "item/m2": 3, "item/m3": 4, "item/m4": 5, "item/m5": 6}
    assert edges["source"].unique().to_list() == ["items.csv"]


def test_texts_give_patterns_and_mentions_without_noise(workshop):
    graph = workshop.build(workshop.films())
    assert workshop.stated(graph, "pattern") == {
        ("item/m3", "directed_by", "entity/person:michael mann"),
        ("item/m5", "directed_by", "entity/person:李安"),
    }
    # Not: m1's own cast and director, the common noun "heat", m2's own title.
    assert workshop.stated(graph, "mention") == {
        ("item/m2", "mentions", "entity/person:robert de niro"),
        ("item/m3", "mentions", "item/m2"),
        ("item/m5", "mentions", "item/m3"),
    }
    weights = workshop.edge_keys(graph).filter(pl.col("provenance") == "mention")["weight"]
    assert weights.is_between(0.6, 1.0).all()


def test_threshold_and_switch_of_linking(workshop):
    dataset = workshop.make_dataset(
        [{"item_id": "a", "title": "Storm"}, {"item_id": "b", "description": "He met the Storm alone."}]
    )
    assert not workshop.stated(workshop.build(dataset))
    loose = workshop.build(dataset, workshop.config(threshold=0.1))
    assert workshop.stated(loose) == {("item/b", "mentions", "item/a")}
    off = workshop.build(workshop.films(), workshop.config(enabled=False))
    assert not workshop.stated(off, "mention")
    assert not workshop.stated(off, "pattern")


def test_an_unknown_linker_is_named(workshop):
    with pytest.raises(NotFoundError, match="gazeteer"):
        workshop.build(workshop.films(), workshop.config(linker="gazeteer"))


def test_training_triples_have_no_user(workshop):
    dataset = workshop.make_dataset(
        [{"item_id": "a", "title": "A"}],
        [("u", "a", "like", None)],
        [{"user_id": "u", "job": "writer"}],
        user_attributes={"job": AttributeInfo("has_job", False)},
    )
    graph = workshop.build(dataset)
    assert ("user/u", "has_job", "entity/job:writer") in workshop.stated(graph)
    assert len(graph.triples()) == 0
    films = workshop.build(workshop.films())
    triples = films.triples()
    kinds = films.nodes["kind"]
    edges = films.edges.filter(kinds.gather(films.edges["head"]) != "user")
    assert len(triples) == edges.select("head", "relation", "tail").n_unique()
    assert triples.n_nodes == (kinds != "user").sum()


def test_values_that_are_ids_lead_to_items(workshop):
    dataset = workshop.make_dataset(
        [{"item_id": "a", "series": ["b", "nowhere", "a"]}, {"item_id": "b"}],
        attributes={"series": AttributeInfo("sequel_of", True)},
    )
    graph = workshop.build(dataset)
    assert workshop.stated(graph) == {("item/a", "sequel_of", "item/b")}
    assert graph.report["catalogue"] == {"series_unknown": 2}


def test_generic_domain_takes_shared_columns_for_relations(workshop):
    items = [
        {"item_id": str(k), "tags": ["x", "y"], "colour": ("red", "blue")[k % 2], "note": f"note {k}"} for k in range(6)
    ]
    infos = {
        "tags": AttributeInfo(None, True),
        "colour": AttributeInfo(None, False),
        "note": AttributeInfo(None, False),
    }
    generic = load_plugins([]).domain("generic")
    graph = workshop.build(workshop.make_dataset(items, attributes=infos), domain=generic)
    assert {relation for _, relation, _ in workshop.stated(graph)} == {"has_tags", "has_colour"}
    row = graph.relations.row(by_predicate=pl.col("name") == "has_colour", named=True)
    assert row == {
        "name": "has_colour",
        "label": "has colour",
        "inverse": "inverse_of_has_colour",
        "inverse_label": "has colour of",
    }
    film = workshop.build(workshop.make_dataset(items, attributes=infos))
    assert not workshop.stated(film)


def test_the_same_input_gives_the_same_graph(workshop):
    first, second = (workshop.build(workshop.films()) for _ in range(2))
    assert_frame_equal(first.nodes, second.nodes)
    assert_frame_equal(first.edges, second.edges)
    assert_frame_equal(first.relations, second.relations)


def test_a_dataset_without_text_attributes_or_events(workshop):
    graph = workshop.build(workshop.make_dataset([{"item_id": "a"}]))
    assert graph.edges.height == 0
    assert graph.stats()["isolated_items"] == 1


def test_saved_and_loaded(workshop, tmp_path):
    graph = workshop.build(workshop.films())
    graph.save(tmp_path / "graph")
    again = GraphTables.load(tmp_path / "graph")
    assert_frame_equal(graph.edges, again.edges)
    assert again.report == graph.report


def test_stats_count_what_is_there(workshop):
    found = workshop.build(workshop.films()).stats()
    assert found["nodes_by_kind"] == {"entity": 6, "item": 5, "user": 2}
    assert found["entities_by_type"] == {"person": 5, "genre": 1}
    assert found["edges_by_provenance"] == {"catalogue": 9, "interaction": 4, "mention": 3, "pattern": 2}
    assert found["edges_by_relation"]["directed_by"] == 5
    assert found["isolated_items"] == 0
    assert found["items_with_facts"] == 1.0
    assert found["degree"]["user"] == {"mean": 2.0, "median": 2.0, "max": 3}


class Neighbours:
    """An encoder to which texts are near that share the word war or the word love."""

    dim, fingerprint = 2, "war-love"

    def encode(self, texts):
        rows = np.array([[text.lower().count("war"), text.lower().count("love")] for text in texts], dtype=np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


def test_an_encoder_tells_namesakes_apart_by_their_neighbours(workshop, tmp_path):
    label = '<http://www.w3.org/2000/01/rdf-schema#label> "{}" .\n'
    workshop.write(
        "g.nt",
        "".join(f"<http://e.org/{key}> {label.format(name)}" for key, name in (("a", "Ann Lee"), ("b", "Ann Lee")))
        + "".join(f"<http://e.org/{key}> {label.format(key)}" for key in ("War", "Love"))
        + "<http://e.org/a> <http://e.org/about> <http://e.org/Love> .\n"
        + "<http://e.org/b> <http://e.org/about> <http://e.org/War> .\n",
    )
    items = [
        {"item_id": "x", "description": "Ann Lee goes to war."},
        {"item_id": "y", "description": "Ann Lee finds love."},
    ]
    dataset, config = workshop.make_dataset(items), workshop.config({"path": "g.nt"})
    graph = workshop.build(dataset, config, encoder=Neighbours(), cache=tmp_path / "cache")
    assert workshop.stated(graph, "mention") == {
        ("item/x", "mentions", "entity/http://e.org/b"),
        ("item/y", "mentions", "entity/http://e.org/a"),
    }
    again = workshop.build(dataset, config, encoder=Neighbours(), cache=tmp_path / "cache")
    assert again.report["mentions"]["texts_linked_now"] == 0
    plain = workshop.build(dataset, config, cache=tmp_path / "cache")
    assert plain.report["mentions"]["texts_linked_now"] == 2
    assert workshop.stated(plain, "mention") == set()  # nobody can tell, so the score falls below the threshold
