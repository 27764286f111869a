from __future__ import annotations

import pytest

from kgrec.errors import DataError, PluginError
from kgrec.graph.schema import MENTIONS, Schema, build_schema, readable, relation_name
from kgrec.plugin import ACTIONS, Domain, RelationType, TextPattern


@pytest.mark.parametrize(
    ("foreign", "label", "name"),
    [
        ("http://dbpedia.org/ontology/musicComposer", "music composer", "music_composer"),
        ("http://www.w3.org/2004/02/skos/core#broader", "broader", "broader"),
        ("http://example.org/is%20part_of/", "is part of", "is_part_of"),
        ("film.person_or_entity_appearing_in_film.film", "person or entity appearing in film film", None),
        ("music.artist.origin", "artist origin", "music_artist_origin"),
        ("dbo:associatedBand", "associated band", "associated_band"),
        ("导演", "导演", "导演"),
        ("12", "relation 12", "relation_12"),
        ("like", "like", "graph_like"),
    ],
)
def test_foreign_names_become_readable(foreign, label, name):
    assert readable(foreign) == label
    if name:
        assert relation_name(foreign) == name


def test_names_of_nothing_but_signs_differ():
    assert relation_name("???") != relation_name("!!!")


def test_every_action_has_a_relation_and_an_inverse():
    table = build_schema(Domain("d", "a domain"), ACTIONS).table()
    assert table["name"].to_list() == list(ACTIONS)
    assert table["inverse"].n_unique() == len(ACTIONS)
    assert table.row(4) == ("purchase", "purchased", "purchased_by", "purchased by")


def test_aliases_work_in_both_directions():
    schema = Schema()
    schema.add(
        RelationType(
            "made_by",
            label="made by",
            inverse="maker_of",
            inverse_label="maker of",
            aliases=("creator",),
            inverse_aliases=("made",),
        )
    )
    rows = schema.resolve(["creator", "made", "maker_of", "http://e.org/made_by", "other"]).rows()
    assert rows == [
        ("creator", "made_by", False),
        ("http://e.org/made_by", "made_by", False),
        ("made", "made_by", True),
        ("maker_of", "made_by", True),
        ("other", "other", False),
    ]
    assert schema.table().row(1) == ("other", "other", "inverse_of_other", "other of")


def test_too_many_relations_are_an_error():
    schema = Schema()
    schema.types = dict.fromkeys(map(str, range(2**16 + 1)), MENTIONS)
    with pytest.raises(DataError, match="relations"):
        schema.table()


@pytest.mark.parametrize(
    ("pattern", "relation", "message"),
    [
        ("(?P<entity>[", "directed_by", "no regular expression"),
        ("by (.*)", "directed_by", "no group named entity"),
        ("by (?P<entity>.*)", "made_by", "no relation of the domain"),
    ],
)
def test_unusable_patterns_are_the_plugins_fault(workshop, pattern, relation, message):
    from dataclasses import replace

    domain = replace(workshop.domain, patterns=(TextPattern(relation, pattern),))
    with pytest.raises(PluginError, match=message):
        workshop.build(workshop.films(), domain=domain)


def test_patterns_may_look_around_and_take_the_longest_known_name(workshop):
    from dataclasses import replace

    from kgrec.data.dataset import AttributeInfo

    items = [
        {"item_id": "a", "director": "Ann Lee Smith"},
        {"item_id": "b", "director": "Ann Lee"},
        {"item_id": "c", "description": "Seen. By Ann Lee Smith Once. By Nobody Known."},
    ]
    dataset = workshop.make_dataset(items, attributes={"director": AttributeInfo("directed_by", False)})
    pattern = TextPattern("directed_by", r"(?<=\bBy )(?P<entity>[A-Z]\w+(?: [A-Z]\w+)*)")
    graph = workshop.build(dataset, domain=replace(workshop.domain, patterns=(pattern,)))
    assert workshop.stated(graph, "pattern") == {("item/c", "directed_by", "entity/person:ann lee smith")}
    assert graph.report["patterns"] == {"captured": 2, "resolved": 1, "edges": 1}
