"""On each bundled sample, the whole way finds what is planted: build-graph, train, recommend."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from kgrec.project import open_project

SAMPLES = Path(__file__).parents[2] / "graphs" / "samples"
DOMAINS = ("ecommerce", "news", "video")
SEARCHES_FOR_NOTHING = {"ecommerce": 69, "news": 73, "video": 78}


def trained(domain, folder, only, *overrides):
    shutil.copytree(SAMPLES / domain, folder, dirs_exist_ok=True)
    project = open_project(folder, overrides=["text.encoder=hashing", "graph.store=false", *overrides])
    project.build_graph()
    project.train(device="cpu", only=only)
    return project


@pytest.fixture(scope="module", params=DOMAINS)
def project(request, tmp_path_factory):
    """Each sample with scorers that take a moment."""
    return trained(request.param, tmp_path_factory.mktemp(request.param), ["popularity", "ease", "content"])


@pytest.fixture(scope="module", params=DOMAINS)
def content_project(request, tmp_path_factory):
    """Each sample with the content scorer alone: in company its weight may be zero."""
    return trained(request.param, tmp_path_factory.mktemp(request.param), ["content"])


def truth(project):
    return importlib.import_module(f"kgrec_{project.config.domain}.sample").truth()


def precision(project, scores, n):
    """Return the share of held-out likes among each user's ``n`` best unseen items of ``scores`` (users, items)."""
    held = held_out(project)
    best = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), axis=1, kind="stable")[:, :n]
    return float(np.take_along_axis(held, best, axis=1).mean())


def held_out(project, kind=None):
    """Return the likes beyond the sample, shape (users, items)."""
    dataset = project.dataset
    items = {key: k for k, key in enumerate(dataset.items["item_id"].to_list())}
    held = np.zeros((dataset.n_users, dataset.n_items), dtype=bool)
    likes = truth(project)
    for row, user in enumerate(dataset.users["user_id"].to_list()):
        held[row, [items[item] for item, found in likes[user].items() if kind in (None, found)]] = True
    return held


def unseen(project, scores):
    """Return ``scores`` with NaN where the user has touched the item."""
    events = project.dataset.interactions.drop_nulls("item")
    scores = scores.copy()
    scores[events["user"].to_numpy(), events["item"].to_numpy()] = np.nan
    return scores


def cold_auc(project, name, kind):
    """Return how often a scorer puts a user's cold item before another cold item of the same kind; chance is 0.5."""
    scores = project.ranker.scorers[name].score(np.arange(project.dataset.n_users))
    right = held_out(project, kind)
    columns = right.any(axis=0)
    scores, right = scores[:, columns], right[:, columns]
    assert not np.isnan(scores).any(), f"{name} cannot score cold items"
    pairs = right[:, :, None] & ~right[:, None, :]  # (u, right, wrong)
    return float((scores[:, :, None] > scores[:, None, :])[pairs].mean())


def test_the_dirt_is_rejected_with_its_reason_and_line(project):
    reasons = dict(project.dataset.rejects["reason"].value_counts().iter_rows())
    assert reasons["unreadable time"] == 1
    assert reasons["impossible time"] >= 1
    assert reasons["no user id"] >= 1
    assert reasons["exact duplicate"] >= 5
    assert project.dataset.rejects["line"].min() > 3_000, "the dirt is at the end of the file"
    assert not any(key != key.strip() for key in project.dataset.users["user_id"])
    assert project.dataset.n_users == 300


def test_searches_stay_as_texts_without_an_item(project):
    searches = project.dataset.interactions.filter(project.dataset.interactions["item"].is_null())
    assert set(searches["action"]) == {"search"}
    assert searches.height == SEARCHES_FOR_NOTHING[project.config.domain]
    assert searches["text"].null_count() == 0


def test_recommendations_are_what_is_planted(project):
    likes = truth(project)
    lists = project.recommend_many(n=5)
    hits = np.mean([item in likes[user] for user, item in lists.select("user_id", "item_id").iter_rows()])
    seen = np.isnan(unseen(project, np.zeros((project.dataset.n_users, project.dataset.n_items))))
    popular = np.tile(seen.sum(axis=0).astype(float), (project.dataset.n_users, 1))
    chance = held_out(project).mean()
    assert hits > 0.7
    assert hits > 5 * precision(project, unseen(project, popular), 5)
    assert hits > 15 * chance


@pytest.mark.parametrize("kind", ["graph", "text"])
def test_content_ranks_cold_items_of_the_right_entity_first(content_project, kind):
    assert cold_auc(content_project, "content", kind) > 0.8


def test_the_graph_names_one_entity_for_each_that_is_planted(project):
    types = {"ecommerce": "brand", "news": "entity", "video": "person"}
    names = project.graph.nodes.filter(project.graph.nodes["type"] == types[project.config.domain])["label"]
    assert len(names) == len(set(names)), "an entity of the graph and one of the catalogue are the same"


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_gnn_finds_warm_and_cold_likes(domain, tmp_path):
    project = trained(domain, tmp_path, ["gnn"])
    scores = project.ranker.scorers["gnn"].score(np.arange(project.dataset.n_users))
    assert precision(project, unseen(project, scores), 5) > 0.5, "chance is 0.04"
    assert cold_auc(project, "gnn", "graph") > 0.9
    assert cold_auc(project, "gnn", "text") > 0.9
