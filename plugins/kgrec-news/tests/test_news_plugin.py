import re

import pytest
from kgrec_news import plugin

from kgrec.plugin import read_domain
from kgrec.plugin.manager import load_plugins
from kgrec.testing import DomainContract, PluginContract

NEWS = read_domain("kgrec_news")


class TestNewsDomain(DomainContract):
    def make(self):
        return NEWS


class TestNewsPlugin(PluginContract):
    def make(self):
        return plugin


def test_dkn_files_are_told_by_their_columns():
    clicks = load_plugins().schema_mapping("news", "train.tsv.gz", ["user_id", "news_id", "clicked"])
    assert (clicks.role, clicks.action, clicks.columns["value"]) == ("interactions", "click", "clicked")
    news = load_plugins().schema_mapping("news", "news.tsv.gz", ["news_id", "title", "entity_ids"])
    assert news.role == "items"
    assert (news.attributes["entities"].separator, news.attributes["entities"].relation) == (" ", "mentions")
    assert load_plugins().schema_mapping("news", "news.tsv", ["news_id", "title"]) is None
    assert load_plugins().schema_mapping("video", "train.tsv.gz", ["user_id", "news_id", "clicked"]) is None


def test_articles_extend_films_and_products_but_not_themselves():
    manager = load_plugins()
    for name in ("video", "ecommerce"):
        assert "mentioned_in" in {r.name for r in manager.domain(name).relation_types}
    assert "mentioned_in" not in {r.name for r in manager.domain("news").relation_types}


def test_a_glance_is_no_click():
    assert NEWS.action_weights["view"] < 0.2 * NEWS.action_weights["click"] < NEWS.action_weights["share"]


@pytest.mark.parametrize(
    ("text", "relation", "entity"),
    [
        ("Prices fall. More on Halvorsen Motors inside.", "about", "Halvorsen Motors"),
        ("By Petra Oakes, in Elden", "written_by", "Petra Oakes"),
        ("据北麓日报报道，桥已通车。", "published_by", "北麓日报"),
        ("本报记者 李青报道", "written_by", "李青"),
    ],
)
def test_patterns(text, relation, entity):
    found = {(p.relation, match["entity"]) for p in NEWS.patterns if (match := re.search(p.pattern, text)) is not None}
    assert (relation, entity) in found
