"""Workspaces of data frames, and of patterns that grow by a file a day."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

import kgrec
from kgrec.errors import ConfigError


class Arrow:
    """What frames of pandas and Arrow offer: Arrow's C interface."""

    def __init__(self, frame):
        self.__arrow_c_stream__ = frame.__arrow_c_stream__

    def __arrow_c_stream__(self, requested_schema=None):  # found on the class
        return vars(self)["__arrow_c_stream__"](requested_schema)


LOG = pl.DataFrame(
    {
        "who": [f"u{k % 8}" for k in range(40)],
        "sku": [f"i{k % 5}" for k in range(40)],
        "rating": [k % 5 + 1 for k in range(40)],
    }
)
ITEMS = pl.DataFrame({"sku": [f"i{k}" for k in range(5)], "title": [f"Thing {k}" for k in range(5)]})


@pytest.mark.parametrize("make", [lambda frame: frame, pl.DataFrame.lazy, Arrow])
def test_frames_in_memory(make):
    project = kgrec.open(interactions=make(LOG), items=make(ITEMS), overrides=["text.encoder=hashing"])
    project.build_graph()
    assert (project.dataset.n_users, project.dataset.n_items) == (8, 5)
    assert project.dataset.items["title"].null_count() == 0
    folder = project.workspace.root
    assert folder.is_dir()
    del project
    import gc

    gc.collect()
    assert not folder.exists()


def test_frames_on_disk_stay(tmp_path):
    kgrec.open(tmp_path / "ws", interactions=LOG, items=ITEMS).build_graph()
    assert kgrec.open(tmp_path / "ws").dataset.n_items == 5
    with pytest.raises(ConfigError, match="interactions: a str is no data frame"):
        kgrec.open(interactions="log.csv")


def day(folder, name, user):
    (folder / name).write_text(f"user_id,item_id\n{user},i1\n{user},i2\n")


def test_a_pattern_is_added_once_and_its_files_as_they_come(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "a.csv").write_text("user_id,item_id\nu0,i1\n")
    (tmp_path / "kgrec.toml").write_text('[[data.interactions]]\npath = "a.csv"\n')
    project = kgrec.open(tmp_path, overrides=["text.encoder=hashing"])
    project.build_graph()
    day(logs, "01.csv", "u1")
    project.build_graph(append=[logs / "*.csv"])
    assert project.dataset.n_users == 2

    def paths():
        return [
            entry["path"] for entry in tomllib.loads(Path(tmp_path / "kgrec.toml").read_text())["data"]["interactions"]
        ]

    assert paths() == ["a.csv", "logs/*.csv"]
    day(logs, "02.csv", "u2")
    project.build_graph(append=[logs / "02.csv"])
    assert project.dataset.n_users == 3
    day(logs, "03.csv", "u3")
    project.build_graph(append=[logs / "*.csv"])
    assert project.dataset.n_users == 4
    assert paths() == ["a.csv", "logs/*.csv"]
    assert project.dataset.interactions["source"].unique().sort().to_list() == [
        "a.csv",
        *(f"logs/0{k}.csv" for k in (1, 2, 3)),
    ]
