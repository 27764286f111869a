"""The record of texts and events: whole lines after a crash, several writers, duplicates, forgetting."""

import multiprocessing
import os
import signal
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import CorruptArtifactError, StorageError
from kgrec.generate.feedback import log
from kgrec.generate.feedback.store import EVENT_SCHEMA, FeedbackStore, request_of, text_row
from kgrec.generate.kinds import BLURB
from kgrec.generate.pipeline import Writer
from kgrec.testing import toy_request


def row(text_id="t1", user="u1", **values):
    (text,) = Writer(()).write([toy_request()], seed=1, user_ids=[user])
    made = text_row(text, toy_request(topics=("Space",)), asked="template", seed=1, now=1e9)
    return {**made, "text_id": text_id, **values}


def events(*rows):
    names = list(EVENT_SCHEMA)
    return pl.DataFrame([dict(zip(names, (*r, *[None] * 8), strict=False)) for r in rows], schema=EVENT_SCHEMA)


def test_a_text_comes_back_as_it_was(tmp_path):
    store = FeedbackStore(tmp_path)
    assert store.add_texts([row()]) == 1
    assert store.add_texts([row()]) == 0
    (read,) = store.texts.read().iter_rows(named=True)
    assert read == row()
    request = request_of(read, BLURB)
    assert request.topics == ("Space",)
    assert request.facts == toy_request().facts
    assert request.item_ids == toy_request().item_ids


def test_events_are_kept_once_and_only_for_texts_on_record(tmp_path):
    store = FeedbackStore(tmp_path)
    store.add_texts([row("t1"), row("t2")])
    rows = events(
        ("t1", "shown", "u1", 5),
        ("t1", "shown", "u1", 5),
        ("t1", "shown", "u1", 6),
        ("t1", "shown", None, 5),
        ("t9", "shown", "u1", 5),
        ("t2", "rated", "u1", 7, 4.0, None, "e1"),
        ("t2", "rated", "u1", 7, 5.0, None, "e1"),
    )
    assert store.add_events(rows) == (4, ["t9"])
    assert store.add_events(rows) == (0, ["t9"])
    assert FeedbackStore(tmp_path).add_events(rows) == (0, ["t9"])
    assert store.events.read(["text_id"])["text_id"].to_list() == ["t1", "t1", "t1", "t2"]


def test_half_a_line_is_not_read_and_the_next_writer_cuts_it_off(tmp_path):
    store = FeedbackStore(tmp_path)
    store.add_texts([row("t1")])
    (file,) = store.texts.segments()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert store.texts.read(["text_id"])["text_id"].to_list() == ["t1"]
    assert FeedbackStore(tmp_path).add_texts([row("t2")]) == 1
    assert store.texts.read(["text_id"])["text_id"].to_list() == ["t1", "t2"]
    assert file.read_bytes().startswith(whole)


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, 400))
def test_wherever_a_crash_cuts_what_was_whole_is_read(tmp_path_factory, cut):
    store = FeedbackStore(tmp_path_factory.mktemp("s"))
    store.add_texts([row("t1")])
    store.add_events(events(*(("t1", "shown", "u1", k) for k in range(3))))
    (file,) = store.events.segments()
    data = file.read_bytes()
    file.write_bytes(data[:cut])
    left = data[:cut].count(b"\n")
    assert store.events.read().height == left
    again = FeedbackStore(store.root)
    assert again.add_events(events(*(("t1", "shown", "u1", k) for k in range(3))))[0] == 3 - left
    assert file.read_bytes() == data


def test_a_damaged_line_is_named(tmp_path):
    store = FeedbackStore(tmp_path)
    store.add_texts([row("t1")])
    (file,) = store.texts.segments()
    file.write_bytes(b"not JSON\n" + file.read_bytes())
    with pytest.raises(CorruptArtifactError, match=r"texts-00001\.jsonl is damaged"):
        store.texts.read()


def test_files_are_bounded_and_read_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "CHUNK", 10)
    store = FeedbackStore(tmp_path, limit=1_000)
    store.add_texts([row("t1")])
    store.add_events(events(*(("t1", "shown", "u1", k) for k in range(100))))
    assert len(store.events.segments()) > 3
    assert max(frame.height for frame in store.events.frames()) <= 20
    assert store.events.read()["time"].to_list() == list(range(100))
    assert store.add_events(events(*(("t1", "shown", "u1", k) for k in range(90, 110))))[0] == 10


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    store = FeedbackStore(tmp_path)
    store.add_texts([row("t1")])
    before = store.texts.segments()[0].read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log.os, "fsync", full)
        with pytest.raises(StorageError, match="no space left"):
            store.add_texts([row("t2")])
    assert store.texts.segments()[0].read_bytes() == before
    assert store.add_texts([row("t2")]) == 1


def _write(root, worker, n):
    store = FeedbackStore(root)
    for k in range(n):
        store.add_texts([row(f"t{worker}-{k}"), row(f"shared-{k}")])
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
    ids = pl.concat(store.texts.frames(["text_id"]))["text_id"]
    assert ids.n_unique() == ids.len() == 3 * 4 + 4
    assert pl.concat(store.events.frames()).height == 3 * 4 + 4


def test_a_writer_that_is_killed_blocks_nobody_and_leaves_whole_lines(tmp_path):
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_write, args=(tmp_path, 0, 100_000))
    worker.start()
    store = FeedbackStore(tmp_path)
    until = time.monotonic() + 120
    while store.texts.read(["text_id"]).height < 5 and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(30)
    known = store.texts.read(["text_id"]).height
    assert known >= 5
    assert store.add_texts([row("after")]) == 1
    assert store.texts.read(["text_id"])["text_id"].to_list()[-1] == "after"


def test_a_user_is_forgotten_with_all_events_on_their_texts(tmp_path):
    store, other = FeedbackStore(tmp_path, limit=4_000), FeedbackStore(tmp_path, limit=4_000)
    store.add_texts([row(f"a{k}", "ann") for k in range(5)] + [row(f"b{k}", "bob") for k in range(5)])
    store.add_texts([row("open", "")])
    rows = [(f"{who}{k}", "shown", None, k) for who in "ab" for k in range(5)]
    rows += [("b0", "clicked", "ann", 9), ("open", "clicked", "ann", 9), ("open", "clicked", "bob", 9)]
    store.add_events(events(*rows))
    assert other.add_events(events(*rows))[0] == 0  # it has read all there is
    assert store.forget("ann") == (5, 7)
    assert store.texts.read(["text_id"])["text_id"].to_list() == [*(f"b{k}" for k in range(5)), "open"]
    assert "ann" not in "".join(file.read_text() for file in tmp_path.rglob("*.jsonl"))
    assert store.forget("ann") == (0, 0)
    assert other.add_events(events(("a0", "shown", None, 1))) == (0, ["a0"])
    assert other.add_events(events(("open", "clicked", "ann", 9)))[0] == 1
