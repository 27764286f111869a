"""What is lost is told by file and reason; too much is an error."""

import polars as pl
import pytest

from kgrec.errors import DataError

ROWS = "".join(f"u{k},i{k % 7},{'view' if k % 10 else 'glorp'},2014-01-01\n" for k in range(100))


def test_losses_by_file_and_reason(write, build):
    text = "Report\n\nuser_id,item_id,action,date\n" + ROWS + ",i1,view,2014-01-01\n"
    write(log__csv=text, more__csv="user_id,item_id\nu1,i1\nu1,i1\n")
    report = build(interactions=[{"path": "log.csv"}, {"path": "more.csv"}]).dataset.report
    found = {(loss["source"], loss["reason"]): (loss["rows"], loss["lost"]) for loss in report["losses"]}
    assert found == {
        ("log.csv", "unknown action"): (10, True),
        ("log.csv", "no user id"): (1, True),
        ("log.csv", "a title above the table"): (1, False),
        ("more.csv", "exact duplicate"): (1, False),
        ("more.csv", "repeated event"): (1, False),
    }
    assert report["losses"][0]["reason"] == "unknown action"
    assert report["losses"][0]["example"].startswith("line 4: ")


def test_too_much_lost_is_an_error(write, build):
    write(log__csv="user_id,item_id,action\n" + "u1,i1,view\n" + "u2,i2,glorp\nu3,i3,glarp\n")
    with pytest.raises(DataError, match=r"67% of log\.csv would be lost \(2 rows: unknown action\)"):
        build(interactions=[{"path": "log.csv"}], cleaning={"max_loss": 0.5})
    assert build(interactions=[{"path": "log.csv"}], cleaning={"max_loss": 0.8}).dataset.interactions.height == 1
    with pytest.raises(DataError, match="nothing may be"):
        build(interactions=[{"path": "log.csv"}], cleaning={"max_loss": 0})


def test_unused_columns_are_named_with_what_they_could_be(write, build):
    rows = [f"u{k % 9},i{k},{k},2014-01-{k % 28 + 1:02},{'red' if k % 2 else 'blue'},x,,s{k}\n" for k in range(60)]
    write(log__csv="user_id,item_id,depth,seen_on,colour,constant,nothing,session\n" + "".join(rows))
    entry = {"path": "log.csv", "columns": {"user": "user_id", "item": "item_id"}}
    part = build(interactions=[entry]).dataset.report["files"][0]
    assert part["unused"] == {
        "depth": "numbers",
        "seen_on": "times",
        "colour": "an attribute of 2 values",
        "constant": "always 'x'",
        "session": "ids or names",
    }


def test_no_loss_is_no_news(write, build):
    write(log__csv="user_id,item_id\nu1,i1\n", items__parquet=pl.DataFrame({"item_id": ["i1"], "title": ["A"]}))
    report = build(interactions=[{"path": "log.csv"}], items=[{"path": "items.parquet"}]).dataset.report
    assert report["losses"] == []
