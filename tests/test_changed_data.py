"""Data that changed since the training: files appended in a session, newcomers, items that are gone, profiles."""

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.testing import toy_workspace
from kgrec.types import Request

SCORERS = ["popularity", "item-knn", "ease", "content"]
HASHING = ["text.encoder=hashing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("changed") / "workspace")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    return folder


def rows_of(project, user, action, values):
    """Return events in the columns of the workspace's file."""
    items = project.dataset.items["item_id"].sort().head(len(values))
    table = pl.DataFrame({"user_id": user, "item_id": items, "action": action, "value": values})
    entry = project.config.data.interactions[0]
    names = {"user_id": "user", "item_id": "item", "action": "action", "value": "value"}
    return table.rename({old: entry.columns.get(new, new) for old, new in names.items()})


def test_files_appended_in_one_session_add_up(tmp_path):
    folder = toy_workspace(tmp_path / "toy")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    for name in ("first", "second"):
        rows_of(project, name, "like", [None, None]).write_csv(folder / f"{name}.csv")
        project.build_graph(append=[folder / f"{name}.csv"])
    assert {"first", "second"} <= set(project.dataset.users["user_id"])
    project.build_graph()
    assert {"first", "second"} <= set(project.dataset.users["user_id"])


def test_what_a_newcomer_rated_low_is_no_like(folder):
    project = kgrec.open(folder, overrides=[*HASHING, "feedback.like_threshold=4"])
    rows_of(project, "critic", "rate", [1.0, 5.0, 1.0]).write_csv(folder / "critic.csv")
    project.build_graph(append=[folder / "critic.csv"])
    known = project.users.find("critic")
    assert known.position is None
    liked = [project.ranker.item_ids[item] for item in known.profile.items]
    assert liked == [project.dataset.items["item_id"].sort()[1]]
    found = project.recommend("critic", n=3, explain=True)
    assert not set(found.item_ids) & set(project.dataset.items["item_id"].sort().head(3))
    named = {key for reason in found.reasons for key in reason.nodes[:1]}
    assert named <= set(liked)


def test_what_a_newcomer_gets_is_split_by_what_he_liked(folder):
    project = kgrec.open(folder, overrides=HASHING)
    rows_of(project, "fresh", "like", [None, None, None]).write_csv(folder / "fresh.csv")
    project.build_graph(append=[folder / "fresh.csv"])
    found = project.explain("fresh", project.recommend("fresh", n=1).item_ids[0])
    assert found.rank == 1
    assert found.unsplit == ()
    assert sum(cause.value for cause in found.contributions) == pytest.approx(found.score, abs=1e-4)
    named = {cause.id for cause in found.contributions if cause.kind == "item"}
    assert named
    assert named <= set(project.dataset.items["item_id"].sort().head(3))
    assert {cause.kind for cause in found.contributions} <= {"item", "popularity", "baseline"}


def test_items_that_left_the_catalogue_are_no_longer_recommended(tmp_path):
    folder = toy_workspace(tmp_path / "toy")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    gone = set(project.recommend("u00", n=3).item_ids)
    for role in ("interactions", "items"):
        entry = getattr(project.config.data, role)[0]
        column = entry.columns.get("item", entry.columns.get("id", "item_id"))
        table = pl.read_csv(folder / entry.path, infer_schema=False)
        table.filter(~pl.col(column).is_in(list(gone))).write_csv(folder / entry.path)
    project.build_graph()
    found = project.recommend("u00", n=24, explain=True)
    assert len(found)
    assert not gone & set(found.item_ids)
    assert len(project.titles(found.item_ids)) == len(found.reasons)
    assert not gone & set(project.recommend_many(n=24)["item_id"])


def test_a_user_named_twice_gets_one_list_and_all_come_in_the_order_of_their_ids(folder):
    project = kgrec.open(folder, overrides=HASHING)
    assert project.recommend_many(["u03", "u03"], n=4)["rank"].to_list() == [1, 2, 3, 4]
    everybody = project.recommend_many(n=1)["user_id"]
    assert everybody.is_sorted()


def test_somebody_known_by_words_alone_is_told_so(folder):
    project = kgrec.open(folder, overrides=HASHING)
    title = project.titles(project.dataset.items["item_id"].to_list()[:1])[0]
    profile = project.profile(text=title)
    assert profile.text_vector is not None
    assert np.any(profile.text_vector)
    found = project.recommend(Request(None, 3, profile=profile), explain=True)
    assert {reason.sentence for reason in found.reasons} == {"Close to what you describe"}


def test_the_report_counts_the_relations_that_the_graph_has(tmp_path):
    file = tmp_path / "events.csv"
    file.write_text("user_id,item_id,action\n" + "".join(f"u{n},i{n % 3},like\n" for n in range(9)), encoding="utf-8")
    (tmp_path / "kgrec.toml").write_text(
        'domain = "ecommerce"\n[[data.interactions]]\npath = "events.csv"\n'
        'columns = { user = "user_id", item = "item_id", action = "action" }\n',
        encoding="utf-8",
    )
    project = kgrec.open(tmp_path, overrides=HASHING)
    report = project.build_graph()
    assert project.graph.relations.height > 1  # those that shops may have
    assert report.graph["relations"] == 1
