"""Re-ranked lists of a workspace: for one, for all, for a newcomer, and judged."""

import numpy as np
import pytest

import kgrec
from kgrec.errors import ConfigError, NotFoundError
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.ranking.ranker import ListRules
from kgrec.testing import toy_workspace
from kgrec.types import Request

STEPS = [
    ["mmr:0.3,by=category", "fair:director"],
    ["dpp:0.2,by=graph"],
    ["calibrated:0.5", "popularity:0.3"],
    ["novelty", "serendipity", "explore:0.3"],
    ["fresh:0.5,attribute=year,ttl_days=100000", "long-tail"],
    ["spread:0.3", "reach:0.3,users=2"],
    ["popularity:0.5,scale=count", "by-score"],
    ["cap:director,most=1", "bought:genres"],
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("reranked") / "workspace")
    overrides = ["text.encoder=hashing", "train.scorers=['popularity','ease']"]
    made = kgrec.open(folder, overrides=overrides)
    made.build_graph()
    made.train()
    return made


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: "+".join(steps)[:30])
def test_one_user_gets_what_all_get(project, steps):
    everybody = project.recommend_many(n=5, rerank=steps)
    for user in ("u00", "u11", "u29"):
        own = everybody.filter(everybody["user_id"] == user)["item_id"].to_list()
        assert list(project.recommend(user, 5, rerank=steps).item_ids) == own
        assert len(set(own)) == len(own)


def test_the_settings_hold_and_can_be_left_out(project):
    config = project.config
    changed = kgrec.open(
        project.workspace.root, overrides=["recommend.rerank=['rules']", "rerankers.rules.pin=['i25']"]
    )
    plain = project.recommend("u01", 4).item_ids
    assert plain == project.recommend("u01", 4, rerank=["mmr:0"]).item_ids
    assert changed.recommend("u01", 4).item_ids == ("i25", *[key for key in plain if key != "i25"][:3])
    assert changed.recommend("u01", 4, rerank=["none"]).item_ids == plain
    assert config.recommend.rerank == []


def test_a_newcomer_and_bad_words(project):
    somebody = Request(None, 5, profile=project.profile(like=["i00"]), rerank=("mmr:0.5", "novelty:0.4"))
    assert len(project.recommend(somebody)) == 5
    with pytest.raises(NotFoundError, match="unknown attribute 'brand'"):
        project.recommend("u01", rerank=["cap:brand"])
    with pytest.raises(ConfigError, match="number"):
        project.recommend("u01", rerank=["fresh:0.5,attribute=director"])


def test_evaluation_judges_with_and_without(project):
    full, ranked = project.evaluate(EvaluationPlan(ks=(5,), rerank=("mmr:0.6",))).record.systems
    assert (full.name, ranked.name) == ("full", "without re-ranking")
    assert full.metrics["diversity@5"].mean > ranked.metrics["diversity@5"].mean
    assert np.isfinite(full.metrics["ndcg@5"].mean)


def test_how_high_items_stand_is_found_once_and_kept(project, monkeypatch):
    from kgrec.ranking import lists

    kept = list((project.workspace.cache / "best-ranks").glob("*.safetensors"))
    expected = project.recommender.catalogue.best_ranks()
    assert expected.shape == (len(project.ranker.item_ids), 10)
    assert (project.workspace.cache / "best-ranks").exists()
    monkeypatch.setattr(lists, "best_ranks", None)  # would fail if asked again
    np.testing.assert_array_equal(project.recommender.catalogue.best_ranks(), expected)
    file = next((project.workspace.cache / "best-ranks").glob("*.safetensors"))
    assert kept in ([], [file])
    monkeypatch.undo()
    file.write_bytes(b"rubbish")
    np.testing.assert_array_equal(project.recommender.catalogue.best_ranks(), expected)


def test_best_ranks_are_the_places_in_the_users_lists(project):
    ranker = project.ranker
    users = np.arange(len(ranker.user_ids))
    scores = ranker.fused(users)
    top, _ = ranker.rank(scores, ListRules(200), ranker.seen)
    found = project.recommender.catalogue.best_ranks()
    for item in range(0, len(ranker.item_ids), 3):
        places = np.sort(np.nonzero(top == item)[1] + 1)[:10]
        assert found[item].tolist() == [*places, *[0] * (10 - len(places))]
