"""What an append gives is what a full build gives, up to the numbering."""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import Config
from kgrec.data.ingest import IngestResult, ingest
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins

PLUGINS = load_plugins([])
FILMS = Domain("films", "films of a test")
NOW = 1_700_000_000.0


def canonical(dataset):
    """Return the dataset's content with ids for positions, and rows in an order that does not depend on them."""
    users, items = dataset.users["user_id"], dataset.items["item_id"]
    rows = dataset.interactions.with_columns(
        user=pl.Series(users.gather(dataset.interactions["user"])),
        item=pl.Series(items.gather(dataset.interactions["item"])),
    )
    report = {key: value for key, value in dataset.report.items() if key != "renumbered"}
    rejects = dataset.rejects.sort(pl.all())
    return (
        rows.rows(),
        dataset.users.sort("user_id").rows(named=True),
        dataset.items.sort("item_id").rows(named=True),
        dataset.item_attributes,
        rejects.rows(),
        report,
    )


def config_of(cleaning, **data):
    return Config.model_validate({"seed": 1, "data": {**data, "cleaning": {"max_loss": 1.0, **cleaning}}})


def paths(*names, **columns):
    return [{"path": name, "columns": columns} for name in names]


LOG_COLUMNS = {"user": "user_id", "item": "item_id", "action": "action", "value": "rating", "time": "timestamp"}
ITEM_COLUMNS = {"id": "item_id", "title": "title"}


EVENT = st.tuples(
    st.sampled_from(["u1", "u2", "u3", "u4", " u1", ""]),
    st.sampled_from(["i1", "i2", "i3", "i4", ""]),
    st.sampled_from(["view", "rate", "buy", "search", "zap"]),
    st.sampled_from(["", "1", "4", "5", "NaN"]),
    st.sampled_from(["", "1577836800", "1577836900", "1577837000", "7"]),
)
LOG = st.lists(EVENT, min_size=1, max_size=12)
CATALOGUE = st.lists(
    st.tuples(st.sampled_from(["i1", "i2", "i5", "i6", ""]), st.sampled_from(["A", "B", ""])), max_size=5
)
CLEANING = st.fixed_dictionaries(
    {
        "repeated": st.sampled_from(["keep", "first", "last", "max"]),
        "missing_value": st.sampled_from(["drop", "mean", "user_mean", "neutral"]),
        "unknown_items": st.sampled_from(["keep", "reject"]),
        "min_user_interactions": st.integers(0, 2),
        "min_item_interactions": st.integers(0, 2),
    }
)


def csv_of(header, rows):
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


@settings(deadline=None, max_examples=40)
@given(LOG, LOG, CATALOGUE, CATALOGUE, CLEANING)
def test_append_equals_full_build(first, second, catalogue, more, cleaning):
    # At least one row is good, so that no build ends in "nothing is left".
    good = [("u9", item, "buy", "", "1577836800") for item in ("i8", "i9")]
    good += [("u8", item, "buy", "", "1577836800") for item in ("i8", "i9")]
    header = "user_id,item_id,action,rating,timestamp"
    catalogue = [*catalogue, ("i8", "C"), ("i9", "D")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a.csv").write_text(csv_of(header, first + good))
        (root / "b.csv").write_text(csv_of(header, second))
        (root / "c.csv").write_text(csv_of("item_id,title", catalogue))
        (root / "d.csv").write_text(csv_of("item_id,title", more))
        before = config_of(cleaning, interactions=paths("a.csv", **LOG_COLUMNS), items=paths("c.csv", **ITEM_COLUMNS))
        events, items = paths("a.csv", "b.csv", **LOG_COLUMNS), paths("c.csv", "d.csv", **ITEM_COLUMNS)
        full = config_of(cleaning, interactions=events, items=items)
        standing = ingest(before, FILMS, PLUGINS, root, now=NOW)
        standing.save(root / "stage")
        (root / "a.csv").unlink()  # what stands is not read again
        (root / "c.csv").unlink()
        added = [("interactions", full.data.interactions[1]), ("items", full.data.items[1])]
        loaded = IngestResult.load(root / "stage")
        appended = ingest(before.with_files(added), FILMS, PLUGINS, root, previous=loaded, now=NOW)
        (root / "a.csv").write_text(csv_of(header, first + good))
        (root / "c.csv").write_text(csv_of("item_id,title", catalogue))
        whole = ingest(full, FILMS, PLUGINS, root, now=NOW)
    assert canonical(appended.dataset) == canonical(whole.dataset)
    if not appended.dataset.report["renumbered"]:
        n = standing.dataset.n_items
        assert appended.dataset.items["item_id"][:n].equals(standing.dataset.items["item_id"])
        n = standing.dataset.n_users
        assert appended.dataset.users["user_id"][:n].equals(standing.dataset.users["user_id"])


def test_positions_stay_and_new_ones_follow(write, build):
    write(
        a__csv="user_id,item_id\n" + "".join(f"u{k},i{k}\n" for k in range(30)),
        b__csv="user_id,item_id\n" + "".join(f"u{k},i{k}\n" for k in range(20, 60)),
    )
    before = build(interactions=paths("a.csv"))
    after = build(interactions=paths("a.csv", "b.csv"), previous=before).dataset
    assert after.items["item_id"][:30].equals(before.dataset.items["item_id"])
    assert after.users["user_id"][:30].equals(before.dataset.users["user_id"])
    new = after.items["item_id"][30:].to_list()
    assert sorted(new, key=lambda i: int(i[1:])) == [f"i{k}" for k in range(30, 60)]
    assert new != [f"i{k}" for k in range(30, 60)]
    assert not after.report["renumbered"]


def test_what_is_no_longer_there_means_new_numbers(write, build):
    write(a__csv="user_id,item_id\nu,i\nu,j\n", items__csv="id,title\ni,I\n")
    rules = {"unknown_items": "reject"}
    before = build(interactions=paths("a.csv"), cleaning=rules)
    after = build(interactions=paths("a.csv"), items=paths("items.csv"), cleaning=rules, previous=before).dataset
    assert after.report["renumbered"]
    assert after.items["item_id"].to_list() == ["i"]


def test_a_changed_rule_reads_the_file_again(write, build, tmp_path):
    write(a__csv="user_id,item_id,time\nu,i,2020-01-01\nu,j,1995-01-01\n")
    before = build(interactions=paths("a.csv"))
    after = build(interactions=paths("a.csv"), cleaning={"min_time": "2000-01-01"}, previous=before)
    assert (before.dataset.interactions.height, after.dataset.interactions.height) == (2, 1)
