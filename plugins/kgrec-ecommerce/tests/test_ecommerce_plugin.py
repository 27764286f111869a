import re

import polars as pl
import pytest
from kgrec_ecommerce import plugin

from kgrec.data.profile import profile
from kgrec.data.roles import fields_of
from kgrec.plugin import read_domain
from kgrec.plugin.manager import load_plugins
from kgrec.testing import DomainContract, PluginContract

ECOMMERCE = read_domain("kgrec_ecommerce")


class TestEcommerceDomain(DomainContract):
    def make(self):
        return ECOMMERCE


class TestEcommercePlugin(PluginContract):
    def make(self):
        return plugin


def test_amazon_reviews_of_2023_name_the_product_by_its_parent():
    columns = ["rating", "title", "text", "asin", "parent_asin", "user_id", "timestamp", "helpful_vote"]
    mapping = load_plugins().schema_mapping("ecommerce", "Software.jsonl", columns)
    assert mapping.columns["item"] == "parent_asin"
    assert (mapping.role, mapping.action) == ("interactions", "rate")


def test_amazon_reviews_of_2018_may_lack_texts():
    mapping = load_plugins().schema_mapping("ecommerce", "a.json", ["reviewerID", "asin", "overall", "unixReviewTime"])
    assert mapping.columns == {"user": "reviewerID", "item": "asin", "value": "overall", "time": "unixReviewTime"}


def test_retailrocket_properties_are_a_graph():
    columns = ["timestamp", "itemid", "property", "value"]
    mapping = load_plugins().schema_mapping("ecommerce", "item_properties_part1.csv", columns)
    assert (mapping.role, mapping.columns["relation"]) == ("triples", "property")
    assert load_plugins().schema_mapping("video", "item_properties_part1.csv", columns) is None
    events = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
    assert load_plugins().schema_mapping("ecommerce", "events.csv", events) is None, "the columns tell, no hook needed"
    rows = [(1433221332117 + 60_000 * k, k % 7, ("view", "addtocart")[k % 2], k % 5, None) for k in range(40)]
    table = profile(pl.DataFrame(rows, events, orient="row"))
    told = {"user": "visitorid", "action": "event", "item": "itemid", "time": "timestamp"}
    assert fields_of("interactions", table, ECOMMERCE) == told


def test_a_purchase_counts_more_than_a_cart_and_that_more_than_a_view():
    weights = ECOMMERCE.action_weights
    assert weights["view"] < weights["collect"] < weights["cart"] < weights["purchase"]


@pytest.mark.parametrize(
    ("text", "relation", "entity"),
    [
        ("青禾记出品，采用纯棉制成，适合健身使用。", "has_brand", "青禾记"),
        ("青禾记出品，采用纯棉制成，适合健身使用。", "made_of", "纯棉"),
        ("青禾记出品，采用纯棉制成，适合健身使用。", "suited_for", "健身"),
        ("老茶，产自云南。", "comes_from", "云南"),
        ("Manufactured by North Forge Tools, boxed.", "made_by", "North Forge Tools"),
        ("A pan made of stainless steel", "made_of", "stainless steel"),
    ],
)
def test_patterns(text, relation, entity):
    found = {
        (p.relation, match["entity"]) for p in ECOMMERCE.patterns if (match := re.search(p.pattern, text)) is not None
    }
    assert (relation, entity) in found
