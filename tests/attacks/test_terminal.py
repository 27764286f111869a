"""On a terminal nothing of the data steers it; files and pipes get it as it is, spreadsheets get no formulas."""

import csv
import os
import pty
import sys
import threading

import polars as pl
import pytest

from kgrec.cli.app import main
from kgrec.cli.console import NAME, cell, clean
from kgrec.cli.output import Format, write_frame, write_records
from kgrec.settings import load_settings

ROW = {"id": "=1+1\r", "title": "a\x1b]0;owned\x07\u202eb\x9b2J", "n": -3, "none": None}
FORMS = [Format.csv, Format.tsv, Format.sheet, Format.json, Format.jsonl]


def on_a_terminal(monkeypatch, work):
    """Return the bytes that a terminal gets while ``work`` writes to stdout."""
    ours, theirs = pty.openpty()
    got = bytearray()

    def read():
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:
                return
            if not block:
                return
            got.extend(block)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        work()
        stream.flush()
    reader.join(10)
    os.close(ours)
    return bytes(got)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("frame", [False, True])
def test_no_format_steers_a_terminal(monkeypatch, form, frame):
    def work():
        _ = write_frame(pl.DataFrame([ROW]), form) if frame else write_records([ROW], form)

    told = on_a_terminal(monkeypatch, work).decode()
    assert "owned" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)


@pytest.mark.parametrize("form", [Format.csv, Format.tsv])
def test_files_hold_what_the_data_holds(tmp_path, form):
    file = tmp_path / "out"
    write_records([ROW], form, file)
    with file.open(newline="") as stream:
        (row,) = csv.DictReader(stream, delimiter="," if form is Format.csv else "\t")
    assert row == {k: "" if v is None else str(v) for k, v in ROW.items()}


@pytest.mark.parametrize("frame", [False, True])
def test_a_spreadsheet_computes_nothing(tmp_path, frame):
    texts = ["=1+1", "+49", "-x", "@SUM(A1)", "\t=1", "plain", "a\r=b\x1b"]
    rows = [{"=cmd": text, "n": -0.5} for text in texts]
    file = tmp_path / "out.csv"
    _ = write_frame(pl.DataFrame(rows), Format.sheet, file) if frame else write_records(rows, Format.sheet, file)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(newline="", encoding="utf-8-sig") as stream:
        header, *found = csv.reader(stream)
    assert header == ["'=cmd", "n"]
    assert [row[0] for row in found] == [*(f"'{text}" for text in texts[:5]), "plain", "a\n=b "]
    assert {row[1] for row in found} == {"-0.5"}


def test_a_title_does_not_fill_the_terminal():
    assert len(clean("x" * 5_000)) == NAME
    assert len(cell("x" * 5_000)) <= 3 * NAME
    assert clean("short\x1b[2J") == "short [2J"


def test_errors_show_neither_signs_nor_secrets(capsys, tmp_path):
    (tmp_path / "kgrec.toml").write_text('domain = "http://me:hunter2@host/\\u001b[2J"\n')
    assert main(["info", "-w", str(tmp_path)]) == 3
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert "\x1b" not in told


def test_settings_are_shown_without_secrets(tmp_path):
    (tmp_path / "kgrec.toml").write_text(
        '[language_models.openai]\nbase_url = "https://me:hunter2@h/v1?api_key=hunter3"\napi_key = "hunter4"\n'
        '[text.options]\nurls = ["http://h/?token=hunter5"]\nnested = [{ password = "hunter6" }]\n'
    )
    told = str([*load_settings(tmp_path / "kgrec.toml").rows()])
    assert "hunter" not in told
    assert "https://***@h/v1?api_key=***" in told
