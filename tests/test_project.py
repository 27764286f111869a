"""A workspace from Python: build, train, recommend, explain, append."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.errors import NotFoundError, UsageError, UserError, WorkspaceError
from kgrec.ranking.training_inputs import TextInputs
from kgrec.testing import toy_tables, toy_workspace
from kgrec.types import Request

SCORERS = ["popularity", "item-knn", "ease"]
HASHING = ["text.encoder=hashing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy") / "workspace")
    project = kgrec.open(folder, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    return folder


@pytest.fixture
def project(folder):
    return kgrec.open(folder, overrides=HASHING)


def seen_of(project, user):
    position = int(project.dataset.user_positions([user])[0])
    rows = project.dataset.interactions.filter((pl.col("user") == position) & pl.col("item").is_not_null())
    return set(project.dataset.items["item_id"].gather(rows["item"]).to_list())


def test_recommendations_leave_out_what_is_seen_and_parts_add_up(project):
    found = project.recommend("u00", n=5)
    assert len(found) == 5
    assert not set(found.item_ids) & seen_of(project, "u00")
    np.testing.assert_allclose(sum(found.parts.values()), found.scores, atol=1e-5)
    assert np.all(np.diff(found.scores) <= 0)


def test_the_taste_of_the_user_is_found(project):
    """Users of the toy like items of one taste only; the first letters of ids tell the taste."""
    own = project.recommend("u00", n=3)
    tastes = {item[:2] for item in seen_of(project, "u00")}
    assert {item[:2] for item in own.item_ids} <= tastes


def test_each_recommendation_has_a_reason_that_names_something_of_the_history(project):
    found = project.recommend("u00", n=5, explain=True)
    history = seen_of(project, "u00")
    assert len(found.reasons) == 5
    for reason in found.reasons:
        assert reason.sentence
        if reason.kind in ("path", "similar"):
            assert reason.nodes[0] in history
            assert len(reason.relations) == len(reason.nodes) - 1


def test_many_at_once_equal_one_by_one(project):
    table = project.recommend_many(["u03", "u00"], n=4)
    assert table["user_id"].unique(maintain_order=True).to_list() == ["u03", "u00"]
    for user, rows in table.group_by("user_id", maintain_order=True):
        single = project.recommend(str(user[0]), n=4)
        assert rows["item_id"].to_list() == list(single.item_ids)
        assert rows["rank"].to_list() == [1, 2, 3, 4]


def test_seen_items_come_back_when_asked_for(project):
    found = project.recommend("u00", n=24, include_seen=True)
    assert seen_of(project, "u00") <= set(found.item_ids)


def test_conditions_hold_and_mistakes_are_named(project):
    genre = project.dataset.items["genres"].explode()[0]
    found = project.recommend("u00", n=24, where=f"genres = {genre.upper()}", include_seen=True)
    rows = project.dataset.items.filter(pl.col("item_id").is_in(list(found.item_ids)))
    assert len(found)
    assert all(genre in genres for genres in rows["genres"].to_list())
    with pytest.raises(NotFoundError, match="genre") as error:
        project.recommend("u00", where={"genrez": genre})
    assert "genres" in error.value.hint
    with pytest.raises(NotFoundError, match="value"):
        project.recommend("u00", where={"genres": ["no such genre"]})


def test_somebody_who_is_not_in_the_data_gets_the_taste_of_what_they_like(project):
    liked = sorted(seen_of(project, "u00"))[:2]
    found = project.recommend(Request(None, 3, profile=project.profile(like=liked)), explain=True)
    assert not set(found.item_ids) & set(liked)
    assert {item[:2] for item in found.item_ids} <= {item[:2] for item in seen_of(project, "u00")}
    assert all(reason.sentence for reason in found.reasons)


def test_unknown_names_suggest_near_ones(project):
    with pytest.raises(NotFoundError) as error:
        project.recommend("U-00")
    assert "did you mean" in error.value.hint
    assert "u00" in error.value.hint
    with pytest.raises(NotFoundError, match="item"):
        project.profile(like=["nothing"])
    with pytest.raises(UserError, match="user or a profile"):
        project.recommend(Request(None))


def test_recommending_imports_no_deep_learning(folder):
    script = (
        "import sys, kgrec\n"
        f"found = kgrec.open({str(folder)!r}).recommend('u00', explain=True)\n"
        "assert len(found)\n"
        "heavy = {'torch', 'torch_geometric', 'transformers', 'implicit', 'rdflib', 'networkx', 'scipy.linalg'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_folder_needs_a_workspace_and_its_stages(tmp_path):
    with pytest.raises(WorkspaceError, match="no kgrec workspace"):
        kgrec.open(tmp_path)
    project = kgrec.open(toy_workspace(tmp_path / "toy"))
    with pytest.raises(WorkspaceError, match="no models yet"):
        project.recommend("u00")
    with pytest.raises(WorkspaceError, match="no graph yet"):
        project.train()
    with pytest.raises(UserError, match="nothing to append to"):
        project.build_graph(append=["more.csv"])


@pytest.fixture
def grown(tmp_path):
    """A workspace built from half of the interactions, with the other half in a file beside it."""
    folder = toy_workspace(tmp_path / "grown")
    rows = toy_tables()["interactions"]
    rows.head(rows.height // 2).write_csv(folder / "interactions.csv")
    rows.tail(rows.height - rows.height // 2).write_csv(folder / "later.csv")
    return folder


def edges_by_key(graph):
    nodes = graph.nodes.select("kind", "key").with_row_index("node")
    names = graph.relations.select("name").with_row_index("relation")
    table = (
        graph.edges.with_columns(pl.col("relation").cast(pl.UInt32))
        .join(nodes.rename({"node": "head", "kind": "head_kind", "key": "head_key"}), on="head")
        .join(nodes.rename({"node": "tail", "kind": "tail_kind", "key": "tail_key"}), on="tail")
        .join(names, on="relation")
    )
    columns = ["head_kind", "head_key", "name", "tail_kind", "tail_key", "weight", "provenance"]
    return set(table.select(columns).rows())


def test_an_append_equals_a_full_build_and_is_recorded(grown):
    project = kgrec.open(grown, overrides=HASHING)
    project.build_graph()
    before = project.dataset.items["item_id"].to_list()
    project.build_graph(append=[grown / "later.csv"])
    assert project.dataset.items["item_id"].to_list()[: len(before)] == before
    appended = edges_by_key(project.graph)
    again = kgrec.open(grown, overrides=HASHING)
    assert [entry.path for entry in again.config.data.interactions] == ["interactions.csv", "later.csv"]
    again.build_graph()
    assert edges_by_key(again.graph) == appended


def test_models_older_than_the_data_still_answer_and_are_said_to_be_stale(grown):
    project = kgrec.open(grown, overrides=HASHING)
    project.build_graph()
    project.train(only=SCORERS)
    fresh = set(toy_tables()["interactions"]["user_id"]) - set(project.ranker.user_ids)
    project.build_graph(append=[grown / "later.csv"])
    assert project.info()["next"] == "kgrec train"
    for user in [*sorted(fresh)[:1], "u00"]:
        found = project.recommend(user, n=3)
        assert len(found)
        assert not set(found.item_ids) & seen_of(project, user)
    table = project.recommend_many(n=2)
    assert table["user_id"].n_unique() == project.dataset.n_users


def test_a_training_that_fails_leaves_the_last_good_state(folder, monkeypatch):
    project = kgrec.open(folder, overrides=HASHING)
    before = project.recommend("u00").item_ids
    from kgrec.models.ease import EASE

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(EASE, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        project.train(only=SCORERS)
    assert kgrec.open(folder).recommend("u00").item_ids == before
    monkeypatch.undo()
    project.train(only=SCORERS)
    assert kgrec.open(folder).recommend("u00").item_ids == before


def test_info_tells_what_there_is(project):
    facts = project.info()
    assert facts["stages"]["dataset"]["users"] == project.dataset.n_users
    assert "next" not in facts
    user = project.user_info("u00")
    assert user["interactions"] == sum(user["actions"].values())
    assert user["terms"]


def test_ids_are_understood_as_files_are_read(project):
    exact = project.recommend("u00", n=3).item_ids
    assert project.recommend("  u00 ", n=3).item_ids == exact
    assert project.recommend_many([" u00"], n=3)["item_id"].to_list() == list(exact)
    assert project.user_info("u00 ")["user_id"] == "u00"


def test_a_misspelt_scorer_is_an_error_before_any_work(project, monkeypatch):
    monkeypatch.setattr(TextInputs, "encode", lambda *_: pytest.fail("texts were encoded first"))
    with pytest.raises(NotFoundError, match="scorer 'eese'") as error:
        project.train(only=["eese"])
    assert "ease" in error.value.hint


def test_what_people_write_is_meant(project):
    items = len(project.ranker.item_ids)
    usual = project.recommend("u00", n=4, rerank=["mmr:.3"])
    assert project.recommend("u00", n=4, rerank="mmr:.3").item_ids == usual.item_ids
    found = project.recommend("u00", n=10**9, rerank="mmr:0.3", include_seen=True)
    assert len(found) == items  # a list is never longer than the catalogue, nor is what it costs
    many = project.recommend_many("u00", n=10**9)
    assert many["user_id"].unique().to_list() == ["u00"]
    liked = found.item_ids[0]
    assert project.profile(like=liked).items.tolist() == project.profile(like=[liked]).items.tolist()
    for wrong in (lambda: project.recommend(["u00"]), lambda: project.recommend(None, n=0)):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(NotFoundError, match="unknown user '5'"):
        project.recommend(5)
    with pytest.raises(UsageError, match="like is a text or several texts"):
        project.profile(like={"item": 1})
