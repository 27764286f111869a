"""Well-known exports are read by recipes: small files of their shapes, from what their publishers document."""

import json
import tomllib

import pytest

from kgrec.config import Config
from kgrec.data.ingest import ingest
from kgrec.data.propose import propose
from kgrec.errors import PluginError
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.recipes import recipes_of


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


GA4 = lines(
    *(
        {
            "event_date": "20140301",
            "event_timestamp": 1393632000000000 + k,
            "event_name": name,
            "user_pseudo_id": f"u{k}.1",
            "items": [{"item_id": "SKU1", "item_name": "Pan", "price": 9.5}, {"item_id": f"SKU{k + 2}", "price": 1}],
        }
        for k, name in enumerate(["view_item", "add_to_cart", "purchase", "refund", "add_payment_info"])
    )
)
SEGMENT = lines(
    *(
        {
            "anonymousId": f"a{k}",
            "event": name,
            "timestamp": f"2014-03-0{k + 1}T10:00:00Z",
            "properties": {"product_id": f"p{k}"},
        }
        for k, name in enumerate(["Product Viewed", "Order Completed", "Product Removed", "Checkout Started"])
    )
)
MIND = (
    "1\tU1\t11/11/2013 9:05:58 AM\tN1 N2\tN3-1 N4-0 N5-0\n2\tU2\t11/12/2013 6:11:30 PM\t\tN4-1 N3-0\n"
    "3\tU3\t11/13/2013 7:04:00 AM\tN9\tN5-0 N3-1\n"
)
NEWS = "".join(
    f"N{k}\tsports\tgolf\tHeadline {k}\tAbout {k}\thttps://e.org/{k}\t"
    '[{"Label": "Pebble Beach", "Type": "G", "WikidataId": "Q1"}]\t[]\n'
    for k in range(3, 6)
)
CASES = {
    "ga4.json": (GA4, {("u0.1", "SKU1", "view"), ("u1.1", "SKU3", "cart"), ("u2.1", "SKU1", "purchase")}),
    "segment.jsonl": (SEGMENT, {("a0", "p0", "view"), ("a1", "p1", "purchase")}),
    "behaviors.tsv": (MIND, {("U1", "N3", "click"), ("U2", "N4", "click"), ("U3", "N3", "click")}),
    "UserBehavior.csv": (
        "1,100,9,pv,1385809600\n2,101,9,buy,1385809700\n1,102,9,fav,1385809800\n3,100,9,cart,1385809900\n",
        {("1", "100", "view"), ("2", "101", "purchase"), ("1", "102", "collect"), ("3", "100", "cart")},
    ),
    "steam-200k.csv": (
        "151603712,Skyrim,purchase,1.0,0\n151603712,Skyrim,play,273.0,0\n59945701,Portal,play,2.5,0\n",
        {("151603712", "Skyrim", "purchase"), ("59945701", "Portal", "view")},
    ),
    "Software.jsonl": (
        lines(
            *(
                {
                    "rating": 5.0,
                    "title": "t",
                    "text": "x",
                    "asin": "B1",
                    "parent_asin": f"P{k}",
                    "user_id": f"A{k}",
                    "timestamp": 1388534400000,
                }
                for k in range(3)
            )
        ),
        {("A0", "P0", "rate")},
    ),
    "yelp_academic_dataset_review.json": (
        lines(
            *(
                {
                    "review_id": f"r{k}",
                    "user_id": f"u{k}",
                    "business_id": f"b{k}",
                    "stars": 4.0,
                    "date": "2014-03-01 10:00:00",
                    "text": "fine",
                }
                for k in range(3)
            )
        ),
        {("u1", "b1", "rate")},
    ),
    "goodreads_interactions.json": (
        lines(
            *(
                {
                    "user_id": f"u{k}",
                    "book_id": f"{k}",
                    "rating": 5,
                    "date_added": "Sat Mar 01 10:00:00 -0800 2014",
                    "is_read": True,
                }
                for k in range(3)
            )
        ),
        {("u1", "1", "rate")},
    ),
    "usersha1-artmbid-artname-plays.tsv": (
        "".join(f"{k:040x}\t3bd73256-3905-4f3a-97e2-8b341527f80{k}\tartist {k % 2}\t{k + 9}\n" for k in range(4)),
        {(f"{1:040x}", "artist 1", "view")},
    ),
    "user_artists.dat": ("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n3\t51\t100\n", {("2", "51", "view")}),
    "ratings.csv": (
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,1,5.0,964982224\n1,3,4.0,964981247\n",
        {("1", "3", "rate")},
    ),
    "DMSC.csv": (
        "ID,Movie_Name_EN,Movie_Name_CN,Username,Date,Star,Comment,Like\n0,Avengers,复联,bob,2013-05-13,3,ok,2\n"
        "1,Avengers,复联,ann,2013-04-24,5,好,1\n",
        {("ann", "Avengers", "rate")},
    ),
    "orders_export.csv": (
        "Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem sku\n#1,a@e.org,2014-03-01 10:00:00 +0100,1,Pan,S1\n"  # noqa: E501
        "#2,b@e.org,2014-03-02 10:00:00 +0100,2,Pot,S2\n",
        {("a@e.org", "S1", "purchase")},
    ),
    "wc-orders.csv": (
        "Order Number,Order Date,Customer User ID,SKU,Item Name\n1,2014-03-01 10:00,7,S1,Pan\n2,2014-03-02 10:00,8,S2,Pot\n",  # noqa: E501
        {("7", "S1", "purchase")},
    ),
}


def built(folder, manager, **files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    told = propose([folder / name for name in files], None, manager, folder=folder)
    config = Config.model_validate(tomllib.loads(told))
    return config, ingest(config, manager.domain(config.domain), manager, folder).dataset


@pytest.fixture(scope="module")
def manager():
    return load_plugins()


@pytest.mark.parametrize("name", CASES)
def test_logs(tmp_path, manager, name):
    text, expected = CASES[name]
    _, dataset = built(tmp_path, manager, **{name: text})
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    rows = dataset.interactions
    found = set(zip(users.gather(rows["user"]), items.gather(rows["item"]), rows["action"], strict=True))
    assert expected <= found
    assert rows["time"].null_count() in (0, rows.height)


def test_negative_events_are_none_of_the_good_ones(tmp_path, manager):
    _, dataset = built(tmp_path, manager, **{"ga4.json": GA4})
    actions = dict(dataset.interactions["action"].value_counts().iter_rows())
    assert actions["dislike"] == 2
    assert sum(actions.values()) == 8, "add_payment_info is no event about an item"


def test_news_with_entities(tmp_path, manager):
    config, dataset = built(tmp_path, manager, **{"behaviors.tsv": MIND, "news.tsv": NEWS})
    assert config.domain == "news"
    items = {row["item_id"]: row for row in dataset.items.to_dicts()}
    assert items["N3"]["title"] == "Headline 3"
    assert items["N3"]["entities"] == ["Pebble Beach"]
    assert dataset.interactions.height == 3


def test_catalogues(tmp_path, manager):
    products = (
        "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Variant SKU,Variant Price\n"
        'pan,Pan,<p>Fine &amp; heavy</p>,North,Home > Kitchen > Pans,Pan,"iron, new",S1,"1,299.00"\n'
        "pot,Pot,<p>Deep</p>,North,Home > Kitchen > Pots,Pot,iron,S2,49.00\n"
        "hose,Hose,<p>Long</p>,South,Home > Garden,Hose,new,S3,9.00\n"
    )
    config, dataset = built(
        tmp_path, manager, **{"orders_export.csv": CASES["orders_export.csv"][0], "p.csv": products}
    )
    assert config.domain == "ecommerce"
    item = {row["item_id"]: row for row in dataset.items.to_dicts()}["S1"]
    assert (item["title"], item["description"], item["price"]) == ("Pan", "Fine & heavy", "1299")
    assert item["category"] == ["Home", "Kitchen", "Pans"]
    assert dataset.item_attributes["category"].broader["Pans"] == "Kitchen"


def test_a_broken_recipe_is_named(tmp_path, monkeypatch):
    package = tmp_path / "kgrec_broken_recipes"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "recipes" / "x.toml").write_text('[[file]]\nrole = "things"\ncolumns = {}\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"recipes/x\.toml is no recipe: .*no role 'things'"):
        recipes_of("kgrec_broken_recipes")


@pytest.mark.parametrize("package", ["kgrec_video", "kgrec_news", "kgrec_ecommerce"])
def test_recipes_are_short(package):
    from importlib.resources import files

    assert recipes_of(package)
    for file in files(package).joinpath("recipes").iterdir():
        tables = file.read_text(encoding="utf-8").split("[[file]]")[1:]
        assert all(len(table.strip().splitlines()) <= 20 for table in tables), file.name
