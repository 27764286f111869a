import polars as pl
import pytest

from kgrec.config import CatalogueConfig, InteractionsConfig
from kgrec.data.columns import guess_attributes, synonyms
from kgrec.data.mapping import resolve_mapping
from kgrec.data.profile import profile
from kgrec.data.sources.files import LINE
from kgrec.errors import ConfigError
from kgrec.plugin.domain import Domain, Mapping

GENERIC = Domain("generic", "any")
CELLS = {
    "1700000000": ("timestamp", "unixReviewTime", "时间"),
    "4": ("rating", "overall", "评分", "打分"),
    "view": ("event", "行为"),
}
"""Cells of a file's only row by the names of columns; other columns hold an id."""


class Asked:
    """Stands in for the plugin manager where only the schema hook is asked."""

    def __init__(self, answer=None):
        self.answer = answer
        self.calls = []

    def schema_mapping(self, domain, source, columns):
        self.calls.append((domain, source, list(columns)))
        return self.answer


def mapping(has, role="interactions", answer=None, domain=GENERIC, **entry):
    model = InteractionsConfig if role == "interactions" else CatalogueConfig
    cells = {word: value for value, words in CELLS.items() for word in words}
    table = pl.DataFrame({name: [cells.get(name, f"x{k}")] for k, name in enumerate((*has, "__line__"))})
    return resolve_mapping(model(path="d/log.csv", **entry), role, table, domain, Asked(answer))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", None, "rating", "timestamp"]),
        (["timestamp", "visitorid", "event", "itemid"], ["visitorid", "itemid", "event", None, "timestamp"]),
        (
            ["reviewerID", "asin", "overall", "unixReviewTime"],
            ["reviewerID", "asin", None, "overall", "unixReviewTime"],
        ),
        (["用户", "物品", "评分", "时间", "行为"], ["用户", "物品", "行为", "评分", "时间"]),
        (["用户 ID", "商品编号", "打分"], ["用户 ID", "商品编号", None, "打分", None]),
    ],
)
def test_usual_names_are_known(columns, expected):
    fields = dict(zip(("user", "item", "action", "value", "time"), expected, strict=True))
    assert mapping(columns).columns == {k: v for k, v in fields.items() if v}


def test_kgrec_toml_comes_first_and_nothing_is_added_to_it():
    found = mapping(["user_id", "item_id", "rating"], columns={"user": "user_id", "item": "item_id"})
    assert found.columns == {"user": "user_id", "item": "item_id"}


def test_plugins_are_asked_before_names_are_tried():
    answer = Mapping("interactions", {"user": "b", "item": "a"}, action="purchase")
    found = mapping(["a", "b"], answer=answer)
    assert (found.columns, found.action) == ({"user": "b", "item": "a"}, "purchase")
    assert mapping(["a", "b"], answer=answer, action="click").action == "click"
    other_role = Mapping("items", {"id": "item_id"})
    assert mapping(["user_id", "item_id"], answer=other_role).columns["user"] == "user_id"


def test_the_domain_knows_names():
    domain = Domain("films", "", columns={"interactions": {"user": ("spectator",), "item": ("reel",)}})
    assert mapping(["reel", "spectator"], domain=domain).columns == {"user": "spectator", "item": "reel"}


def test_a_column_that_is_not_there():
    with pytest.raises(ConfigError) as caught:
        mapping(["user_id", "item_id"], columns={"user": "user", "item": "item_id"})
    assert "has no column 'user' (field 'user'); it has user_id, item_id" in caught.value.message
    assert caught.value.hint == "did you mean 'user_id'?"


def test_an_attribute_column_that_is_not_there():
    with pytest.raises(ConfigError, match="attribute 'genre'"):
        mapping(["id"], "items", columns={"id": "id"}, attributes={"genre": {"column": "genres"}})


@pytest.mark.parametrize("name", ["title", "id", "line"])
def test_reserved_attribute_names(name):
    with pytest.raises(ConfigError, match=f"cannot be called '{name}'"):
        mapping(["id", "t"], "items", columns={"id": "id"}, attributes={name: {"column": "t"}})


def test_users_and_items_come_from_two_columns():
    with pytest.raises(ConfigError, match="user and item are the same column 'a'"):
        mapping(["a", "b"], columns={"user": "a", "item": "a"})


def test_a_field_that_does_not_exist():
    with pytest.raises(ConfigError, match="no field 'usr'") as caught:
        mapping(["a"], columns={"usr": "a"})
    assert "'user'" in caught.value.hint


@pytest.mark.parametrize("columns", [["a", "b"], ["item_id", "rating"], ["user_id", "rating"]])
def test_needed_columns_that_cannot_be_found(columns):
    with pytest.raises(ConfigError, match=f"among {', '.join(columns)}"):
        mapping(columns)


def test_a_domain_that_names_item_ids_once_has_named_them_everywhere():
    domain = Domain("films", "", columns={"items": {"id": ("reel",)}})
    assert mapping(["reel", "user_id"], domain=domain).columns["item"] == "reel"
    assert synonyms("link", "item", domain)[0] == "reel"


def test_a_column_named_like_one_of_kgrecs_own_gets_another_name():
    ids = [str(k) for k in range(40)]
    table = pl.DataFrame({"id": ids, "source": ["web", "tv"] * 20, LINE: range(1, 41)})
    assert list(guess_attributes(profile(table), "items", {"id"}, Domain("generic", ""))) == ["source_"]
