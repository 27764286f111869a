"""What looks suspicious is said; what does not is not."""

import re

import pytest

from kgrec.data.checks import suspicions
from kgrec.report.data_page import data_page

GOOD = "user_id,item_id,action,date\n" + "".join(
    f"u{k % 20},i{k % 13},{('view', 'purchase')[k % 2]},2014-01-{k % 28 + 1:02} 10:{k % 60:02}\n" for k in range(200)
)
ITEMS = "item_id,title,price\n" + "".join(f"i{k},Thing {k},{k * 3 % 7}\n" for k in range(13))


def found(write, build, log=GOOD, items=ITEMS):
    write(log__csv=log, items__csv=items)
    entry = {
        "path": "items.csv",
        "attributes": {"price": {"column": "price"}},
        "columns": {"id": "item_id", "title": "title"},
    }
    return build(interactions=[{"path": "log.csv"}], items=[entry], cleaning={"repeated": "keep"}).dataset


def test_sound_data_is_not_suspicious(write, build):
    assert suspicions(found(write, build)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda log, items: (log.replace("purchase", "view"), items), "every interaction is a view"),
        (lambda log, items: (re.sub(r"u1\d?,", "u0,", log), items), "of the interactions are of one user"),
        (lambda log, items: (log + "NULL,i1,view,2014-02-01\n" + "".join(f"NULL,i{k},view,2014-02-02\n" for k in range(9)), items), "the user 'NULL' has 10"),  # noqa: E501
        (lambda log, items: (log + "U1,i1,view,2014-02-01\n", items), "differ only in leading zeros or in upper and lower case"),  # noqa: E501
        (lambda log, items: (log, items.replace("i5,", "x5,").replace("i6,", "x6,")), "items that the catalogue does not have: i5, i6"),  # noqa: E501
        (lambda log, items: (log, items.replace("Thing 1", "Thing").replace("Thing 2", "Thing").replace("Thing 3", "Thing").replace("Thing0", "Thing").replace("Thing 4", "Thing")), "share their title"),  # noqa: E501
        (lambda log, items: (log.replace(" 10:", ",").replace("date", "date,x"), items), "times are days"),
    ],
)  # fmt: skip
def test_what_looks_suspicious_is_said(write, build, change, said):
    dataset = found(write, build, *change(GOOD, ITEMS))
    assert any(said in line for line in suspicions(dataset)), suspicions(dataset)


def test_the_page_shows_rows_gaps_and_what_was_lost(write, build):
    hostile = ITEMS + "i13,<script>alert(1)</script>A & B,€1\n,Nameless,2\n"
    html = data_page(found(write, build, GOOD + ",i1,view,2014-01-01\n", hostile))
    assert "no user id" in html
    assert "no item id" in html
    assert "Ten of them, as kgrec understands them" in html
    assert "Thing 3" in html
    assert "<script>" not in html


def test_the_page_of_empty_tables(write, build):
    write(items__csv=ITEMS)
    assert "There are none." in data_page(build(items=[{"path": "items.csv"}]).dataset)
