import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.data.values import looks_like_times, to_seconds

MOMENT = dt.datetime(2019, 11, 15, 10, 22, 32, tzinfo=dt.UTC)
DAY = dt.datetime(2019, 11, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2019-11-15T10:22:32Z", MOMENT),
        ("2019-11-15 10:22:32", MOMENT),
        ("2019-11-15T10:22:32.500", MOMENT),
        ("2019-11-15T18:22:32+08:00", MOMENT),
        ("2019-11-15T18:22:32+08", MOMENT),
        ("2019-11-15 18:22:32 +0800", MOMENT),
        ("11/15/2019 10:22:32 AM", MOMENT),
        ("Fri Nov 15 10:22:32 +0000 2019", MOMENT),
        ("2019年11月15日 10:22:32", MOMENT),
        ("2019-11-15", DAY),
        ("2019/11/15", DAY),
        ("15/11/2019", DAY),
        ("15.11.2019", DAY),
        ("15-Nov-2019", DAY),
        ("11 15, 2019", DAY),
        ("Nov 15, 2019", DAY),
        ("2019年11月15日", DAY),
        ("20191115", DAY),
        ("20191115102232", MOMENT),
        (" 1573813352 ", MOMENT),
        ("1573813352000", MOMENT),
        ("1573813352000000", MOMENT),
        ("1573813352000000000", MOMENT),
        ("1573813352.7", MOMENT),
    ],
)
def test_usual_notations(text, moment):
    assert to_seconds(pl.Series([text])).to_list() == [int(moment.timestamp())]


@pytest.mark.parametrize("junk", ["", "soon", "2019-13-45", "99/99/9999", "nan", "inf"])
def test_junk_beside_good_times_is_null(junk):
    assert to_seconds(pl.Series(["2019-11-15", junk, None])).to_list() == [int(DAY.timestamp()), None, None]
    assert to_seconds(pl.Series(["1573813352", junk])).to_list()[1] is None


def test_a_column_may_mix_notations():
    column = pl.Series(["2019-11-15T10:22:32Z", "2019-11-15 10:22:32", "2019-11-15"])
    assert to_seconds(column).to_list() == [int(MOMENT.timestamp())] * 2 + [int(DAY.timestamp())]


def test_the_column_decides_between_day_first_and_month_first():
    march = int(dt.datetime(2020, 3, 2, tzinfo=dt.UTC).timestamp())
    february = int(dt.datetime(2020, 2, 3, tzinfo=dt.UTC).timestamp())
    assert to_seconds(pl.Series(["02/03/2020", "25/12/2020", "26/12/2020"]))[0] == march
    assert to_seconds(pl.Series(["02/03/2020", "12/25/2020", "12/26/2020"]))[0] == february


def test_dates_and_datetimes_of_parquet():
    assert to_seconds(pl.Series([dt.date(2019, 11, 15)])).to_list() == [int(DAY.timestamp())]
    assert to_seconds(pl.Series([MOMENT])).to_list() == [int(MOMENT.timestamp())]
    assert to_seconds(pl.Series([1573813352])).to_list() == [int(MOMENT.timestamp())]


def test_nothing_gives_nothing():
    assert to_seconds(pl.Series([], dtype=pl.String)).to_list() == []
    assert to_seconds(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(631_152_000, 4_000_000_000), min_size=1, max_size=20),
    st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
)
def test_units_are_told_from_size(seconds, unit):
    assert to_seconds(pl.Series([str(s * unit) for s in seconds])).to_list() == seconds


@settings(deadline=None, max_examples=60)
@given(st.lists(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1)), min_size=1, max_size=20))
def test_iso_round_trip(moments):
    expected = [int(m.replace(microsecond=0, tzinfo=dt.UTC).timestamp()) for m in moments]
    assert to_seconds(pl.Series([m.isoformat() for m in moments])).to_list() == expected


def test_looks_like_times():
    assert looks_like_times(pl.Series(["01-Jan-1995", "02-Feb-1996"]))
    assert not looks_like_times(pl.Series(["1995", "1996"]))
    assert not looks_like_times(pl.Series(["Comedy", "Drama"]))
