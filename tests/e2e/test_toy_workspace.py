"""From three csv files to recommendations, through the command line as a user types it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from kgrec.cli.app import main

N_USERS, N_ITEMS = 30, 40
GENRES = ("comedy", "drama", "western", "noir")
PROBE = """
import sys
from kgrec.cli.app import main
code = main(sys.argv[1:])
heavy = {"torch", "torch_geometric", "transformers"} & set(sys.modules)
print("imported:", *sorted(heavy), file=sys.stderr)
sys.exit(code)
"""


@dataclass
class Result:
    code: int
    out: str
    err: str


def kgrec(*args: object) -> Result:
    """Run the command line in this process, with its own stdout and stderr."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(arg) for arg in args])
    return Result(code, *(stream.buffer.getvalue().decode() for stream in streams))


def write_files(folder: Path) -> list[Path]:
    """Write a toy: users like the items of two of the four genres, and have not seen all of them."""
    likes = [
        (
            f"u{user:02}",
            f"i{item:02}",
            5 if item % 4 in (user % 4, (user + 1) % 4) else 1,
            1_700_000_000 + user * 60 + item,
        )
        for user in range(N_USERS)
        for item in range(N_ITEMS)
        if (user * 7 + item * 3) % 5 < 3
    ]
    items = [(f"i{k:02}", f"Film {k}", GENRES[k % 4], f"Director {k % 10}") for k in range(N_ITEMS)]
    users = [(f"u{k:02}", f"likes {GENRES[k % 4]}") for k in range(N_USERS)]
    tables = {
        "ratings.csv": [("user_id", "item_id", "rating", "timestamp"), *likes],
        "items.csv": [("item_id", "title", "genre", "director"), *items],
        "users.csv": [("user_id", "description"), *users],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    return [folder / name for name in tables]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was built and trained by commands."""
    data, root = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("ws") / "toy"
    made = kgrec("init", root, "--domain", "generic", "--from", *write_files(data))
    assert made.code == 0, made.err
    built = kgrec("build-graph", "-w", root)
    assert built.code == 0, built.err
    assert "users 30, items 40" in built.out
    assert "time: " in built.err
    trained = kgrec("train", "-w", root, "--only", "popularity,ease", "--set", "text.encoder=hashing")
    assert trained.code == 0, trained.err
    assert "ease" in trained.out
    return root


def test_the_list_is_right_and_explained(workspace):
    got = kgrec("recommend", "u05", "-w", workspace, "--explain", "-n", "4", "-f", "json")
    assert got.code == 0, got.err
    records = json.loads(got.out)
    assert [r["rank"] for r in records] == [1, 2, 3, 4]
    # u05 likes items 1 and 2 of every four; the first recommendations must be of those.
    assert {int(r["item_id"][1:]) % 4 for r in records} <= {1, 2}
    assert all(r["reason"] for r in records)
    assert records[0]["title"].startswith("Film ")


def test_nothing_seen_is_recommended(workspace):
    seen = pl.read_csv(next((workspace.parent.parent).glob("data*/ratings.csv"))).select("user_id", "item_id")
    out = workspace / "recs.tsv"
    assert kgrec("recommend", "--all", "-w", workspace, "-n", "40", "--out", out).code == 0
    recommended = pl.read_csv(out, separator="\t")
    assert recommended.columns == ["user_id", "item_id", "rank", "score"]
    assert recommended["user_id"].n_unique() == N_USERS
    assert recommended.join(seen, on=["user_id", "item_id"]).height == 0
    assert recommended.height + seen.height == N_USERS * N_ITEMS


def test_every_format_holds_the_same_rows(workspace, tmp_path):
    readers = {
        "tsv": lambda file: pl.read_csv(file, separator="\t"),
        "csv": pl.read_csv,
        "jsonl": pl.read_ndjson,
        "json": pl.read_json,
        "parquet": pl.read_parquet,
    }
    frames = []
    for form, read in readers.items():
        assert kgrec("recommend", "--all", "-w", workspace, "--out", tmp_path / f"recs.{form}", "-q").err == ""
        frames.append(read(tmp_path / f"recs.{form}").select("user_id", "item_id", "rank").to_dicts())
    assert all(frame == frames[0] for frame in frames)
    assert len(frames[0]) == N_USERS * 10


def test_recommending_imports_nothing_that_trains(workspace):
    args = ["recommend", "u05", "-w", str(workspace), "--explain"]
    done = subprocess.run([sys.executable, "-c", PROBE, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "imported:"


def test_somebody_who_is_not_in_the_data(workspace):
    got = kgrec("recommend", "--like", "i01", "i05", "-w", workspace, "-n", "5", "-f", "jsonl")
    assert got.code == 0, got.err
    ids = [json.loads(line)["item_id"] for line in got.out.splitlines()]
    assert len(ids) == 5
    assert not {"i01", "i05"} & set(ids)


def test_conditions(workspace):
    got = kgrec("recommend", "u05", "--where", "genre=noir", "-w", workspace, "-f", "csv")
    rows = list(csv.DictReader(got.out.splitlines()))
    assert rows
    assert {int(row["item_id"][1:]) % 4 for row in rows} == {3}
    wrong = kgrec("recommend", "u05", "--where", "gnere=noir", "-w", workspace)
    assert (wrong.code, "'genre'" in wrong.err) == (3, True)


def test_an_unknown_user_gets_near_ids(workspace):
    got = kgrec("recommend", "u055", "-w", workspace)
    assert got.code == 3
    assert got.err.startswith("error: unknown user 'u055'")
    assert "'u05'" in got.err


def test_info_and_graph(workspace):
    assert "models" in kgrec("info", "-w", workspace).out
    user = kgrec("info", "u05", "-w", workspace)
    assert user.code == 0, user.err
    assert "likes drama" in user.out
    query = "SELECT (COUNT(?i) AS ?n) WHERE { ?i a kgrec:Item }"
    counted = kgrec("graph", "query", query, "-w", workspace, "-f", "csv")
    assert counted.code == 0, counted.err
    assert counted.out.splitlines()[1] == str(N_ITEMS)
    assert kgrec("graph", "validate", "-w", workspace).code == 0
    assert "Director 1" in kgrec("graph", "show", "Film 1", "-w", workspace).out


def test_a_workspace_that_is_not_far_enough(workspace, tmp_path):
    nothing = kgrec("recommend", "u05", "-w", tmp_path)
    assert (nothing.code, "kgrec init" in nothing.err) == (3, True)
    (tmp_path / "kgrec.toml").write_text((workspace / "kgrec.toml").read_text("utf-8"), encoding="utf-8")
    unbuilt = kgrec("recommend", "u05", "-w", tmp_path)
    assert unbuilt.code == 3
    assert "kgrec " in unbuilt.err.splitlines()[1]
