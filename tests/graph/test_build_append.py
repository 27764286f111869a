from __future__ import annotations

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PEOPLE = ["Ann Lee", "Bob Ray", "Cy Coe", "李安", "Ray"]
TITLES = ["Red Dawn", "Dawn", "Red Dawn Two", "红高粱", "Ann Lee", None]
WORDS = [*PEOPLE, "Red Dawn", "红高粱", "directed by Ann Lee", "ann lee", "Thing One", "Thing Two", "Red Dawn Two."]

items_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(TITLES),
            "director": st.sampled_from([None, *PEOPLE]),
            "genre": st.lists(st.sampled_from(["War", "war ", "Thing One"]), max_size=2, unique=True),
            "words": st.lists(st.sampled_from(WORDS), max_size=4),
        }
    ),
    min_size=1,
    max_size=5,
)
ENDS = ["0", "1", "3", "http://e.org/x", "http://e.org/y", "http://e.org/z"]
triples_strategy = st.lists(
    st.tuples(
        st.sampled_from(ENDS[3:]),
        st.sampled_from(["http://e.org/likes", "http://example.org/director", "LABEL", "TYPE"]),
        st.sampled_from([*ENDS[3:], "http://kg.example/item/0", "http://kg.example/item/3"]),
        st.sampled_from(["Ann Lee", "Bob Ray", "Thing One", "Red Dawn"]),
    ),
    max_size=6,
)

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"


def ntriples(rows):
    lines = []
    for head, relation, tail, name in rows:
        if relation == "LABEL":
            lines.append(f'<{head}> {LABEL} "{name}" .')
        elif relation == "TYPE":
            lines.append(f"<{head}> {TYPE} <http://e.org/Person> .")
        else:
            lines.append(f"<{head}> <{relation}> <{tail.replace('http://kg.example', 'https://kgrec.example/id')}> .")
    return "\n".join(["# triples", *lines]) + "\n"


def canonical(workshop, graph):
    """All that a graph says, without numbers: edges, and nodes but for entities that nothing names any more."""
    edges = workshop.edge_keys(graph)
    named = pl.concat([edges["head"], edges["tail"]]).unique()
    nodes = graph.nodes.with_columns(k=pl.format("{}/{}", "kind", "key"))
    nodes = nodes.filter((pl.col("kind") != "entity") | pl.col("k").is_in(named.implode()))
    return sorted(map(repr, edges.rows())), sorted(map(repr, nodes.drop("index").rows()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=items_strategy, cut=st.integers(0, 5), first=triples_strategy, second=triples_strategy, data=st.data())
def test_append_equals_a_full_build(workshop, tmp_path_factory, items, cut, first, second, data):
    from kgrec.data.dataset import AttributeInfo

    rows = [{"item_id": str(k), **item, "description": ". ".join(item["words"])} for k, item in enumerate(items)]
    infos = {"director": AttributeInfo("directed_by", False), "genre": AttributeInfo("has_genre", True)}
    cut = min(cut, len(rows))
    events = [("u", row["item_id"], "like", None) for row in rows]
    little = workshop.make_dataset(rows[:cut], events[:cut], attributes=infos)
    full = workshop.make_dataset(rows, events, attributes=infos)
    workshop.write("first.nt", ntriples(first))
    workshop.write("second.nt", ntriples(second))
    before, after = workshop.config({"path": "first.nt"}), workshop.config({"path": "first.nt"}, {"path": "second.nt"})
    cache = tmp_path_factory.mktemp("cache")
    old = workshop.build(little, before, cache=cache)
    appended = workshop.build(full, after, previous=old, cache=cache)
    whole = workshop.build(full, after)
    assert canonical(workshop, appended) == canonical(workshop, whole)
    stands = appended.nodes.head(old.nodes.height)
    kept = stands["key"] == old.nodes["key"]
    # A value that turned out to be an entity of the new graph keeps its number under that entity's key.
    assert stands.filter(~kept)["kind"].is_in(["entity"]).all()
    assert stands["kind"].to_list() == old.nodes["kind"].to_list()
    assert appended.relations.head(old.relations.height).equals(old.relations)


def test_only_texts_with_new_names_are_linked_again(workshop, tmp_path):
    items = [
        {"item_id": "a", "title": "Distant Shore", "description": "With Ann Lee on the beach."},
        {"item_id": "b", "title": "Near By", "description": "Bob Ray walks through Distant Shore."},
        {"item_id": "c", "title": "The Third One", "description": "Nobody new walks here."},
    ]
    config = workshop.config()
    first = workshop.build(workshop.make_dataset(items), config, cache=tmp_path)
    assert first.report["mentions"]["texts_linked_now"] == 6
    again = workshop.build(workshop.make_dataset(items), config, cache=tmp_path)
    assert again.report["mentions"]["texts_linked_now"] == 0
    from kgrec.data.dataset import AttributeInfo

    infos = {"director": AttributeInfo("directed_by", False)}
    more = [*items, {"item_id": "d", "title": "Bob Ray", "director": "Ann Lee"}]
    grown = workshop.build(workshop.make_dataset(more, attributes=infos), config, previous=first, cache=tmp_path)
    # The descriptions of a and b, which name Ann Lee and Bob Ray, and the new title.
    assert grown.report["mentions"]["texts_linked_now"] == 3
    assert workshop.stated(grown, "mention") == {
        ("item/a", "mentions", "entity/person:ann lee"),
        ("item/b", "mentions", "item/a"),
        ("item/b", "mentions", "item/d"),
    }


def test_an_entity_of_a_new_graph_takes_the_number_of_the_value_that_named_it(workshop, tmp_path):
    dataset = workshop.films()
    old = workshop.build(dataset)
    number = old.nodes["key"].to_list().index("person:al pacino")
    workshop.write(
        "people.ttl",
        "@prefix e: <http://example.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        'e:pacino rdfs:label "Al Pacino"@en ; a e:Person ; e:bornIn e:newYork .\n',
    )
    config = workshop.config({"path": "people.ttl"})
    new = workshop.build(dataset, config, previous=old)
    assert new.nodes["key"][number] == "http://example.org/pacino"
    assert ("item/m1", "starring", "entity/http://example.org/pacino") in workshop.stated(new)
    assert new.report["triples"]["same_as_catalogue"] == 1


@pytest.mark.parametrize("broken", ["links.json", "links.parquet", "link-names.parquet"])
def test_a_damaged_cache_costs_time_only(workshop, tmp_path, broken):
    config = workshop.config()
    first = workshop.build(workshop.films(), config, cache=tmp_path)
    (tmp_path / "graph" / broken).write_text("{")
    again = workshop.build(workshop.films(), config, cache=tmp_path)
    assert workshop.stated(again) == workshop.stated(first)
