"""Conditions: what is written is what holds; what cannot be read is named with its place."""

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.errors import NotFoundError, UsageError
from kgrec.ranking.item_filter import ItemFilter
from kgrec.ranking.requests import as_request
from kgrec.ranking.where import Junction, Negation, ValueTest, conditions, parse_where
from kgrec.types import Request

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "title": ["Amélie (2001)", "War, and Peace", "霸王别姬", None],
        "price": ["49.90", "50", "120", None],
        "released": ["2001-04-25", "2020-12-31", "2021-01-01", None],
        "genre": [["Drama", "Comedy"], ["Drama"], ["Rock and Roll"], None],
    },
    schema_overrides={"genre": pl.List(pl.String)},
)
ATTRIBUTES = {name: AttributeInfo(None, name == "genre") for name in ("price", "released", "genre")}
GRAPH = SimpleNamespace(
    nodes=pl.DataFrame(
        {
            "kind": ["user", "item", "item", "item", "item", "entity"],
            "index": [0, 0, 1, 2, 3, None],
            "key": ["u1", "a", "b", "c", "d", "Q1"],
            "label": ["u1", "Amélie (2001)", "War, and Peace", "霸王别姬", "d", "Rob Reiner"],
            "aliases": [[], [], [], [], [], ["Robert Reiner"]],
        },
        schema_overrides={"index": pl.UInt32, "aliases": pl.List(pl.String)},
    ),
    relations=pl.DataFrame({"name": ["directed_by", "watched", "sequel_of"], "inverse": ["directs", None, "sequel"]}),
    edges=pl.DataFrame({"head": [2, 0, 3], "relation": [0, 1, 2], "tail": [5, 1, 1]}),
)


def meets(text):
    data = Dataset(pl.DataFrame(), pl.DataFrame(), ITEMS, item_attributes=ATTRIBUTES)
    mask = ItemFilter(data, lambda: GRAPH).mask(text)
    return "".join(ITEMS["item_id"].filter(pl.Series(mask)))


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("price<50", "a"),
        ("price <= 50.0", "ab"),
        ("price≥50", "bc"),
        ("price = 50.00", "b"),
        ("not price<50", "bcd"),
        ("released>2020", "c"),
        ("released<=2020", "ab"),
        ("released >= 2020-12 and released < 2021-01-01", "b"),
        ("released = 2001-04-25", "a"),
        ("genre in (drama, 'Rock and Roll')", "abc"),
        ("genre not in (Comedy)", "bcd"),
        ("genre != Comedy and price > 0", "bc"),
        ("genre=comedy or price>100 and not genre=Drama", "ac"),
        ("(genre=comedy or price>100) and not genre=Drama", "c"),
        ("title ~ amelie", "a"),
        ('title ~ "war, AND"', "b"),
        ("title !~ 别", "abd"),
        ("TITLE～“王别”", "c"),
        ("Genres = drama", "ab"),
        ("item_id in（a，d）", "ad"),
        ("directed_by=Rob Reiner", "b"),
        ("Directed By = 'robert reiner'", "b"),
        ("directed-by=Q1 or item id = d", "bd"),
        ('directed_by ~ "reiner"', "b"),
        ('sequel_of="Amélie (2001)"', "c"),
        ("sequel=霸王别姬", "a"),
    ],
)
def test_what_meets_a_condition(text, who):
    assert meets(text) == who


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "name of an attribute or relation is missing at character 1", "NAME=VALUE"),
        ("price<", "a value is missing at character 7", "price<VALUE"),
        ("price<<50", "a value is missing at character 7 of 'price<<50'", "quote"),
        ("genre=a genre=b", "cannot follow at character 14", "'and' or 'or'"),
        ("genre=Rock and Roll", "'Roll' is not compared with anything at character 20", "Roll=VALUE"),
        ("genre=Rock,Pop", "',' cannot follow at character 11", "between"),
        ("genre in Drama", "a '(' is missing at character 10", "in (A, B)"),
        ("genre in (A", "a ',' or ')' is missing at character 12", "quote"),
        ("(price<5", "a ')' is missing at character 9", "close"),
        ('genre="A', "a quote is opened and not closed at character 7", "close"),
        ("(" * 40 + "a=b" + ")" * 40, "more than 30", "simply"),
        ("a=" + "b" * 20_000, "too many", "10000"),
        ("genre<5", "'genre' has no values that compare with '5' at character 7", "~"),
        ("price<cheap", "'cheap' is neither at character 7", "~"),
        ("released<2020-13", "neither", "~"),
    ],
)
def test_what_cannot_be_read(text, says, hint):
    with pytest.raises(UsageError) as error:
        meets(text)
    assert says in str(error.value)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("text", "says", "near"),
    [
        ("gender=Drama", "at character 1 of 'gender=Drama'", "genre"),
        ("price<5 or not directed_bi=X", "at character 16", "directed_by"),
        ("genre in (Drama, Commedy)", "'Commedy'", "Comedy"),
        ("directed_by=Rob Rainer", "'Rob Rainer'", "Rob Reiner"),
        ("watched=u1", "'u1'", ""),  # what users did is nobody's to ask for
    ],
)
def test_unknown_names_offer_near_ones(text, says, near):
    with pytest.raises(NotFoundError) as error:
        meets(text)
    assert says in str(error.value)
    assert near in (error.value.hint or "")


NAMES = st.text("abcxyz_é霸 ", min_size=1).filter(lambda s: s.strip())
VALUES = st.text(max_size=8)
LEAVES = st.builds(lambda n, v: (n, "=", (v,)), NAMES, VALUES) | st.builds(
    lambda n, vs: (n, "in", tuple(vs)), NAMES, st.lists(VALUES, min_size=1, max_size=3)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(tree):
    if tree[0] == "not":
        return f"not ({written(tree[1])})"
    if tree[0] in ("and", "or") and len(tree) == 2:
        return f" {tree[0]} ".join(f"({written(part)})" for part in tree[1])
    name, operator, values = tree
    if operator == "=":
        return f"{quoted(name)} = {quoted(values[0])}"
    return f"{quoted(name)} in ({', '.join(map(quoted, values))})"


def read(condition):
    if isinstance(condition, Negation):
        return ("not", read(condition.part))
    if isinstance(condition, Junction):
        return ("and" if condition.every else "or", tuple(map(read, condition.parts)))
    return (condition.name, "=" if len(condition.values) == 1 else "in", condition.values)


def plain(tree):
    """Return a tree with sets of one value as equality, and junctions of one part as that part."""
    if tree[0] == "not":
        return ("not", plain(tree[1]))
    if len(tree) == 2:
        return (tree[0], tuple(map(plain, tree[1])))
    return (tree[0], "=" if len(tree[2]) == 1 else "in", tree[2])


@given(TREES)
def test_what_is_written_is_read(tree):
    assert read(parse_where(written(tree))) == plain(tree)


@given(st.text("ab \"'()=<>!~,“”（＝not and or in", max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused_with_its_place(text):
    found = None
    with suppress(UsageError):
        found = parse_where(text)
    if found is None:
        with pytest.raises(UsageError, match="at character") as error:
            parse_where(text)
        assert error.value.hint


@given(st.dictionaries(NAMES, VALUES | st.lists(VALUES, min_size=1, max_size=3), max_size=3))
def test_a_mapping_says_what_its_text_says(where):
    for text, (name, value) in zip(conditions(where), where.items(), strict=True):
        found = parse_where(text)
        assert isinstance(found, ValueTest)
        assert found.name == name
        assert found.values == ((value,) if isinstance(value, str) else tuple(value))


def test_what_callers_may_give(defaults):
    assert conditions("price<5") == ("price<5",)
    assert conditions(["price<5", " "]) == ("price<5",)
    assert meets(conditions({"price": 50})[0]) == "b"
    for wrong in ([("genre", "Drama")], 5, {"genre": {"is": "Drama"}}, {"genre": []}):
        with pytest.raises(UsageError, match="where") as error:
            conditions(wrong)
        assert "like" in error.value.hint
    asked = as_request(5, defaults, n=3, rerank="mmr:.3", where={"genre": "Drama"})
    assert asked == Request("5", 3, where=('"genre" in ("Drama")',), rerank=("mmr:.3",))
    for n in (0, -1, 2.5, True, "3"):
        with pytest.raises(UsageError, match="n is the length of a list"):
            as_request("u", defaults, n=n)
    with pytest.raises(UsageError, match="a user is an id") as error:
        as_request(["u1", "u2"], defaults)
    assert "recommend_many" in error.value.hint
    for wrong in (True, 2.5):
        with pytest.raises(UsageError, match="id"):
            as_request(wrong, defaults)


@pytest.fixture
def defaults():
    return SimpleNamespace(n=10, include_seen=False)


def test_a_condition_is_checked_for_all_items_at_once():
    rows = 200_000
    items = pl.DataFrame({"item_id": [str(k) for k in range(rows)], "price": [str(k % 100) for k in range(rows)]})
    data = Dataset(pl.DataFrame(), pl.DataFrame(), items, item_attributes={"price": AttributeInfo(None, False)})
    mask = ItemFilter(data, lambda: GRAPH).mask("price<10 or price in (50, 51)")
    np.testing.assert_array_equal(mask, np.isin(np.arange(rows) % 100, [*range(10), 50, 51]))
