"""Neighbourhoods found by any name, and drawings that stand alone."""

from __future__ import annotations

import dataclasses
import itertools
import re
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import NotFoundError, UsageError, UserError
from kgrec.graph.drawing import ROW, draw, layered, to_html, to_svg
from kgrec.graph.neighbourhood import Caption, Neighbourhood, find_node, neighbourhood


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("50", 2),
        ("item:50", 2),
        ("star wars (1977)", 2),
        ("星球大战", 2),
        ("George Lucas", 5),
        ("http://www.wikidata.org/entity/Q38222", 5),
        ("entity:person:Harrison Ford", 6),
        ("h. ford", 6),
        ("user:bob@x.org", 1),
        ("科幻", 7),
    ],
)
def test_found_by_key_label_or_alias(film_graph, name, node):
    assert find_node(film_graph, name) == node


def test_unknown_and_ambiguous_names(film_graph, make_graph):
    with pytest.raises(NotFoundError, match="unknown node 'George Lukas'") as error:
        find_node(film_graph, "George Lukas")
    assert "George Lucas" in error.value.hint
    kg = make_graph([("user", "user", "1", "1", []), ("item", "item", "1", "Toy Story", [])], [], [])
    with pytest.raises(UserError, match="'1' names 2 nodes") as error:
        find_node(kg, "1")
    assert "item:1 (Toy Story, item)" in error.value.hint
    assert find_node(kg, "item:1") == 1


def test_edges_read_from_the_centre(film_graph):
    around = neighbourhood(film_graph, "George Lucas")
    told = {(e["label"], e["far"], e["forward"], e["line"]) for e in around.edges.to_dicts()}
    assert told == {("director of", 2, False, 5), ("mentioned in", 3, False, 11)}
    assert around.nodes["node"][0] == around.center == 5
    assert around.omitted == 0


def test_rare_neighbours_come_first_and_the_rest_is_counted(film_graph):
    around = neighbourhood(film_graph, "item:50", limit=2)
    assert around.edges.height == 2
    assert around.omitted == 2
    full = neighbourhood(film_graph, "item:50")
    assert full.edges["far"].to_list()[-1] == 7  # the genre that all share
    assert full.nodes["degree"].to_list()[0] == 4


def test_node_without_edges(make_graph, tmp_path):
    kg = make_graph([("item", "item", "1", "alone", [])], [], [])
    around = neighbourhood(kg, "1")
    assert (around.edges.height, around.nodes.height) == (0, 1)
    draw(around, tmp_path / "x.svg")
    assert "alone" in (tmp_path / "x.svg").read_text()


def test_svg_is_xml_with_every_label(film_graph, tmp_path):
    around = neighbourhood(film_graph, "item:50")
    draw(around, tmp_path / "x.svg")
    root = ElementTree.parse(tmp_path / "x.svg").getroot()
    texts = {"".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Star Wars (1977)", "ann", "George Lucas", "directed by"} <= texts
    assert to_svg(around) == to_svg(neighbourhood(film_graph, "item:50"))


def test_page_stands_alone(film_graph, tmp_path):
    draw(neighbourhood(film_graph, "item:50"), tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://(?!www\.w3\.org/2000/svg|www\.wikidata)""", page)
    assert "prefers-color-scheme:dark" in page
    assert 'charset="utf-8"' in page


def test_a_page_says_in_words_what_it_draws(film_graph, tmp_path):
    around = dataclasses.replace(neighbourhood(film_graph, "item:50"), caption=Caption("de", "Why <b>?", "Zeig <i>"))
    draw(around, tmp_path / "x.html", lines=["a → b", "<script>"])
    page = (tmp_path / "x.html").read_text()
    assert "<h1>Why &lt;b&gt;?</h1><p>a → b</p><p>&lt;script&gt;</p>" in page
    assert '<html lang="de">' in page
    assert "Zeig &lt;i&gt;" in page
    draw(around, tmp_path / "x.svg", lines=["a"])
    assert "Why" not in (tmp_path / "x.svg").read_text()
    for shown in (page, (tmp_path / "x.svg").read_text()):  # neither keys nor figures of the graph, nor English
        assert not re.search(r"item:50|\d edges|point at", shown)


def test_other_suffix_is_refused(film_graph, tmp_path):
    with pytest.raises(UsageError, match="names no drawing"):
        draw(neighbourhood(film_graph, "item:50"), tmp_path / "x.png")


def test_labels_never_share_a_line(film_graph):
    around = neighbourhood(film_graph, "item:50")
    places = layered(around).places
    assert places[around.center].side == 0
    for side in (-1, 1):
        lines = sorted(p.y for p in places.values() if p.side == side)
        assert len(lines) == 2
        assert all(b - a >= ROW for a, b in itertools.pairwise(lines))


def test_paths_are_drawn_from_left_to_right():
    """The steps of a path stand in layers, and a path's nodes keep their order in each."""
    nodes = pl.DataFrame({"node": range(6), "kind": "item", "type": "item", "key": "k", "label": "a", "degree": 1})
    edges = {"near": [0, 0, 1, 2, 2], "far": [2, 1, 3, 4, 5], "relation": ["r", "s", "r", "r", "s"], "label": "to"}
    layout = layered(Neighbourhood(0, nodes, pl.DataFrame(edges), one_sided=True))
    x = {node: place.x for node, place in layout.places.items()}
    assert x[0] < x[1] == x[2] < x[3] == x[4] == x[5] < layout.width
    y = {node: place.y for node, place in layout.places.items()}
    assert (y[2] < y[1], y[4] < y[5] < y[3]) == (True, True)
    assert {node for node, place in layout.places.items() if place.leaf} == {3, 4, 5}


@settings(max_examples=40, deadline=None)
@given(label=st.text(max_size=60))
def test_any_label_is_drawn_safely(film_graph, label):
    label = label.encode("utf-8", "ignore").decode() + "</script><b>"
    nodes = film_graph.nodes.with_columns(label=pl.lit(label))
    around = neighbourhood(dataclasses.replace(film_graph, nodes=nodes), "item:50")
    ElementTree.fromstring(to_svg(around))
    assert to_html(around).count("</script>") == 1
