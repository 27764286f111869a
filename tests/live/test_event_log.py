"""The event log: what is acknowledged is on the disk, once; damage and bad events are told."""

import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from pydantic import ValidationError

from kgrec.errors import CorruptArtifactError
from kgrec.live.event_log import EventLog, built_seq
from kgrec.live.events import Event


@pytest.fixture
def log(tmp_path):
    found = EventLog(tmp_path)
    yield found
    found.close()


def event(number, **more):
    return Event(user_id=f"u{number % 3}", item_id=f"i{number}", action="click", time=1.7e9 + number, **more)


def test_events_are_numbered_and_read_in_order(log):
    first = log.append([event(k) for k in range(5)]).result()
    second = log.append([event(9)]).result()
    assert (first.seq, second.seq) == (5, 6)
    assert log.read(4)["item_id"].to_list() == ["i4", "i9"]
    assert log.of_users(["u0"])["item_id"].to_list() == ["i0", "i3", "i9"]


def test_an_event_of_one_id_counts_once_however_often_it_is_sent(log):
    log.append([event(1, event_id="a"), event(2, event_id="a"), event(3)]).result()
    again = log.append([event(1, event_id="a"), event(4, event_id="b")]).result()
    assert (again.new, again.known) == (1, 1)
    assert log.read(0).height == 3


def test_many_threads_lose_nothing(log):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: log.append([event(k, event_id=str(k))]).result(), range(200)))
    assert sum(each.new for each in found) == 200
    assert sorted(log.read(0)["event_id"].cast(pl.Int64)) == list(range(200))


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": " "},
        {"user_id": "u", "action": "steal"},
        {"user_id": "u", "item_id": None},
        {"user_id": "u", "value": float("nan")},
        {"user_id": "u", "time": 5.0},
        {"user_id": "x" * 257},
        {"user_id": "u", "surprise": 1},
    ],
)
def test_what_is_no_event_is_refused(fields):
    with pytest.raises(ValidationError):
        Event(**{"item_id": "i", "action": "click", **fields})


def test_export_writes_what_came_since_and_remembers_it(log, tmp_path):
    log.append([event(k) for k in range(4)]).result()
    first = log.export(tmp_path / "out")
    assert log.export(tmp_path / "out") is None
    log.append([event(7)]).result()
    second = log.export(tmp_path / "out")
    assert pl.read_parquet(first).height == 4
    assert pl.read_parquet(second)["item_id"].to_list() == ["i7"]
    assert built_seq(["x.csv", f"live/export/{first.name}", f"live/export/{second.name}"]) == 5
    assert built_seq(["x.csv"]) == 0


def test_forgetting_a_user_leaves_no_trace_in_the_files(log, tmp_path):
    log.append([Event(user_id="whistleblower", item_id="i1", action="like"), event(1)]).result()
    log.keep_list("r1", "whistleblower", {"user_id": "whistleblower"}, 1.7e9).result()
    assert log.forget("whistleblower") == (1, 1)
    log.close()
    for file in (tmp_path / "live").iterdir():
        assert b"whistleblower" not in file.read_bytes()


def test_a_log_of_another_format_and_a_damaged_one_are_told(tmp_path):
    log = EventLog(tmp_path)
    log.set_state("format", "99")
    log.close()
    with pytest.raises(CorruptArtifactError, match="99"):
        EventLog(tmp_path)
    log.file.write_bytes(b"no database at all" * 100)
    for name in ("-wal", "-shm"):
        log.file.with_name(log.file.name + name).unlink(missing_ok=True)
    with pytest.raises(CorruptArtifactError, match="damaged"):
        EventLog(tmp_path)


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from kgrec.live.event_log import EventLog
        from kgrec.live.events import Event
        log = EventLog(Path(sys.argv[1]))
        for k in range(100_000):
            done = log.append([Event(user_id="u", item_id=str(k), action="click", event_id=str(k))]).result()
            print(k, flush=True)
    """
    for cut in (1, 7, 23):
        script = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / str(cut))]
        with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
            told = [process.stdout.readline() for _ in range(cut)]
            process.kill()
            told += process.stdout.readlines()
        acknowledged = [int(line) for line in told if line.endswith("\n")]
        kept = EventLog(tmp_path / str(cut))
        found = kept.read(0)["event_id"].cast(pl.Int64).to_list()
        kept.close()
        assert found[: len(acknowledged)] == acknowledged
        assert len(found) - len(acknowledged) <= 1  # one may be on the disk before it was told
        with sqlite3.connect(kept.file) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
