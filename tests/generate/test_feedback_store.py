"""The record of texts and events: nothing lost in a crash, several writers, duplicates, forgetting."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import CorruptArtifactError, StorageError
from kgrec.generate.feedback.store import EVENT_SCHEMA, FeedbackStore, TextRecord, sqlite_errors
from kgrec.generate.kinds import BLURB
from kgrec.generate.writer import Writer
from kgrec.testing import toy_request


def record(text_id="t1", user="u1"):
    request = toy_request(topics=("Space",))
    (text,) = Writer(()).write([request], seed=1, user_ids=[user])
    made = TextRecord.of(text, request, asked="template", seed=1, now=1e9)
    return replace(made, text=replace(made.text, text_id=text_id))


def events(*rows):
    names = list(EVENT_SCHEMA)
    return pl.DataFrame([dict(zip(names, (*r, *[None] * 8), strict=False)) for r in rows], schema=EVENT_SCHEMA)


def ids(store):
    return store.texts()["text_id"].to_list()


def test_a_text_comes_back_as_it_was(tmp_path):
    store = FeedbackStore(tmp_path)
    assert (ids(store), store.records(["t1"]), store.events().height) == ([], [], 0)
    assert not store.file.parent.exists()  # reading makes nothing
    made = record()
    assert store.add_texts([made]) == 1
    assert store.add_texts([record()]) == 0
    (read,) = store.records(["t1", "t2"])
    assert read == made
    request = read.request(BLURB)
    assert request.topics == ("Space",)
    assert request.facts == toy_request().facts
    assert request.item_ids == toy_request().item_ids


def test_events_are_kept_once_and_only_for_texts_on_record(tmp_path):
    store = FeedbackStore(tmp_path)
    store.add_texts([record("t1"), record("t2")])
    rows = events(
        ("t1", "shown", "u1", 5),
        ("t1", "shown", "u1", 5),
        ("t1", "shown", "u1", 6),
        ("t1", "shown", None, 5),
        ("t9", "shown", "u1", 5),
        ("t2", "rated", "u1", 7, 4.0, None, "e1"),
        ("t2", "rated", "u1", 7, 5.0, None, "e1"),
    )
    empty = store.stamp()
    assert store.add_events(rows) == (4, ["t9"])
    assert (filled := store.stamp()) != empty
    assert store.add_events(rows) == (0, ["t9"])
    assert FeedbackStore(tmp_path).add_events(rows) == (0, ["t9"])
    assert store.stamp() == filled
    found = store.events()
    assert found["text_id"].to_list() == ["t1", "t1", "t1", "t2"]
    assert found["value"].to_list() == [None, None, None, 4.0]
    store.add_events(events(("t1", "edited", "u1", 8, None, "x", None, ["claims: no", "“é”"])))
    assert store.events()["violations"].to_list()[-1] == ["claims: no", "“é”"]


@settings(max_examples=15, deadline=None)
@given(cut=st.floats(0, 1))
def test_wherever_a_crash_cuts_what_was_acknowledged_before_is_read(tmp_path_factory, cut):
    """The log of a machine that stopped in the middle of a write ends anywhere; whole transactions count."""
    store = FeedbackStore(tmp_path_factory.mktemp("s"))
    store.add_texts([record("t1")])
    reader = sqlite3.connect(store.file)  # while somebody has the file open the log stays
    reader.execute("SELECT count(*) FROM events").fetchall()
    rows = [("t1", "shown", "u1", k) for k in range(3)]
    for row in rows:
        store.add_events(events(row))
    again = FeedbackStore(tmp_path_factory.mktemp("s"))
    again.file.parent.mkdir()
    shutil.copy(store.file, again.file)
    log = store.file.with_name(f"{store.file.name}-wal").read_bytes()
    reader.close()
    again.file.with_name(f"{again.file.name}-wal").write_bytes(log[: int(cut * len(log))])
    left = again.events()["time"].to_list()
    assert left == list(range(len(left)))
    assert cut < 1 or len(left) == 3
    assert again.add_events(events(*rows))[0] == 3 - len(left)
    assert again.events()["time"].to_list() == [0, 1, 2]
    assert ids(again) == ["t1"]


@pytest.mark.parametrize("bad", [b"not SQLite at all" * 100, None])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, bad):
    store = FeedbackStore(tmp_path)
    store.add_texts([record(f"t{k}") for k in range(40)])
    data = store.file.read_bytes()
    store.file.write_bytes(bad or data[:100] + b"\xff" * (len(data) - 100))
    for call in (ids, lambda s: s.add_texts([record("new")]), lambda s: s.forget("u1")):
        with pytest.raises(CorruptArtifactError, match=r"feedback\.sqlite is damaged") as caught:
            call(store)
        assert ".recover" in caught.value.hint


def test_a_write_that_fails_leaves_the_record_as_it_was(tmp_path):
    store = FeedbackStore(tmp_path)
    store.add_texts([record("t1")])

    def failing():
        yield record("t2")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store.add_texts(failing())
    assert ids(store) == ["t1"]
    assert store.add_texts([record("t2")]) == 1


def test_a_full_disk_is_told(tmp_path):
    database = sqlite3.connect(tmp_path / "small.sqlite")
    database.execute("PRAGMA max_page_count = 2")
    with pytest.raises(StorageError, match="no space left"), sqlite_errors(tmp_path / "small.sqlite"):
        database.executescript("CREATE TABLE a (x); CREATE TABLE b (x);")
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / "feedback.sqlite").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        FeedbackStore(tmp_path).add_texts([record()])


def _write(root, worker, n):
    store = FeedbackStore(root)
    for k in range(n):
        store.add_texts([record(f"t{worker}-{k}"), record(f"shared-{k}")])
        store.add_events(events((f"t{worker}-{k}", "shown", "u1", k), (f"shared-{k}", "clicked", "u1", k)))


def test_several_writers_lose_nothing_and_write_nothing_twice(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(tmp_path, w, 4)) for w in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)  # a busy machine takes its time to start three interpreters
        assert worker.exitcode == 0
    store = FeedbackStore(tmp_path)
    assert len(set(ids(store))) == len(ids(store)) == 3 * 4 + 4
    assert store.events().height == 3 * 4 + 4


def test_a_writer_that_is_killed_blocks_nobody_and_loses_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_write, args=(tmp_path, 0, 100_000))
    worker.start()
    store = FeedbackStore(tmp_path)
    until = time.monotonic() + 120
    while len(ids(store)) < 5 and time.monotonic() < until:
        time.sleep(0.05)
    before = ids(store)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(30)
    known = ids(store)
    assert len(known) >= 5
    assert known[: len(before)] == before
    assert store.add_texts([record("after")]) == 1
    assert ids(store) == [*known, "after"]


def test_a_user_is_forgotten_with_all_events_on_their_texts(tmp_path):
    store, other = FeedbackStore(tmp_path), FeedbackStore(tmp_path)
    assert store.forget("ann") == (0, 0)
    store.add_texts([record(f"a{k}", "ann") for k in range(5)] + [record(f"b{k}", "bob") for k in range(5)])
    store.add_texts([record("open", "")])
    rows = [(f"{who}{k}", "shown", None, k) for who in "ab" for k in range(5)]
    rows += [("b0", "clicked", "ann", 9), ("open", "clicked", "ann", 9), ("open", "clicked", "bob", 9)]
    store.add_events(events(*rows))
    assert other.add_events(events(*rows))[0] == 0
    before = store.stamp()
    reader = sqlite3.connect(store.file)  # while somebody has the file open the log stays
    reader.execute("SELECT count(*) FROM events").fetchall()
    assert store.forget("ann") == (5, 7)
    assert store.stamp() != before
    assert ids(store) == [*(f"b{k}" for k in range(5)), "open"]
    assert b"ann" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    reader.close()
    assert store.forget("ann") == (0, 0)
    assert other.add_events(events(("a0", "shown", None, 1))) == (0, ["a0"])
    assert other.add_events(events(("open", "clicked", "ann", 9)))[0] == 1
