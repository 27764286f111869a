"""``kgrec recommend``: one list in every format, many lists in a file, people who are not in the data."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from kgrec.errors import DataError


def test_a_table_for_people(kgrec, project):
    got = kgrec("recommend", "u1", "--explain")
    assert got.code == 0
    assert "Alien [bold]3" in got.out  # a title is data, not markup
    assert "霸王别姬" in got.out
    assert "because of" in got.out
    assert "for u1 · 39 interactions · likes noir, age 31" in got.out
    assert "\x1b" not in got.out  # neither colours in a pipe nor a reason's own escape codes
    assert max(len(line) for line in got.out.splitlines()) <= 80


@pytest.mark.parametrize("columns", [44, 60, 80, 200])
def test_an_id_is_never_cut(kgrec, project, monkeypatch, columns):
    long = "0f8fad5b-d9cb-469f-a165-70867728950e"
    project.catalogue = {long: "Heat, a film whose title is rather long", "i2": "Alien"}
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = kgrec("recommend", "u1", "--explain").out.splitlines()
    head = next(row for row in rows if "title" in row)
    start = head.index(" item")
    assert long in "".join(row[start:].strip() for row in rows)
    assert max(map(len, rows)) <= columns
    assert any("i2" in row for row in rows)


def test_without_explain_there_is_no_reason(kgrec, project):
    assert "because" not in kgrec("recommend", "u1").out
    assert "reason" not in kgrec("recommend", "u1", "--format", "csv").out.splitlines()[0]


def test_every_format_says_the_same(kgrec, project, tmp_path):
    wanted = [("u1", "i1", 1, "Heat (1995)"), ("u1", "i2", 2, "Alien [bold]3"), ("u1", "i3", 3, "霸王别姬")]

    def rows(records):
        return [(r["user_id"], r["item_id"], int(r["rank"]), r["title"]) for r in records]

    assert rows(json.loads(kgrec("recommend", "u1", "--format", "json").out)) == wanted
    assert rows(map(json.loads, kgrec("recommend", "u1", "--format", "jsonl").out.splitlines())) == wanted
    assert rows(csv.DictReader(io.StringIO(kgrec("recommend", "u1", "--format", "csv").out))) == wanted
    for name in ("recs.tsv", "recs.csv", "recs.jsonl", "recs.json", "recs.parquet"):
        got = kgrec("recommend", "u1", "--out", tmp_path / name)
        assert got.code == 0
        assert got.out == ""
    assert rows(pl.read_parquet(tmp_path / "recs.parquet").to_dicts()) == wanted
    assert rows(pl.read_csv(tmp_path / "recs.tsv", separator="\t").to_dicts()) == wanted
    assert rows(json.loads((tmp_path / "recs.json").read_text("utf-8"))) == wanted
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".json", ".jsonl", ".parquet", ".tsv"]


def test_json_tells_the_path_and_the_share_of_each_scorer(kgrec, project):
    first = json.loads(kgrec("recommend", "u1", "--explain", "-f", "json", "-n", "1").out)[0]
    assert first["path"] == {"nodes": ["i9", "e1", "i1"], "relations": ["acted_in", "acts_in"]}
    assert first["parts"] == {"ease": pytest.approx(0.9)}


def test_everybody_into_a_file(kgrec, project, tmp_path):
    out = tmp_path / "recs.tsv"
    got = kgrec("recommend", "--all", "--out", out, "-n", "20", "--where", "genre = Comedy")
    assert got.code == 0
    assert project.calls == [("recommend_many", None, 20, None, ("genre = Comedy",))]
    frame = pl.read_csv(out, separator="\t")
    assert frame.columns == ["user_id", "item_id", "rank", "score"]
    assert frame.height == 5000
    assert "5000 recommendations for 5000 users" in got.err


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_everybody_to_a_pipe(kgrec, project, tmp_path, form):
    out = tmp_path / f"recs.{form}"
    kgrec("recommend", "--all", "--out", out)
    readers = {"json": pl.read_json, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet, "csv": pl.read_csv}
    frame = readers[form](out) if form in readers else pl.read_csv(out, separator="\t")
    assert frame["user_id"].to_list() == [f"u{k}" for k in range(5000)]
    if form != "parquet":
        assert kgrec("recommend", "--all", "--format", form).out == out.read_text("utf-8")


def test_a_file_of_users(kgrec, project, tmp_path):
    (tmp_path / "users.txt").write_text("\ufeffu7\n\n u8 \nu7\n", encoding="utf-8")
    got = kgrec("recommend", "--users", tmp_path / "users.txt", "--include-seen")
    assert project.calls == [("recommend_many", ["u7", "u8"], None, True, ())]
    assert got.out.splitlines()[1:] == ["u7\ti1\t1\t0.5", "u8\ti1\t1\t0.5"]


def test_users_from_stdin(kgrec, project, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"u7\n")))
    kgrec("recommend", "--users", "-")
    assert project.calls[0][1] == ["u7"]


def test_a_link_stays_and_a_device_is_not_replaced(kgrec, project, tmp_path):
    (tmp_path / "link.tsv").symlink_to(tmp_path / "real.tsv")
    os.mkfifo(tmp_path / "pipe.tsv")
    with subprocess.Popen(["cat", tmp_path / "pipe.tsv"], stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert kgrec("recommend", "--all", "--out", tmp_path / "pipe.tsv").code == 0
            read = reader.communicate(timeout=30)[0]
        finally:
            reader.kill()  # it waits for a writer, for ever where the command fails before it writes
    assert kgrec("recommend", "--all", "--out", tmp_path / "link.tsv").code == 0
    assert (tmp_path / "link.tsv").is_symlink()
    assert (tmp_path / "real.tsv").read_text() == read
    assert (tmp_path / "pipe.tsv").is_fifo()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs the device /dev/full")
def test_a_full_disk(kgrec, project, tmp_path):
    (tmp_path / "full.tsv").symlink_to("/dev/full")
    got = kgrec("recommend", "--all", "--out", tmp_path / "full.tsv")
    assert got.code == 5
    assert "no space left" in got.err


def test_a_failed_write_leaves_the_old_file(kgrec, project, tmp_path):
    out = tmp_path / "recs.csv"
    out.write_text("old")
    project.fails_with = DataError("broken")
    assert kgrec("recommend", "--all", "--out", out).code == 5
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_somebody_who_is_not_in_the_data(kgrec, project):
    got = kgrec("recommend", "--profile", "quiet films", "--like", "i1", "i2", "--like", "i3", "-n", "2")
    assert got.code == 0
    assert project.calls[0] == ("profile", "quiet films", ("i1", "i2", "i3"))
    assert project.calls[1][1].profile.text == "quiet films"
    assert project.calls[1][1].user_id is None
    assert project.calls[1][1].n == 2
    assert "not in the data" in got.out


def test_nothing_left_to_recommend(kgrec, project):
    got = kgrec("recommend", "u1", "--where", "genre=None")
    assert got.code == 0
    assert "nothing to recommend" in got.out
    assert "loosen --where" in got.err
    assert json.loads(kgrec("recommend", "u1", "--where", "genre=None", "-f", "json").out) == []


def test_an_unknown_user_gets_near_ones(kgrec, project):
    got = kgrec("recommend", "nobody")
    assert got.code == 3
    assert got.err == "error: unknown user 'nobody'\nhint: did you mean 'nobodies'?\n"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ([], 2, "missing USER"),
        (["u1", "--all"], 2, "USER and --all exclude each other"),
        (["u1", "--like", "i1"], 2, "exclude each other"),
        (["u1", "--where", "genre"], 2, "'genre' is not compared with anything at character 6"),
        (["--all", "--where", "=Comedy"], 2, "the name of an attribute or relation is missing at character 1"),
        (["--all", "--out", "recs.xlsx"], 2, "cannot tell a format"),
        (["--all", "--out", "recs.parqet"], 2, "did you mean '.parquet'?"),
        (["--all", "--out", "missing/recs.tsv"], 3, "does not exist"),
        (["--users", "missing.txt"], 3, "missing.txt does not exist"),
    ],
)
def test_what_cannot_be_asked(kgrec, project, args, code, says):
    got = kgrec("recommend", *args)
    assert got.code == code
    assert says in got.err
    assert "hint: " in got.err
    assert got.out == ""


def test_unusable_files_of_users(kgrec, project, tmp_path):
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "latin").write_bytes(b"us\xe9r\n")
    assert "names no user" in kgrec("recommend", "--users", tmp_path / "empty").err
    got = kgrec("recommend", "--users", tmp_path / "latin")
    assert got.code == 5
    assert "not UTF-8 (byte 2)" in got.err
