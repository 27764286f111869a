"""What lists show of items and users is that of the tables."""

import polars as pl
import pytest

from kgrec.data.cards import Cards, save_cards
from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.errors import CorruptArtifactError

ROWS = {"user": [0, 1, 1], "item": [0, 1, 0], "split": ["train", "train", "test"]}
USERS = {
    "user_id": ["a", "b"],
    "description": ["liest gern", None],
    "age": [31, None],
    "cities": [["Bergen", "小镇"], []],
    "line": [1, 2],
}


@pytest.fixture
def cards(tmp_path):
    kinds = {"age": AttributeInfo(None, multi=False), "cities": AttributeInfo("lives_in", multi=True)}
    items = pl.DataFrame({"item_id": ["i", "j"], "title": ["霸王别姬", None]})
    save_cards(Dataset(pl.DataFrame(ROWS), pl.DataFrame(USERS), items, user_attributes=kinds), tmp_path)
    return Cards(tmp_path)


def test_titles(cards):
    assert [cards.title(row) for row in (0, 1)] == ["霸王别姬", ""]


def test_users(cards):
    assert cards.user(0) == {"description": "liest gern", "age": 31, "cities": ["Bergen", "小镇"]}
    assert cards.user(1) == {}
    assert [cards.interactions(row) for row in (0, 1)] == [1, 1]  # those of the test part do not count


def test_a_missing_file_is_a_damaged_workspace(tmp_path):
    with pytest.raises(CorruptArtifactError):
        Cards(tmp_path).title(0)
