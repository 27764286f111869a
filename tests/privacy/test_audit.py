"""Membership attacks find what is there, and nothing where there is nothing; names of others are found."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kgrec
from kgrec.cli.app import main
from kgrec.config import Config
from kgrec.errors import DataError
from kgrec.generate.feedback.store import FeedbackStore
from kgrec.privacy.attacks import AuditData, attack_lists, auc
from kgrec.privacy.audit import leaks, told
from kgrec.testing import toy_dataset, toy_workspace
from kgrec.types import ItemList, Reason


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 30))
def test_auc_counts_pairs(seed, m, o):
    rng = np.random.default_rng(seed)
    inside, outside = rng.integers(0, 5, m).astype(float), rng.integers(0, 5, o).astype(float)
    pairs = (inside[:, None] > outside).mean() + (inside[:, None] == outside).mean() / 2
    found = auc(inside, outside)
    assert found.mean == pytest.approx(pairs)
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_the_interval_of_auc_holds_the_truth():
    rng = np.random.default_rng(0)
    found = [auc(rng.normal(0.5, 1, 60), rng.normal(0, 1, 80)) for _ in range(300)]
    truth = 0.6382  # of two normal distributions half a deviation apart: Phi(0.5 / sqrt(2))
    assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def trained(folder, **sets):
    """Make a workspace of 160 users with tastes of their own."""
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 8, 160)
    liked = [rng.choice(15, 8, replace=False) + 15 * t for t in taste]
    rows = [f"reader-{u},thing-{i}" for u, items in enumerate(liked) for i in items]
    (folder / "log.csv").write_text("user_id,item_id\n" + "\n".join(rows) + "\n")
    (folder / "kgrec.toml").write_text('[[data.interactions]]\npath = "log.csv"\n')
    project = kgrec.open(folder, overrides=["text.encoder=hashing", *(f"{k}={v}" for k, v in sets.items())])
    project.build_graph()
    project.train(only=["popularity", "item-knn", "ease"])
    return project


def attacked(project, seed=0):
    data = AuditData(project.dataset, project.config, project.domain, project.manager.registry("scorer"), None, None)
    found = attack_lists(project.ranker, data, n=5, seed=seed)
    return {(one.attack, one.others): one for one in found}


def test_members_stand_out_from_people_who_are_shown_what_is_popular(tmp_path):
    found = attacked(trained(tmp_path))
    assert set(found) == {(a, o) for a in ("difference", "nearness") for o in ("as newcomers", "popular items")}
    assert found["nearness", "popular items"].auc.low > 0.9
    assert found["difference", "popular items"].auc.low > 0.8
    # Lists of newcomers are made of their own history as well: close to guessing.
    assert found["nearness", "as newcomers"].auc.low < 0.75
    for one in found.values():
        assert sum(interval.n for _, interval in one.by_activity) == one.auc.n == 80


def test_too_few_users_are_refused(tmp_path):
    project = kgrec.open(toy_workspace(tmp_path / "w"), overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity"])
    with pytest.raises(DataError, match="too few"):
        attacked(project)


def test_names_of_others_and_private_values_are_found(tmp_path):
    dataset = toy_dataset()
    ids = pl.Series("user_id", [f"reader-{u}" for u in range(dataset.n_users)])
    cities = ["Oslo", "Bergen"] + ["Troms\u00f8"] * (dataset.n_users - 2)
    dataset = replace(dataset, users=dataset.users.with_columns(ids, city=pl.Series(cities)))
    config = Config.model_validate(
        {"data": {"users": [{"path": "u.csv", "attributes": {"city": {"column": "city", "private": True}}}]}}
    )
    said = [
        ("reason", "reader-1", "because reader-1 liked it"),
        ("reason", "reader-1", "because Reader-2 liked it"),
        ("text", "reader-1", "For everybody in Bergen."),
        ("text", "reader-1", "Bergenser like it, and reader-22x too"),
    ]
    read, found = leaks(dataset, config, said)
    assert read == {"reason": 2, "text": 2}
    assert [(leak.where, leak.names) for leak in found] == [("reason", "another user"), ("text", "city")]

    def explained(user):
        none = np.zeros(1)
        return ItemList(user, ("i",), none, none, reasons=(Reason("Liked by", "path", ("reader-7", "i")),))

    _, found = leaks(dataset, config, told(["reader-1"], explained, FeedbackStore(tmp_path)))
    assert [leak.names for leak in found] == ["another user"]


def test_the_command(tmp_path, capfd):
    trained(tmp_path)
    words = ["audit", "privacy", "-w", str(tmp_path), "-q", "--set", "text.encoder=hashing", "--users", "5"]
    assert main([*words, "--out", str(tmp_path / "audit.json")]) == 0
    assert "AUC" in capfd.readouterr().out
    told = json.loads((tmp_path / "audit.json").read_text())[0]
    assert len(told["attacks"]) == 4
    assert told["leaks"] == 0
    assert told["reasons"] > 0
