"""From events to exposures: what counts as shown, clicked in time, and too young to be judged."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.generate.feedback.exposures import exposures
from kgrec.generate.feedback.feedback import accepted_records
from kgrec.generate.feedback.store import EVENT_SCHEMA, FeedbackStore, TextRecord
from kgrec.plugin.generation import GeneratedText

HOUR = 3600
NOW = 1_700_000_000
OLD = NOW - 100 * HOUR


def filled(tmp_path, texts, *rows):
    store = FeedbackStore(tmp_path)
    written = [
        GeneratedText("As written.", "blurb", "en", "m", user or "", (), (), text_id=key) for key, user in texts.items()
    ]
    store.add_texts(TextRecord(text, OLD, "m", "1", "neutral", "film", (), 1) for text in written)
    names = list(EVENT_SCHEMA)
    table = [dict.fromkeys(names) | dict(zip(names, row, strict=False)) for row in rows]
    store.add_events(pl.DataFrame(table, schema=EVENT_SCHEMA))
    return store


def of(store, hours=24):
    return exposures(store, window_hours=hours, now=NOW)


def test_shown_and_clicked_in_time(tmp_path):
    store = filled(
        tmp_path,
        {"a": "u1", "b": "u2", "c": "u3"},
        ("a", "shown", None, OLD),
        ("a", "shown", None, OLD + 5),
        ("a", "clicked", None, OLD + HOUR),
        ("a", "clicked", None, OLD + HOUR + 1),
        ("a", "dwelt", None, OLD + HOUR, 10.0),
        ("a", "dwelt", "u1", OLD + HOUR, 5.0),
        ("a", "rated", None, OLD + 2, 2.0),
        ("a", "rated", None, OLD + 9, 4.0),
        ("b", "shown", None, OLD),
        ("b", "clicked", None, OLD + 25 * HOUR),
        ("b", "converted", None, OLD + HOUR, 9.5),
        ("c", "clicked", None, OLD),
    )
    found = of(store)
    assert (found.pending, found.unshown, found.late) == (0, 1, 1)
    rows = {row["text_id"]: row for row in found.table.iter_rows(named=True)}
    assert set(rows) == {"a", "b"}
    told = ("shown", "clicked", "converted", "value", "dwell", "rating")
    assert [rows["a"][name] for name in told] == [1, 1, 0, 0, 15.0, 4.0]
    assert [rows["b"][name] for name in told] == [1, 0, 1, 9.5, None, None]


def test_what_is_young_is_judged_later_clicked_or_not(tmp_path):
    store = filled(
        tmp_path,
        {"a": "u1", "b": "u2"},
        ("a", "shown", None, NOW - HOUR),
        ("a", "clicked", None, NOW),
        ("b", "shown", None, NOW - HOUR),
    )
    assert of(store).table.height == 0
    assert of(store).pending == 2
    assert exposures(store, window_hours=24, now=NOW + 24 * HOUR).table["clicked"].to_list() == [1, 0]
    assert of(store, hours=0).table["clicked"].to_list() == [1, 0]


def test_shown_again_after_the_window_is_another_exposure(tmp_path):
    day = 24 * HOUR
    store = filled(
        tmp_path,
        {"a": "u1"},
        *(("a", "shown", None, OLD + t) for t in (0, HOUR, 2 * day)),
        ("a", "clicked", None, OLD + 2 * day + 5),
    )
    found = of(store)
    assert found.table.select("shown", "clicked").rows() == [(1, 0), (1, 1)]
    assert found.table["unit"].to_list() == ["u1", "u1"]
    assert of(store, hours=0).table.height == 1


def test_another_reader_is_another_exposure_and_unknown_ones_are_taken_apart(tmp_path):
    store = filled(
        tmp_path,
        {"a": None},
        *(("a", "shown", None, OLD + k) for k in range(5)),
        ("a", "shown", "u1", OLD),
        ("a", "clicked", None, OLD + 50),
        ("a", "clicked", None, OLD + 51),
        ("a", "dwelt", None, OLD + 51, 7.0),
        ("a", "dwelt", None, OLD + 52, 9.0),
        ("a", "clicked", "u1", OLD + 51),
    )
    table = of(store).table
    assert table["unit"].n_unique() == table.height == 6
    assert (table["shown"].sum(), table["clicked"].sum()) == (6, 3)
    assert sorted(table["dwell"].drop_nulls()) == [7.0, 9.0]


def test_events_without_a_time_count(tmp_path):
    store = filled(tmp_path, {"a": "u1"}, ("a", "shown"), ("a", "clicked"), ("a", "dwelt", None, None, 3.0))
    assert of(store).table.select("shown", "clicked", "dwell").rows() == [(1, 1, 3.0)]


TIMES = st.none() | st.integers(OLD, NOW)
KINDS = st.sampled_from(["shown", "clicked", "converted", "rated"])
ROWS = st.tuples(st.sampled_from("abx"), KINDS, st.sampled_from([None, "u1", "u2"]), TIMES)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(ROWS, max_size=20), hours=st.sampled_from([0, 1, 24, 90]))
def test_nothing_is_counted_twice_or_without_being_shown(tmp_path_factory, rows, hours):
    rows = [(*row, 3.0 if row[1] == "rated" else None, None, f"e{k}") for k, row in enumerate(rows)]
    store = filled(tmp_path_factory.mktemp("s"), {"a": "u1", "b": None}, *rows)
    found = of(store, hours)
    table = found.table
    known = [row for row in rows if row[0] in "ab"]
    assert table["shown"].sum() + found.pending <= sum(row[1] == "shown" for row in known)
    assert (table["clicked"] <= table["shown"]).all()
    assert table["clicked"].sum() <= sum(row[1] == "clicked" for row in known)
    assert table["rating"].drop_nulls().is_in([3.0]).all()
    assert found.unshown + found.late <= sum(row[1] != "shown" for row in known)
    assert table.select("text_id", "unit").null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("clicked",)], ("clicked", "As written.")),
        ([("shown",)], None),
        ([("rated", 4.0)], ("rated", "As written.")),
        ([("rated", 3.0)], None),
        ([("clicked",), ("rated", 2.0)], None),
        ([("rated", 5.0), ("rated", 1.0)], None),
        ([("rated", 1.0), ("edited", None, "Better."), ("edited", None, "Best.")], ("edited", "Best.")),
        ([("edited", None, "False.", ["claims: no"]), ("clicked",)], None),
    ],
)
def test_what_is_accepted_and_the_editor_wins(tmp_path, rows, expected):
    made = []
    for k, (event, value, text, faults) in enumerate((*row, None, None, None)[:4] for row in rows):
        made.append(("a", event, None, OLD + k, value, text, None, faults))
    store = filled(tmp_path, {"a": "u1", "b": "u2"}, *made)
    found = [(why, text) for _, text, why in accepted_records(store)]
    assert found == ([expected] if expected else [])
    if ("edited", None, "False.", ["claims: no"]) in rows:
        assert [text for _, text, _ in accepted_records(store, faulty_edits=True)] == ["False."]
