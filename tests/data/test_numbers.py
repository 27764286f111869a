import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.config import NotationConfig
from kgrec.data.numbers import read_numbers


def read(*texts, **options):
    return read_numbers(pl.Series(texts, dtype=pl.String), **options)


@pytest.mark.parametrize(
    ("texts", "values", "kind"),
    [
        (("4,5", "3,0", "2"), (4.5, 3, 2), "number"),
        (("€1.299,00", "4,50 €", "EUR 3"), (1299, 4.5, 3), "price"),
        (("$1,299.00", "US$ 4.50", "1,000,000 USD"), (1299, 4.5, 1e6), "price"),
        (("1'299.50 CHF", "CHF 3.–"), (1299.5, 3), "price"),
        (("1 299,50", "10 000,00"), (1299.5, 10_000), "number"),
        (("￥1,280", "99元"), (1280, 99), "price"),
        (("1,299", "12,000"), (1299, 12_000), "number"),
        (("1.299", "2.5"), (1.299, 2.5), "number"),
        (("1.234.567", "12"), (1_234_567, 12), "number"),
        (("-3,50 €", "(12.00)"), (-3.5, -12), "price"),
        (("85%", "90 %"), (85, 90), "share"),
        (("4/5", "3/5"), (4, 3), "fraction"),
        (("4/5", "9/10"), (8, 9), "fraction"),
        (("4 out of 5", "3,5 von 5 Sternen"), (4, 3.5), "fraction"),
        (("★★★★☆", "★★½", "☆☆☆☆☆"), (4, 2.5, 0), "stars"),
        (("👍", "👎"), (1, 0), "thumbs"),
        (("up", "down", "Up"), (1, 0, 1), "thumbs"),
        (("Like", "dislike"), (1, 0), "like"),
        (("力荐", "较差", "很差"), (5, 2, 1), "douban"),
        (("sehr gut", "mangelhaft", "befriedigend"), (6, 2, 4), "school"),
        (("A", "B+", "F"), (13, 11, 1), "letters"),
        (("1:23:45", "12:34"), (5025, 754), "duration"),
        (("1h 23m", "45 min", "PT1H2M3S"), (4980, 2700, 3723), "duration"),
        (("90 min", "100 min"), (90, 100), "number"),
        (("1e3", "2"), (1000, 2), "number"),
    ],
)
def test_notations(texts, values, kind):
    found = read(*texts)
    assert found.values.to_list() == pytest.approx(list(values))
    assert found.kind == kind


def test_what_no_notation_reads_is_none():
    assert read("4", "n/a", None, "", "inf", "12.345.6").values.to_list() == [4, None, None, None, None, None]
    assert read("Comedy", "Drama").kind == ""
    assert read("1.5 GB", "300 MB").values.to_list() == [None, None]


def test_small_marks_are_good_ones_where_the_column_or_a_setting_says_so():
    assert read("1,0", "2,3", "5", name="Note").values.to_list() == pytest.approx([6, 4.7, 2])
    assert read("2,5", "4", name="note").values.to_list() == [2.5, 4]  # as French shops write it
    assert read("1", "5", name="Schulnote").values.to_list() == [6, 2]
    assert read("1", "5", name="stars").values.to_list() == [1, 5]
    assert read("1", "3", notation=NotationConfig(lower_is_better=True)).values.to_list() == [3, 1]
    assert read("1,0", "85", name="Note").values.to_list() == [1, 85]  # no school gives 85


def test_a_stated_decimal_sign_counts():
    assert read("1.299", "2.500", notation=NotationConfig(decimal=",")).values.to_list() == [1299, 2500]


AMOUNTS = st.lists(st.integers(0, 10**9), min_size=2, max_size=8, unique=True).map(
    lambda cents: [c / 100 for c in cents]
)


@given(
    AMOUNTS, st.sampled_from([(",", "."), (".", ","), (".", " "), (",", "'")]), st.sampled_from(["", "€", " EUR", "$"])
)
def test_amounts_are_read_as_they_are_written(amounts, signs, currency):
    decimal, thousands = signs
    texts = [f"{a:,.2f}".translate(str.maketrans({",": thousands, ".": decimal})) for a in amounts]
    for written in ([t + currency for t in texts], [currency.strip() + t for t in texts]):
        assert read(*written).values.to_list() == pytest.approx(amounts)


@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=6))
def test_no_text_makes_it_fail(texts):
    assert len(read_numbers(pl.Series(texts, dtype=pl.String)).values) == len(texts)
