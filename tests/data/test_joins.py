"""Files that complete each other, and rows that say more than one thing: proposed and built."""

import random

import pytest

from kgrec.data.ingest import ingest
from kgrec.data.propose import propose
from kgrec.settings import load_settings

DRAW = random.Random(5)
TIMES = [1_709_600_000 + 7_919 * k for k in range(60)]


@pytest.fixture
def built(tmp_path, plugins):
    """Return a function that writes files, takes them as proposed and returns the dataset and kgrec.toml."""

    def build(**files):
        paths = []
        for name, text in files.items():
            paths.append(tmp_path / name.replace("__", "."))
            paths[-1].write_text(text, encoding="utf-8")
        text = propose(paths, None, plugins, folder=tmp_path)
        (tmp_path / "kgrec.toml").write_text(text, encoding="utf-8")
        config = load_settings(tmp_path / "kgrec.toml").config
        return ingest(config, plugins.domain(config.domain), plugins, tmp_path).dataset, text, config

    return build


def pairs(dataset):
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    rows = dataset.interactions.drop_nulls("item")
    return {(users[u], items[i]) for u, i in rows.select("user", "item").iter_rows()}


def log(verbs=("view", "buy"), item="P-{}", n=12):
    rows = (f"c{DRAW.randrange(9)},{item.format(DRAW.randrange(n))},{DRAW.choice(verbs)},{t}" for t in TIMES)
    return "customer,product,action,at\n" + "\n".join(rows) + "\n"


def test_lines_get_the_customer_and_the_date_of_their_order(built):
    who = [DRAW.randrange(9) for _ in range(40)]
    lines = [(DRAW.randrange(40), DRAW.randrange(12)) for _ in range(90)]
    head = "bestell_nr;kunden_nr;bestelldatum\n"
    dataset, text, config = built(
        kopf__csv=head + "".join(f"{9000 + k};K{u};{1 + k % 28:02}.03.2024\n" for k, u in enumerate(who)),
        pos__csv="pos;bestell_nr;artikel_nr;menge\n"
        + "".join(f"{k};{9000 + o};A{i:03};1\n" for k, (o, i) in enumerate(lines)),
    )
    assert pairs(dataset) == {(f"K{who[o]}", f"A{i:03}") for o, i in lines}
    assert dataset.interactions["time"].null_count() == 0
    assert config.data.interactions[0].action == "purchase"
    assert "kopf.csv: read together with pos.csv" in text


def test_ids_of_categories_are_called_by_their_names_below_the_broader_ones(built):
    dataset, text, _ = built(
        log__csv=log(),
        products__csv="product,name,category_ids\n"
        + "".join(f'P-{k},Lamp {k} of {["North", "Pier"][k % 2]},"{k % 4 + 1}|{k % 3 + 5}"\n' for k in range(12)),
        categories__csv="id,name,parent\n1,Desk,8\n2,Floor,8\n3,Wall,9\n4,Roof,9\n5,Oak,9\n6,Pine,2\n7,Elm,1\n8,In,\n9,Out,\n",
    )
    row = dataset.items.filter(dataset.items["item_id"] == "P-1").row(0, named=True)
    assert set(row["category"]) == {"In", "Floor", "Pine"}
    assert dataset.item_attributes["category"].broader["Pine"] == "Floor"
    assert "categories.csv: its names stand for the category_ids of products.csv" in text


def test_items_beside_items_are_relations(built):
    rows = "".join(f"P-{k},P-{(k * 5 + j) % 12},{k % 5 + 2}\n" for k in range(12) for j in (1, 3))
    _, _, config = built(
        log__csv=log(),
        products__csv="product,name\n" + "".join(f"P-{k},Lamp {k} of {'NP'[k % 2]}\n" for k in range(12)),
        bought_together__csv="product_a,product_b,times\n" + rows,
    )
    graph = config.data.triples[0]
    assert (graph.columns, graph.relation) == ({"head": "product_a", "tail": "product_b"}, "bought_together")


def test_users_beside_users_are_left_out_and_it_is_said(built):
    ratings = "".join(f"r{DRAW.randrange(15):02},p{DRAW.randrange(12)},{DRAW.randrange(5) + 1}\n" for _ in range(90))
    trust = "".join(f"r{k % 15:02},r{(k * 7 + 3) % 15:02},{k % 2}\n" for k in range(30))
    _, text, config = built(
        ratings__csv="reviewer,product,stars\n" + ratings, trust__csv="truster,trustee,value\n" + trust
    )
    assert len(config.data.interactions) == 1
    assert not config.data.users
    assert "truster and trustee both name users" in text


def test_columns_of_yes_and_no_are_actions_and_the_strongest_counts(built):
    flags = [(k % 9, k % 12, k % 2, int(k % 5 == 0), int(k % 7 == 0)) for k in range(36)]
    dataset, _, _ = built(
        log__csv="uid,vid,clicked,liked,is_hate,time\n"
        + "".join(f"{u},{i + 500},{c},{like},{h},{TIMES[k]}\n" for k, (u, i, c, like, h) in enumerate(flags))
    )
    want = {
        (str(u), str(i + 500), "dislike" if h else "like" if like else "click" if c else "impression")
        for u, i, c, like, h in flags
    }
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    rows = dataset.interactions.select("user", "item", "action").iter_rows()
    assert {(users[u], items[i], action) for u, i, action in rows} == want


def test_who_is_not_known_by_name_counts_by_session(built):
    rows = [(f"C{k % 7}" if k % 4 else "", f"s{k // 3:03}", f"SKU{k * 5 % 12}") for k in range(60)]
    dataset, _, _ = built(
        hits__csv="event,customer_id,session_id,sku,created_at\n"
        + "".join(f"view,{c},{s},{i},2024-03-05T{k % 24:02}:10:00Z\n" for k, (c, s, i) in enumerate(rows))
    )
    assert pairs(dataset) == {(c or s, i) for c, s, i in rows}


def test_a_history_beside_what_was_clicked_is_read_too(built):
    def row(k):
        before = " ".join(f"N{(k + j) % 12 + 50}" for j in (1, 2, 3))
        return f"{k}\tU{k % 9}\t{TIMES[k % 60]}\t{before}\tN{k % 12 + 50}-1 N{(k + 6) % 12 + 50}-0\n"

    dataset, _, config = built(behaviors__tsv="".join(map(row, range(40))))
    assert [entry.columns["item"] for entry in config.data.interactions] == ["column_5", "column_4"]
    want = {(f"U{k % 9}", f"N{(k + j) % 12 + 50}") for k in range(40) for j in (0, 1, 2, 3)}
    assert pairs(dataset) == want


def test_fields_of_json_in_a_cell_are_columns(built):
    def row(k):
        return f'e{k},d{k % 9:03},click,"{{""product_id"": ""P{k % 12}"", ""price"": 9.5}}",{TIMES[k % 60]}\n'

    dataset, _, config = built(events__csv="uuid,distinct_id,event,properties,time\n" + "".join(map(row, range(40))))
    assert config.data.interactions[0].columns["item"] == "properties.product_id"
    assert ("d001", "P1") in pairs(dataset)


def test_lines_of_a_user_and_their_items(built):
    rows = [[k, *{(k * j + j) % 17 + 100 for j in range(1, 3 + k % 4)}] for k in range(30)]
    dataset, _, _ = built(train__txt="".join(" ".join(map(str, row)) + "\n" for row in rows))
    assert pairs(dataset) == {(str(row[0]), str(i)) for row in rows for i in row[1:]}


def test_minutes_ahead_of_utc_stand_in_a_column(built):
    rows = "".join(f"w{k % 9},v{k % 12},2024-05-{1 + k % 28:02} 06:16,{-240 if k % 2 else 120}\n" for k in range(40))
    dataset, _, _ = built(log__csv="user,venue_id,local_time,tz_offset_min\n" + rows)
    hours = (dataset.interactions["time"] % 86_400 // 60).unique().sort().to_list()
    assert hours == [4 * 60 + 16, 10 * 60 + 16]
