import datetime as dt
import json

import polars as pl
import pytest

from kgrec.data.dataset import INTERACTIONS, AttributeInfo
from kgrec.errors import ConfigError, DataError

TEN = """user_id,item_id,action,rating,timestamp,review
 u1 ,i1,buy,,1577836800,
u1,i2,addToCart,,1577836801,
u2,i1,rate,4.5,1577836802,
u2,i2,rate,oops,1577836803,
u3,,search,,1577836804,red shoes
u3,i3,teleport,,1577836805,
,i3,view,,1577836806,
u4,,view,,1577836807,
u4,i4,view,,12,
u5,i5,comment,,2999999999,nice
"""


@pytest.fixture
def ten(write, build):
    write(log__csv=TEN)
    return build(interactions=[{"path": "log.csv"}]).dataset


def rows(dataset):
    """Interactions with ids, in order."""
    table = dataset.interactions
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    return [
        (
            users[row["user"]],
            None if row["item"] is None else items[row["item"]],
            row["action"],
            row["value"],
            row["time"],
        )
        for row in table.iter_rows(named=True)
    ]


def test_ten_rows(ten):
    assert rows(ten) == [
        ("u1", "i1", "purchase", None, 1577836800),
        ("u1", "i2", "cart", None, 1577836801),
        ("u2", "i1", "rate", 4.5, 1577836802),
        ("u2", "i2", "rate", None, 1577836803),
        ("u3", None, "search", None, 1577836804),
    ]
    assert dict(ten.interactions.schema) == dict(INTERACTIONS)
    assert ten.interactions["text"].to_list()[-1] == "red shoes"
    assert ten.interactions["line"].to_list() == [2, 3, 4, 5, 6]


def test_every_dropped_row_has_reason_line_and_content(ten):
    found = {row["line"]: row for row in ten.rejects.iter_rows(named=True)}
    assert {line: row["reason"] for line, row in found.items()} == {
        7: "unknown action",
        8: "no user id",
        9: "no item id",
        10: "impossible time",
        11: "impossible time",
    }
    assert json.loads(found[7]["row"])["action"] == "teleport"
    assert {row["source"] for row in found.values()} == {"log.csv"}


def test_the_report_counts(ten):
    (file,) = ten.report["files"]
    assert (file["rows"], file["kept"]) == (10, 5)
    assert file["rejected"] == {"impossible time": 2, "unknown action": 1, "no user id": 1, "no item id": 1}
    assert file["missing"] == {"value is not a number": 1}
    assert file["unknown_actions"] == {"teleport": 1}
    assert ten.report["rows"] == ten.report["interactions"] + sum(ten.report["rejected"].values())


def test_ids_are_trimmed_and_normalised(write, build):
    write(log__csv="user_id,item_id\nCafe\u0301,A\u3000\nCaf\u00e9,\u00a0B\n\u3000,C\n")
    found = build(interactions=[{"path": "log.csv"}]).dataset
    assert found.users["user_id"].to_list() == ["Caf\u00e9"]
    assert sorted(found.items["item_id"]) == ["A", "B"]
    assert found.rejects["reason"].to_list() == ["no user id"]


def test_chinese_file(write, build):
    write(
        log__csv="用户,物品,评分,时间,行为\n小明,苹果,5,2020年1月5日,评分\n小红,梨,,2020年1月6日,收藏\n",
        goods__csv="商品编号,标题,简介,类型\n苹果,红苹果,又大又甜,水果、红色\n梨,雪花梨,多汁,水果\n",
    )
    found = build(interactions=[{"path": "log.csv"}], items=[{"path": "goods.csv"}]).dataset
    assert rows(found)[0][:4] == ("小明", "苹果", "rate", 5.0)
    assert rows(found)[1][:3] == ("小红", "梨", "collect")
    apple = found.items.filter(pl.col("item_id") == "苹果").row(0, named=True)
    assert apple["title"] == "红苹果"
    assert apple["description"] == "又大又甜"
    assert apple["类型"] == ["水果", "红色"]
    assert found.item_attributes["类型"] == AttributeInfo("类型", True)


def test_nan_and_infinite_ratings_are_no_ratings(write, build):
    write(log__csv="user_id,item_id,rating\nu,a,NaN\nu,b,inf\nu,c,1e999\nu,d,3\n")
    found = build(interactions=[{"path": "log.csv"}]).dataset
    assert [row[3] for row in rows(found)] == [None, None, None, 3.0]
    dropped = build(interactions=[{"path": "log.csv"}], cleaning={"missing_value": "drop"}).dataset
    assert [row[3] for row in rows(dropped)] == [3.0]
    assert dropped.report["rejected"] == {"value is not a number": 3}


def test_own_words_for_actions(write, build):
    write(log__csv="user_id,item_id,action\nu,a,Zapped!\nu,b,VIEW\n")
    found = build(interactions=[{"path": "log.csv", "actions": {"zapped": "like"}}]).dataset
    assert [row[2] for row in rows(found)] == ["like", "view"]


def test_the_action_of_a_file_without_an_action_column(write, build):
    write(a__csv="user_id,item_id\nu,a\n", b__csv="user_id,item_id,rating\nu,b,1\n", c__csv="user_id,query\nu,shoes\n")
    files = [{"path": name} for name in ("a.csv", "b.csv", "c.csv")]
    assert [row[2] for row in rows(build(interactions=files).dataset)] == ["view", "rate", "search"]
    bought = build(interactions=[{"path": "a.csv", "action": "purchase"}]).dataset
    assert rows(bought)[0][2] == "purchase"


@pytest.mark.parametrize(
    ("cleaning", "times", "reasons"),
    [
        ({}, [None, 1577836800], {"unreadable time": 1}),
        ({"missing_time": "drop"}, [1577836800], {"unreadable time": 1, "no time": 1}),
        ({"min_time": "2020-06-01"}, [None], {"unreadable time": 1, "impossible time": 1}),
        ({"max_time": "2019-06-01"}, [None], {"unreadable time": 1, "impossible time": 1}),
    ],
)
def test_times(write, build, cleaning, times, reasons):
    write(log__csv="user_id,item_id,time\nu,a,2020-01-01\nu,b,\nu,c,soon\n")
    found = build(interactions=[{"path": "log.csv"}], cleaning=cleaning).dataset
    assert found.interactions["time"].to_list() == times
    assert found.report["rejected"] == reasons


def test_a_limit_that_is_no_time(write, build):
    write(log__csv="user_id,item_id,time\nu,a,2020-01-01\n")
    with pytest.raises(ConfigError, match=r"data\.cleaning\.min_time: 'long ago' is no time"):
        build(interactions=[{"path": "log.csv"}], cleaning={"min_time": "long ago"})


def test_parquet_types(write, build):
    write(
        log__parquet=pl.DataFrame(
            {
                "user_id": [1.0, 2.0, None],
                "item_id": [10, 11, 12],
                "rating": [4.0, float("nan"), 1.0],
                "timestamp": [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2), None],
            }
        )
    )
    found = build(interactions=[{"path": "log.parquet"}]).dataset
    assert rows(found) == [("1", "10", "rate", 4.0, 1577836800), ("2", "11", "rate", None, 1577923200)]
    assert json.loads(found.rejects["row"][0])["item_id"] == "12"


def test_attributes_of_items_and_users(write, build):
    write(
        log__csv="user_id,item_id\nu1,m1\n",
        items__jsonl='{"reel": "m1", "title": " A ", "kinds": ["Drama", " Drama", ""], "year": 1999}\n{"reel": "m2"}\n',
        users__csv="user_id,about,gender,age\nu1,likes dogs,F,33\nu9,,M,\n",
    )
    found = build(
        interactions=[{"path": "log.csv"}],
        items=[{"path": "items.jsonl"}],
        users=[{"path": "users.csv"}],
    ).dataset
    items = {row["item_id"]: row for row in found.items.iter_rows(named=True)}
    origin = {"source": "items.jsonl", "line": 1}
    film = {"item_id": "m1", "title": "A", "description": None, "genres": ["Drama"], "year": "1999"}
    assert items["m1"] == film | origin
    assert items["m2"]["genres"] is None
    assert found.item_attributes == {"genres": AttributeInfo("has_genre", True), "year": AttributeInfo(None, False)}
    users = {row["user_id"]: row for row in found.users.iter_rows(named=True)}
    person = {"user_id": "u1", "description": "likes dogs", "gender": "F", "age": "33"}
    assert users["u1"] == person | {"source": "users.csv", "line": users["u1"]["line"]}
    assert set(users) == {"u1", "u9"}
    assert found.user_attributes["gender"].relation == "gender"


def test_separators_of_attributes_are_as_stated(write, build):
    write(log__csv="user_id,item_id\nu1,m1\n", items__csv='id,tags,note\nm1,"a / b / a",x / y\n')
    attributes = {"tags": {"column": "tags", "separator": " / ", "relation": "has_tag"}, "note": {"column": "note"}}
    catalogue = {"path": "items.csv", "columns": {"id": "id"}, "attributes": attributes}
    found = build(interactions=[{"path": "log.csv"}], items=[catalogue]).dataset
    assert found.items.row(0, named=True)["tags"] == ["a", "b"]
    assert found.items.row(0, named=True)["note"] == "x / y"


def test_no_row_survives(write, build):
    write(log__csv="user_id,item_id,time\nu,a,12\nu,b,13\n")
    with pytest.raises(DataError) as caught:
        build(interactions=[{"path": "log.csv"}])
    assert "2 rows were dropped for: impossible time" in caught.value.message
    assert "line 2" in caught.value.hint


def test_no_rows_at_all(write, build):
    write(log__csv="user_id,item_id\n")
    with pytest.raises(DataError, match="the files have no rows"):
        build(interactions=[{"path": "log.csv"}])


def test_no_files(build):
    with pytest.raises(ConfigError, match="names no interactions"):
        build()


def test_dates_of_two_orders_are_an_error_with_two_lines(write, build):
    write(log__csv="user_id,item_id,date\nu1,i1,13/05/2014\nu2,i2,05/07/2014\nu3,i3,05/13/2014\n")
    with pytest.raises(DataError, match=r"line 2 \(13/05/2014\) and line 4 \(05/13/2014\)") as caught:
        build(interactions=[{"path": "log.csv"}])
    assert "notation" in caught.value.hint
    stated = build(interactions=[{"path": "log.csv", "notation": {"dates": "day-first"}}]).dataset
    assert stated.interactions.height == 2
    assert stated.report["rejected"] == {"unreadable time": 1}


def test_stars_and_zones_are_read(write, build):
    write(log__csv="user_id,item_id,rating,date\nu1,i1,★★★★☆,2014-07-01 12:00\nu2,i2,★☆☆☆☆,2014-01-01 12:00\n")
    entry = {"path": "log.csv", "notation": {"time_zone": "Europe/Berlin"}}
    rows = build(interactions=[entry]).dataset.interactions.sort("time")
    assert rows["value"].to_list() == [1, 4]
    assert rows["time"].to_list() == [1388574000, 1404208800]
