"""Sets that are drawn have the shape that was asked for, and their test part is new to each user."""

from dataclasses import replace

import polars as pl
import pytest


@pytest.fixture
def generated(load, monkeypatch):
    module = load("generated")
    monkeypatch.setattr(module, "SHAPES", {n: replace(s, users=min(s.users, 150)) for n, s in module.SHAPES.items()})
    return module


def drawn(generated, name, folder, seed=3):
    made = generated.prepare_generated(name, folder, seed)
    tables = [pl.read_csv(file, separator="\t") for file in (made.train, made.test)]
    return made, *tables


@pytest.mark.parametrize("name", ["small", "by-time"])
def test_a_set_is_drawn_by_its_shape_and_seed(generated, tmp_path, name):
    shape = generated.SHAPES[name]
    made, train, test = drawn(generated, name, tmp_path / "a")
    _, again, _ = drawn(generated, name, tmp_path / "b")
    _, other, _ = drawn(generated, name, tmp_path / "c", seed=4)
    assert train.equals(again)
    assert not train.equals(other)
    assert train["user_id"].n_unique() <= shape.users
    assert 0.3 * shape.mean < (train.height + test.height) / shape.users < 2 * shape.mean
    assert test.height == pytest.approx(0.2 * (train.height + test.height), rel=0.4)
    assert train.join(test, on=["user_id", "item_id"], how="inner").height == 0
    assert ("kg.tsv" in made.config) == bool(shape.graph)


def test_a_split_by_time_leaves_the_latest(generated, tmp_path):
    made, train, test = drawn(generated, "by-time", tmp_path)
    assert made.test.name == "test.tsv"
    later = train.height + test.height
    assert test.height == later // 5


def test_skewed_sets_are_skewed(generated, tmp_path):
    _, hits, _ = drawn(generated, "few-hits", tmp_path / "hits")
    _, flat, _ = drawn(generated, "dense-log", tmp_path / "flat")

    def share_of_ten(rows):
        return rows["item_id"].value_counts(sort=True)["count"][:10].sum() / rows.height

    assert share_of_ten(hits) > 2 * share_of_ten(flat)
