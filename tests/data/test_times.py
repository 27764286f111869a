import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import NotationConfig
from kgrec.data.times import ContradictionError, looks_like_times, read_times, to_seconds

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


def at(*parts):
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12. März 2024", (2024, 3, 12)),
        ("1. Dezember 2024, 09:30 Uhr", (2024, 12, 1, 9, 30)),
        ("Mo., 4. Jan. 2021", (2021, 1, 4)),
        ("March 5, 2024 3:04 PM", (2024, 3, 5, 15, 4)),
        ("5th of May 2024", (2024, 5, 5)),
        ("05-Mar-24", (2024, 3, 5)),
        ("Tue, 05 Mar 2024 10:22:32 GMT", (2024, 3, 5, 10, 22, 32)),
        ("2024年3月5日 下午3:04", (2024, 3, 5, 15, 4)),
        ("2024年3月5日 15时04分20秒", (2024, 3, 5, 15, 4, 20)),
        ("2024年3月", (2024, 3, 1)),
        ("5.7.2024 12.30 Uhr", (2024, 7, 5, 12, 30)),
        ("13/07/2024 12:30 AM", (2024, 7, 13, 0, 30)),
        ("20240305T101112Z", (2024, 3, 5, 10, 11, 12)),
        ("2024-03-05 10:11:12 CET", (2024, 3, 5, 9, 11, 12)),
        ("2024-03-05T10:11:12+01:00[Europe/Berlin]", (2024, 3, 5, 9, 11, 12)),
        ("45352.5", (2024, 3, 1, 12)),
        ("1999", (1999, 1, 1)),
        ("202403", (2024, 3, 1)),
    ],
)
def test_notations_of_languages_and_programs(text, moment):
    assert to_seconds(pl.Series([text])).to_list() == [at(*moment)]


@pytest.mark.parametrize(
    "junk", ["version 1.2.2024", "12:30", "2024-02-30", "31/31/2024", "Comedy (1995)", "25:99 1.2.24"]
)
def test_what_is_no_date_is_none(junk):
    assert to_seconds(pl.Series(["1. Mai 2024", junk])).to_list() == [at(2024, 5, 1), None]


def test_each_number_has_its_own_unit():
    column = pl.Series(["1709290000", "1709290000123", "1709290000123456", "2024-03-01T10:46:40Z", "45352"])
    assert to_seconds(column).to_list() == [1709290000] * 4 + [at(2024, 3, 1)]


def test_dates_that_contradict_each_other_are_named():
    column = pl.Series(["05/07/2024", "13/06/2024", "06/13/2024"])
    with pytest.raises(ContradictionError) as caught:
        read_times(column)
    assert (caught.value.first, caught.value.second) == (1, 2)
    stated = read_times(column, NotationConfig(dates="day-first")).seconds.to_list()
    assert stated == [at(2024, 7, 5), at(2024, 6, 13), None]


def test_the_order_of_rows_tells_the_order_of_day_and_month():
    days = [f"{day:02}/{month:02}/2023" for month in range(1, 13) for day in range(1, 13)]
    found = read_times(pl.Series(days))
    assert (found.order, found.ambiguous) == ("day-first", False)
    assert read_times(pl.Series(["05/07/2024", "06/07/2024"])).ambiguous
    usual = read_times(pl.Series(["05/07/24"]), usual="day-first")
    assert (usual.seconds.to_list(), usual.ambiguous) == ([at(2024, 7, 5)], True)


def test_zones_of_columns_and_rows():
    column = pl.Series(["2024-07-01 12:00", "2024-01-01 12:00+00:00", "2024-01-01 12:00"])
    stated = read_times(column, NotationConfig(time_zone="Europe/Berlin")).seconds.to_list()
    assert stated == [at(2024, 7, 1, 10), at(2024, 1, 1, 12), at(2024, 1, 1, 11)]
    by_row = read_times(column, zones=pl.Series(["Asia/Shanghai", "Asia/Shanghai", "+0800"])).seconds.to_list()
    assert by_row == [at(2024, 7, 1, 4), at(2024, 1, 1, 12), at(2024, 1, 1, 4)]


WRITTEN = (
    "%d.%m.%Y %H:%M",
    "%d %B %Y %H:%M",
    "%B %d, %Y %I:%M %p",
    "%Y年%m月%d日 %H:%M",
    "%Y-%m-%dT%H:%M",
    "%d-%b-%Y %H:%M",
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2068, 1, 1)), min_size=1), st.sampled_from(WRITTEN))
def test_what_is_written_is_read(moments, form):
    expected = [at(m.year, m.month, m.day, m.hour, m.minute) for m in moments]
    assert to_seconds(pl.Series([m.strftime(form) for m in moments])).to_list() == expected


@settings(deadline=None, max_examples=80)
@given(st.lists(st.text(max_size=20), max_size=6))
def test_no_text_makes_it_fail(texts):
    assert len(to_seconds(pl.Series(texts, dtype=pl.String))) == len(texts)
