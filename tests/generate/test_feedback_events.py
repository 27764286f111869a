"""Files of events: columns by their usual names, bad rows counted and named."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import ConfigError
from kgrec.generate.feedback.events import LONGEST_DWELL, columns_of, parse_events
from kgrec.generate.feedback.store import EVENTS

NOW = 1.8e9


def parsed(rows, names=("text_id", "event", "value", "text", "user", "time"), stated=None):
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    table = table.with_row_index("__line__", offset=2).with_columns(pl.col("__line__").cast(pl.UInt32))
    return parse_events(table, "e.csv", NOW, stated)


def test_words_and_columns_as_logs_have_them():
    rows = [(" t1 ", "Impression", "1700000000"), ("t1", "点击", "1700000001"), ("t1", "Purchase", "")]
    kept, rejects = parsed(rows, ("Text-ID", "Action", "Timestamp"))
    assert kept["event"].to_list() == ["shown", "clicked", "converted"]
    assert kept["text_id"].to_list() == ["t1"] * 3
    assert kept["time"].to_list() == [1_700_000_000, 1_700_000_001, None]
    assert rejects.height == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((None, "shown", None, None, None, None), "no text id"),
        (("t", None, None, None, None, None), "no event"),
        (("t", "sneezed", None, None, None, None), "unknown event"),
        (("t", "rated", "good", None, None, None), "value is not a number"),
        (("t", "rated", "inf", None, None, None), "value is not a number"),
        (("t", "dwelt", None, None, None, None), "no seconds"),
        (("t", "dwelt", "-1", None, None, None), "impossible seconds"),
        (("t", "dwelt", "1e9", None, None, None), "impossible seconds"),
        (("t", "rated", None, None, None, None), "no rating"),
        (("t", "rated", "6", None, None, None), "rating not from 1 to 5"),
        (("t", "edited", None, " ", None, None), "no new text"),
        (("t", "shown", None, None, None, "yesterday"), "unreadable time"),
        (("t", "shown", None, None, None, "9999999999"), "impossible time"),
        (("t", "shown", None, None, None, "5"), "impossible time"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row, reason):
    kept, rejects = parsed([("t", "clicked", None, None, None, "1700000000"), row])
    assert kept.height == 1
    assert rejects.rows()[0][:3] == ("e.csv", 3, reason)


def test_columns_can_be_stated_and_missing_ones_are_told():
    kept, _ = parsed([("t", "shown")], ("tid", "what"), {"text_id": "tid", "event": "what"})
    assert kept.height == 1
    wrong = (({}, "no column for 'text_id'"), ({"text_idd": "tid"}, "no field"), ({"event": "x"}, "no column"))
    for stated, told in wrong:
        with pytest.raises(ConfigError, match=told):
            parsed([("t", "shown")], ("tid", "what"), stated)
    assert columns_of(["event", "text_id", "text"], {}, "f") == {"event": "event", "text_id": "text_id", "text": "text"}


ODD = st.sampled_from(["t1", "shown", "dwell", "rated", "4", "1e400", "nan", "17e8"])
CELLS = st.none() | st.text(max_size=6) | ODD


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(*[CELLS] * 6), min_size=1, max_size=8))
def test_every_row_is_kept_or_named(rows):
    kept, rejects = parsed(rows)
    assert sorted([*kept["__line__"], *rejects["line"]]) == list(range(2, 2 + len(rows)))
    assert set(kept["event"]) <= set(EVENTS)
    assert kept["text_id"].null_count() == 0
    dwelt = kept.filter(pl.col("event") == "dwelt")["value"]
    assert dwelt.is_between(0, LONGEST_DWELL).all()
    assert kept.filter(pl.col("event") == "rated")["value"].is_between(1, 5).all()
    assert rejects["reason"].null_count() == 0
