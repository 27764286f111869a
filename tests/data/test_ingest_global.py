import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import CleaningConfig
from kgrec.data.cleaning import Ledger, clean_interactions
from kgrec.data.ingest import IngestResult
from kgrec.data.parts import EVENTS
from kgrec.errors import ConfigError, CorruptArtifactError, NotFoundError

LOG = "user_id,item_id,action,rating,time\n"


def pairs(dataset):
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    table = dataset.interactions
    return sorted((users[u], items[i]) for u, i in table.select("user", "item").iter_rows())


def test_exact_duplicates_go_everywhere(write, build):
    write(a__csv=LOG + "u,i,view,,5e8\nu,i,view,,1e9\nu,i,view,,1e9\n", b__csv=LOG + "u,i,view,,1e9\n")
    files = [{"path": "a.csv"}, {"path": "b.csv"}]
    found = build(interactions=files, cleaning={"repeated": "keep", "min_time": "1980-01-01"}).dataset
    assert found.interactions["time"].to_list() == [500_000_000, 1_000_000_000]
    assert found.rejects.select("source", "line", "reason").rows() == [
        ("a.csv", 4, "exact duplicate"),
        ("b.csv", 2, "exact duplicate"),
    ]


@pytest.mark.parametrize(("rule", "value"), [("first", 5.0), ("last", 2.0), ("max", 9.0)])
def test_repeated_events(write, build, rule, value):
    write(
        a__csv=LOG + "u,i,rate,9,1.2e9\nu,i,rate,2,1.3e9\nu,i,rate,5,1.1e9\nu,i,rate,7,\nu,j,rate,1,\nu,i,view,,1e9\n"
    )
    found = build(interactions=[{"path": "a.csv"}], cleaning={"repeated": rule}).dataset
    rated = found.interactions.filter((pl.col("action") == "rate") & pl.col("time").is_not_null())
    assert rated["value"].to_list() == [value]
    assert found.interactions.height == 3
    assert found.report["rejected"] == {"repeated event": 3}


def test_searches_are_not_repeats_of_each_other(write, build):
    write(a__csv="user_id,query\nu,red\nu,blue\nu,red\n")
    found = build(interactions=[{"path": "a.csv"}]).dataset
    assert found.interactions["text"].to_list() == ["red", "blue"]
    assert found.n_items == 0


@pytest.mark.parametrize(
    ("rule", "filled"),
    [("mean", [1.0, 3.0, 5.0, 3.0]), ("user_mean", [1.0, 3.0, 5.0, 2.0]), ("neutral", [1, 3, 5, None])],
)
def test_missing_ratings(write, build, rule, filled):
    write(a__csv=LOG + "u,i,rate,1,1.1e9\nu,j,rate,3,1.2e9\nv,i,rate,5,1.3e9\nu,k,rate,,1.4e9\nw,i,view,,1.5e9\n")
    write(valid__csv=LOG + "x,i,rate,99,1.6e9\n")
    files = [{"path": "a.csv"}, {"path": "valid.csv", "split": "validation"}]
    found = build(interactions=files, cleaning={"missing_value": rule}).dataset
    assert found.interactions["value"].to_list() == [*filled, None, 99.0]
    assert sum(found.report["filled"].values()) == (rule != "neutral")


def test_unknown_items_and_users(write, build):
    write(a__csv="user_id,item_id\nu,i\nu,x\nv,i\n", items__csv="id,title\ni,I\n", users__csv="user_id,age\nu,3\n")
    data = {"interactions": [{"path": "a.csv"}], "items": [{"path": "items.csv"}], "users": [{"path": "users.csv"}]}
    assert len(pairs(build(**data).dataset)) == 3
    found = build(**data, cleaning={"unknown_items": "reject", "unknown_users": "reject"}).dataset
    assert pairs(found) == [("u", "i")]
    assert found.report["rejected"] == {"item not in the catalogue": 1, "user not in the users file": 1}
    no_catalogue = build(interactions=data["interactions"], cleaning={"unknown_items": "reject"}).dataset
    assert len(pairs(no_catalogue)) == 3


def test_k_core_leaves_no_one_with_too_few(write, build):
    rows = "".join(f"u{u},i{i}\n" for u in range(4) for i in range(3)) + "lonely,i0\nu0,rare\n"
    write(a__csv="user_id,item_id\n" + rows, items__csv="id,title\ni0,A\nnever,B\n")
    found = build(
        interactions=[{"path": "a.csv"}],
        items=[{"path": "items.csv"}],
        cleaning={"min_user_interactions": 3, "min_item_interactions": 2},
    ).dataset
    assert (found.n_users, found.n_items, found.interactions.height) == (4, 3, 12)
    assert found.report["rejected"] == {"k-core": 3}


@settings(deadline=None, max_examples=50)
@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30), st.integers(0, 4), st.integers(0, 4))
def test_k_core_is_the_largest_core(edges, least_user, least_item):
    table = pl.DataFrame(
        [(f"u{u}", f"i{i}", "view", None, None, None, "train", 1, "a") for u, i in sorted(edges)],
        schema={**EVENTS, "source": pl.Categorical},
        orient="row",
    )
    rules = CleaningConfig(min_user_interactions=least_user, min_item_interactions=least_item)
    kept = clean_interactions(table, rules, Ledger(), known_items=None, known_users=None)
    expected = {(f"u{u}", f"i{i}") for u, i in edges}
    while True:  # the definition, one removal at a time
        users, items = [u for u, _ in expected], [i for _, i in expected]
        left = {(u, i) for u, i in expected if users.count(u) >= least_user and items.count(i) >= least_item}
        if left == expected:
            break
        expected = left
    assert set(kept.select("user", "item").iter_rows()) == expected


def test_catalogue_items_are_items_and_rows_of_one_id_become_one(write, build):
    write(
        a__csv="user_id,item_id\nu,i\n",
        one__csv="id,title\ni,first\ncold,C\ni,second\n,nothing\n",
        two__csv="id,title\ni,third\nother,D\n",
    )
    found = build(interactions=[{"path": "a.csv"}], items=[{"path": "one.csv"}, {"path": "two.csv"}]).dataset
    assert dict(found.items.select("item_id", "title").iter_rows()) == {"i": "first", "cold": "C", "other": "D"}
    assert found.report["cold_items"] == 2
    assert found.report["conflicts"] == [
        {"role": "items", "column": "title", "ids": 1, "example": {"id": "i", "values": ["first", "second", "third"]}}
    ]
    assert sorted(found.rejects.select("source", "line", "reason").rows()) == [
        ("one.csv", 5, "no item id"),
    ]


def test_one_value_here_and_lists_there_become_lists(write, build):
    write(a__csv="user_id,item_id\nu,i\n", one__csv="id,tag\ni,red\n", two__csv="id,tag\nj,red|blue\n")
    tag = {"column": "tag", "relation": "has_tag"}
    first = {"path": "one.csv", "columns": {"id": "id"}, "attributes": {"tag": tag}}
    second = {"path": "two.csv", "columns": {"id": "id"}, "attributes": {"tag": {**tag, "separator": "|"}}}
    found = build(interactions=[{"path": "a.csv"}], items=[first, second]).dataset
    assert dict(found.items.select("item_id", "tag").iter_rows()) == {"i": ["red"], "j": ["red", "blue"]}
    second["attributes"]["tag"]["relation"] = "labelled"
    with pytest.raises(ConfigError, match=r"two\.csv: attribute 'tag'"):
        build(interactions=[{"path": "a.csv"}], items=[first, second])


def test_numbering_is_random_but_seeded_and_blind_to_the_order_of_files(write, build):
    rows = [f"u{k:03},i{k:03}\n" for k in range(200)]
    write(a__csv="user_id,item_id\n" + "".join(rows), b__csv="user_id,item_id\n" + "".join(reversed(rows)))
    one, two, other = (
        build(interactions=[{"path": name}], seed=seed).dataset
        for name, seed in (("a.csv", 1), ("b.csv", 1), ("a.csv", 2))
    )
    assert one.items.equals(two.items)
    assert one.users.equals(two.users)
    assert not one.items.equals(other.items)
    ids = one.items["item_id"].str.slice(1).cast(pl.Int64).to_numpy()
    assert abs(np.corrcoef(ids, np.arange(200))[0, 1]) < 0.25


def test_interactions_stand_in_the_order_of_time(write, build):
    write(a__csv=LOG + "u,i,view,,1.3e9\nu,j,view,,\nu,k,view,,1.2e9\n")
    assert build(interactions=[{"path": "a.csv"}]).dataset.interactions["line"].to_list() == [3, 4, 2]


def test_save_and_load(write, build, tmp_path):
    write(a__csv=LOG + "u,i,view,,1.3e9\n,j,view,,\n", items__csv="id,title,genres\ni,A,x|y\n")
    result = build(interactions=[{"path": "a.csv"}], items=[{"path": "items.csv"}])
    result.save(tmp_path / "dataset")
    loaded = IngestResult.load(tmp_path / "dataset")
    assert loaded.fingerprint == result.fingerprint
    assert loaded.dataset.interactions.equals(result.dataset.interactions)
    assert loaded.dataset.items.equals(result.dataset.items)
    assert loaded.dataset.report == result.dataset.report
    for one, two in zip(loaded.parts, result.parts, strict=True):
        assert one.table.equals(two.table)
        assert (one.key, one.counts, one.attributes) == (two.key, two.counts, two.attributes)
    (tmp_path / "dataset" / "parts" / "0000.parquet").write_text("junk")
    with pytest.raises(CorruptArtifactError):
        IngestResult.load(tmp_path / "dataset")


def test_the_fingerprint_follows_content_rules_and_numbering(write, build):
    write(a__csv="user_id,item_id\nu,i\nv,j\nw,k\n", b__csv="user_id,item_id\nu,i\nv,j\nw,l\n")
    data = {"interactions": [{"path": "a.csv"}]}
    prints = {
        build(**data).fingerprint,
        build(**data, cleaning={"repeated": "max"}).fingerprint,
        build(interactions=[{"path": "b.csv"}]).fingerprint,
        build(**data, seed=3).fingerprint,
    }
    assert len(prints) == 4
    assert build(**data).fingerprint in prints


def test_a_file_that_is_not_there(build, write):
    write(ratings__csv="user_id,item_id\nu,i\n")
    with pytest.raises(NotFoundError, match=r"'rating\.csv'"):
        build(interactions=[{"path": "rating.csv"}])
