"""Logs that are small or odd give sensible lists and an honest word, never a crash."""

import numpy as np
import polars as pl
import pytest

import kgrec

RNG = np.random.default_rng(11)
HITS = 10


def log(users, items, **more):
    rows = pl.DataFrame({"user_id": [f"u{u}" for u in users], "item_id": [f"i{i}" for i in items], **more})
    return rows if more else rows.unique(maintain_order=True)


def logs():
    tiny = log([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 3, 0, 1, 4, 2, 3, 4])
    skewed_users = np.repeat(np.arange(40), 6)
    hits = np.where(RNG.random(240) < 0.99, RNG.integers(HITS, size=240), RNG.integers(HITS, 400, 240))
    repeats = RNG.integers(4, size=200)
    return {
        "three users and ten rows": (tiny, 5),
        "one user": (log([0] * 6, range(6)), 6),
        "one item": (log(range(5), [0] * 5), 1),
        "one row": (log([0], [0]), 1),
        "everything bought once": (log(np.arange(60) // 3, range(60)), 60),
        "nearly all items cold": (log(np.repeat(np.arange(20), 4), RNG.integers(10, size=80)), 200),
        "ten items are all there is to the log": (log(skewed_users, hits), 400),
        "only repeats": (log(repeats, repeats, time=np.arange(200) * 86_400 + 1_600_000_000), 4),
        "one like each": (log(range(30), RNG.integers(8, size=30)), 8),
        "everybody likes everything": (log(np.repeat(np.arange(12), 6), np.tile(np.arange(6), 12)), 6),
    }


LOGS = logs()
QUICK = ["popularity", "item-knn", "ease", "als", "content", "transitions", "cold-items"]
TOML = """
[[data.interactions]]
path = "log.csv"
columns = {{ user = "user_id", item = "item_id"{time} }}
action = "purchase"

[[data.items]]
path = "items.csv"
columns = {{ id = "item_id", title = "title" }}
"""


@pytest.mark.parametrize("name", LOGS)
def test_lists_are_sensible(tmp_path, name):
    rows, n_items = LOGS[name]
    rows.write_csv(tmp_path / "log.csv")
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(n_items)]})
    words = ["red cup", "blue cup", "green plate", "small spoon", "large fork"]
    items = items.with_columns(title=pl.Series([f"{words[i % 5]} {i}" for i in range(n_items)]))
    items.write_csv(tmp_path / "items.csv")
    (tmp_path / "kgrec.toml").write_text(TOML.format(time=', time = "time"' if "time" in rows.columns else ""))
    project = kgrec.open(tmp_path, overrides=["text.encoder=hashing"])
    project.build_graph()
    report = project.train(only=None if name.startswith("three") else QUICK)
    seen = {user: set(part["item_id"]) for (user,), part in rows.group_by("user_id")}
    popular = set(rows["item_id"].value_counts(sort=True)["item_id"][:HITS])
    first = []
    for user, known in sorted(seen.items())[:40]:
        found = [one.item_id for one in project.recommend(user, 5)]
        assert len(found) == len(set(found)) == min(5, n_items - len(known))
        assert not set(found) & known
        first += [item in popular for item in found[:3]]
    assert not name.startswith("ten items") or np.mean(first) > 0.9
    told = report.together
    assert told is None or np.isfinite([told.ndcg, told.error, told.gain]).all()
    if len(seen) <= 12 and told is not None:
        assert told.vague
