import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.data.attributes import from_brackets, read_attribute, without_html, year_of_titles
from kgrec.plugin.domain import Attribute


def read(cells, *, separator=None, relation="has"):
    return read_attribute(pl.DataFrame({"a": pl.Series(cells, dtype=pl.String)}), Attribute("a", separator, relation))


@pytest.mark.parametrize(
    "cells",
    [
        ['["Drama", "Crime"]', '["Comedy"]', "[]"],
        ["['Drama', 'Crime']", "['Comedy']", "[]"],
        ["[Drama, Crime]", "[Comedy]", "[]"],
        ["{Drama,Crime}", "{Comedy}", "{}"],
        ['[{"id": 1, "name": "Drama"}, {"id": 2, "name": "Crime"}]', '[{"id": 3, "name": "Comedy"}]', "[]"],
        ["[{'Kind': 'P', 'Name': 'Drama'}, {'Kind': 'P', 'Name': 'Crime'}]", "[{'Kind': 'Q', 'Name': 'Comedy'}]", "[]"],
        ["Drama|Crime", "Comedy", "(no genres listed)"],
        ["Drama|Crime", "Comedy|N/A", "keine Kategorie angegeben"],
        ["Drama|Crime", "Comedy", "暂无分类"],
    ],
)
def test_lists_in_any_notation(cells):
    found, info = read(cells, separator="|" if "|" in cells[0] else None)
    assert found.to_list() == [["Drama", "Crime"], ["Comedy"], None]
    assert info.multi


def test_escaped_signs_in_json():
    cells = [json.dumps([{"name": 'The "Q"'}, {"name": "é"}]), json.dumps([{"name": "O'Neil, A."}])]
    assert from_brackets(pl.Series(cells)).to_list() == [['The "Q"', "é"], ["O'Neil, A."]]


def test_a_hierarchy_is_its_levels_with_what_is_broader():
    found, info = read(["Home > Kitchen > Pans", "Home > Kitchen > Pots", "Home > Garden", "Home"])
    assert found.to_list() == [["Home", "Kitchen", "Pans"], ["Home", "Kitchen", "Pots"], ["Home", "Garden"], ["Home"]]
    assert info.broader == {"Kitchen": "Home", "Pans": "Kitchen", "Pots": "Kitchen", "Garden": "Home"}


def test_levels_of_one_name_are_told_apart():
    cells = [f"{top}/{sub}" for top in ("Phones", "Cameras") for sub in ("New", "Used " + top, "More " + top)]
    cells += [f"{top}/{sub}" for top in ("Phones", "Cameras") for sub in map(str, range(20, 30)) if top == "Phones"]
    found, info = read([c.replace("/", " > ") for c in cells])
    assert found[0].to_list() == ["Phones", "Phones > New"]
    assert info.broader["Cameras > New"] == "Cameras"


def test_several_paths_in_a_cell():
    found, info = read(["A > B | A > C", "A > C | D > E", "D > F"], separator="|")
    assert found.to_list() == [["A", "B", "C"], ["A", "C", "D", "E"], ["D", "F"]]
    assert info.broader == {"B": "A", "C": "A", "E": "D", "F": "D"}


@pytest.mark.parametrize(
    "cells", [["Action/Comedy", "Drama/Comedy", "Comedy/Action", "Drama/Action"], ["AC/DC", "Abba", "Blur"]]
)
def test_a_slash_alone_is_no_hierarchy(cells):
    found, info = read(cells)
    assert found.to_list() == cells
    assert not info.broader


def test_a_slash_is_a_hierarchy_where_values_make_a_tree():
    cells = [f"{top}/{top}{k}" for top in "ABC" for k in range(5)]
    found, info = read(cells)
    assert found[0].to_list() == ["A", "A0"]
    assert info.broader["B3"] == "B"


def test_prices_become_numbers():
    found, info = read(["€1.299,00", "€4,50", None, "-"], relation=None)
    assert found.to_list() == ["1299", "4.5", None, None]
    assert info.unit == "€"
    assert read(["Comedy", "Drama"], relation=None)[0].to_list() == ["Comedy", "Drama"]
    assert read(["007", "012"], relation=None)[0].to_list() == ["007", "012"]


def test_html_is_text():
    cells = [
        "<p>Fine &amp; <b>dandy</b></p><script>x()</script>",
        "a < b > c",
        "Caf&#233;<br/>au&nbsp;lait",
        None,
        "<p></p>",
    ]
    assert without_html(pl.Series(cells)).to_list() == ["Fine & dandy", "a < b > c", "Café\nau lait", None, None]


def test_years_of_titles():
    assert year_of_titles(pl.Series(["Toy Story (1995)", "Heat (1995) ", "Untitled"])).to_list() == [
        "1995",
        "1995",
        None,
    ]
    assert year_of_titles(pl.Series(["Toy Story", "1984", "2001 (extended)"])) is None


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="ascii", categories=("L", "N", "Zs")), min_size=1, max_size=8), max_size=4
        ),
        min_size=1,
        max_size=6,
    )
)
def test_json_lists_come_back(rows):
    expected = [list(dict.fromkeys(v.strip() for v in row if v.strip())) for row in rows]
    found = from_brackets(pl.Series([json.dumps(row) for row in rows]))
    assert found is not None
    assert found.to_list() == expected


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=6), st.sampled_from([None, "|", "/"]))
def test_no_text_makes_it_fail(cells, separator):
    for relation in (None, "has"):
        assert len(read(cells, separator=separator, relation=relation)[0]) == len(cells)
