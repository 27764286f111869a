from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.data.dataset import AttributeInfo
from kgrec.errors import ConfigError
from kgrec.plugin import Domain
from kgrec.testing import toy_dataset
from kgrec.text.item_text import item_texts, parse_template

DOMAIN = Domain("films", "films")


def dataset_of(rows):
    schema = {"item_id": pl.String, "title": pl.String, "description": pl.String, "year": pl.Int64}
    items = pl.DataFrame(rows, schema=schema | {"genres": pl.List(pl.String)}, orient="row")
    attributes = {"year": AttributeInfo(None, False), "genres": AttributeInfo("has_genre", True)}
    return replace(toy_dataset(), items=items, item_attributes=attributes)


FULL = ("i1", "Up", "A house  flies.", 2009, ["Family", "Comedy", "Family", None])
BARE = ("i2", "Up", None, None, [])
NOTHING = ("i3", None, " ", None, None)


@pytest.mark.parametrize(
    ("template", "full", "bare"),
    [
        ("{title}. {description} {entities}", "Up. A house flies. Ada", "Up"),
        ("{title} ({year}), {genres}: {description}", "Up (2009), Family, Comedy: A house flies.", "Up"),
        ("{title} | {genres} | by {entities}.", "Up | Family, Comedy | by Ada.", "Up"),
        ("《{title}》，类型：{genres}。{description}", "《Up》，类型：Family、Comedy。A house flies.", "《Up》"),
        ("《{title}》（{year}）{genres}。", "《Up》（2009）Family、Comedy。", "《Up》"),
        ("Film: {title}. {description}. With {entities}!", "Film: Up. A house flies. With Ada!", "Film: Up"),
        ("{genres}: {title}", "Family, Comedy: Up", "Up"),
        ("{{{title}}} {year}", "{Up} 2009", "{Up}"),
        ("{entities}, {description}", "Ada, A house flies.", ""),
    ],
)
def test_templates(template, full, bare):
    dataset = dataset_of([FULL, BARE, NOTHING])
    assert item_texts(dataset, [["Ada"], [], []], template, DOMAIN) == [full, bare, ""]


def test_entities_as_a_table():
    table = pl.DataFrame({"item": [1, 0, 1], "labels": [["B", "A"], ["C"], ["B", "D"]]})
    dataset = dataset_of([FULL, BARE, NOTHING])
    assert item_texts(dataset, table, "{entities}", DOMAIN) == ["C", "B, A, D", ""]
    assert item_texts(dataset, None, "{title} {entities}", DOMAIN) == ["Up", "Up", ""]


def test_at_most_so_many_entities():
    dataset = dataset_of([FULL])
    (text,) = item_texts(dataset, [[f"e{k}" for k in range(500)]], "{entities}", DOMAIN)
    assert text.split(", ")[-1] == "e19"


def test_the_domain_brings_template_and_attributes():
    from kgrec.plugin import Attribute

    domain = replace(DOMAIN, item_template="{title} {maker}", attributes={"maker": Attribute("maker")})
    assert item_texts(dataset_of([FULL]), None, None, domain) == ["Up"]


@pytest.mark.parametrize("template", ["{titel}", "{title", "no placeholder", "{title}}", "", "{}"])
def test_unusable_templates(template):
    domain = replace(DOMAIN, item_template=template)
    with pytest.raises(ConfigError) as caught:
        item_texts(dataset_of([FULL]), None, template, domain)
    assert "item template" in caught.value.message
    assert caught.value.hint


cell = st.one_of(st.none(), st.text("ab.,() 电影", max_size=8))


@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=6))
def test_a_missing_part_leaves_no_punctuation(rows):
    dataset = dataset_of([(f"i{k}", title, text, None, None) for k, (title, text) in enumerate(rows)])
    texts = item_texts(dataset, None, "{title} [{year}]; {description} <{genres}>", DOMAIN)
    for text, (title, description) in zip(texts, rows, strict=True):
        title, description = " ".join((title or "").split()), " ".join((description or "").split())
        assert text == " ".join(filter(None, [title, description])).strip()
        assert "[" not in text


@given(
    st.lists(st.sampled_from(["{title}", "{year}", "{genres}", ". ", ", ", " (", ") ", "by ", "《", "》"]), min_size=1)
)
def test_parts_put_together_are_the_template(pieces):
    template = "".join(["{title}", *pieces])
    parts = parse_template(template)
    assert "".join(f"{part.before}{{{part.name}}}{part.after}" for part in parts) == template
