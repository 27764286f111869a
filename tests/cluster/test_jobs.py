"""Lists for all by parts: each user once, whatever was written before."""

import polars as pl
import pytest

from kgrec.errors import UserError
from kgrec.jobs import ListOrder, recommend_all, recommend_parts


def test_parts_hold_the_lists_of_a_run_without_parts(project, tmp_path):
    whole = recommend_all(project, ListOrder(n=4, explain=True))
    written = recommend_parts(project, ListOrder(n=4, explain=True), tmp_path / "lists")
    assert written == whole["user_id"].n_unique() > 16
    assert len(list((tmp_path / "lists").glob("part-*.parquet"))) > 1
    assert pl.read_parquet(tmp_path / "lists" / "*.parquet").equals(whole)


def test_a_run_that_was_killed_goes_on(project, tmp_path):
    order, folder = ListOrder(n=3), tmp_path / "lists"
    recommend_parts(project, order, folder)
    first, second = sorted(folder.glob("part-*.parquet"))[:2]
    kept, users = first.stat().st_mtime_ns, pl.read_parquet(second)["user_id"].n_unique()
    second.unlink()
    assert recommend_parts(project, order, folder) == users
    assert first.stat().st_mtime_ns == kept
    assert recommend_parts(project, order, folder) == 0
    assert pl.read_parquet(folder / "*.parquet").equals(recommend_all(project, order))


def test_a_folder_of_something_else_is_left_alone(project, tmp_path):
    recommend_parts(project, ListOrder(n=3), tmp_path / "lists")
    with pytest.raises(UserError, match="other models, users or options"):
        recommend_parts(project, ListOrder(n=4), tmp_path / "lists")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        recommend_parts(project, ListOrder(), tmp_path)
