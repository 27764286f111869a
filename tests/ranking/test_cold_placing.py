"""Cold items beside warm ones: the budget is not overspent, and parts still sum to scores."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.cold import ColdPlacement, Merging, budget, learn_height, merging
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset
from kgrec.types import Profile


def random_merging(seed=0, n_users=300, k=10):
    rng = np.random.default_rng(seed)
    warm = -np.sort(-rng.normal(2, 1, (n_users, k))).astype(np.float32)
    cold = -np.sort(-rng.normal(2, 1, (n_users, k))).astype(np.float32)
    hit = rng.random((n_users, k)) < np.linspace(0.5, 0.05, k)
    none = np.zeros_like(hit)
    return Merging(warm, cold, hit, np.maximum(hit.sum(axis=1), 1), none, none.sum(axis=1))


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_height_spends_the_budget_and_no_more(share):
    found = random_merging()
    height = learn_height(found, share)
    whole = found.ndcg(-20)
    assert found.ndcg(height) >= (1 - share) * whole
    assert found.ndcg(height + 0.2) < (1 - share) * whole


def test_likes_of_cold_items_raise_the_height_to_where_all_lists_are_best():
    found = random_merging()
    rng = np.random.default_rng(1)
    liked = rng.random(found.hit.shape) < np.linspace(0.6, 0.1, found.hit.shape[1])
    found = replace(found, cold_hit=liked, cold_relevant=np.maximum(liked.sum(axis=1), 1))
    height, least = learn_height(found, 0.001), learn_height(random_merging(), 0.001)
    assert height > least
    best = max(found.ndcg_of_all(least + step) for step in np.arange(0, 4, 0.125))
    assert found.ndcg_of_all(height) >= 0.999 * best


def test_cold_items_that_nobody_likes_are_held_to_the_budget():
    found = random_merging()
    unliked = replace(found, cold_relevant=found.cold_relevant + 1)
    assert learn_height(unliked, 0.02) == learn_height(found, 0.02)


def test_no_budget_lets_nothing_in_that_costs_anything():
    found = random_merging()
    assert found.ndcg(learn_height(found, 0.0)) == found.ndcg(-20)


def test_budget_shrinks_with_the_number_of_new_items():
    known = np.full(1000, 9)
    assert budget(0.02, 200, known) == 0.02
    assert budget(0.02, 100, known) == pytest.approx(0.005)
    assert budget(0.02, 10, known) == pytest.approx(0.00005)


def test_a_tail_of_items_that_nobody_happened_to_like_is_worth_no_budget():
    rng = np.random.default_rng(0)
    likes = rng.poisson(rng.gamma(2.0, 1.0, 1000))
    tail = int((likes == 0).sum())
    assert tail > 200
    assert budget(0.02, tail, likes) < 0.005
    withheld = likes * (rng.random(1000) > 0.5)
    assert budget(0.02, int((withheld == 0).sum()), withheld) > 0.015


def test_parts_sum_to_affine_scores_and_warm_items_keep_theirs():
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(size=(3, 8)).astype(np.float32) for name in ("a", "b", "cold")}
    parts = {name: scores[name].copy() for name in ("a", "b")}
    before = parts["a"] + parts["b"]
    cold = ColdPlacement(np.array([1, 4, 6, 7]), ("cold", "b"), height=1.5, scale=2.0)
    total = before.copy()
    cold.place(total, {name: scores[name][:, cold.items] for name in cold.members}, parts)
    assert set(parts) == {"a", "b", "cold"}
    np.testing.assert_allclose(sum(parts.values()), total, atol=1e-5)
    warm = [0, 2, 3, 5]
    np.testing.assert_allclose(total[:, warm], before[:, warm], rtol=1e-5)
    mean, deviation = before[:, warm].mean(axis=1), before[:, warm].std(axis=1)
    placed = total[:, [1, 4, 6, 7]]
    np.testing.assert_allclose(placed.mean(axis=1), mean + 1.5 * deviation, rtol=1e-4)
    np.testing.assert_allclose(placed.std(axis=1), 2.0 * deviation, rtol=1e-4)


def test_nothing_known_of_a_user_leaves_cold_items_at_the_mean():
    scores = {"a": np.zeros((1, 4), dtype=np.float32), "cold": np.full((1, 4), np.nan, dtype=np.float32)}
    parts = {"a": scores["a"].copy()}
    fused = parts["a"].copy()
    ColdPlacement(np.array([3]), ("cold",), height=9.0).place(fused, {"cold": scores["cold"][:, [3]]}, parts)
    assert not fused.any()
    assert not sum(parts.values()).any()


def test_merging_ranks_neither_seen_nor_cold_items_as_warm():
    total = np.array([[5.0, 4.0, 3.0, 2.0, 1.0]], dtype=np.float32)
    masked = csr_array(np.array([[True, False, False, True, False]]))
    truth = csr_array(np.array([[0, 1, 1, 0, 1]], dtype=np.float32))
    found = merging(total, np.array([[1.0, -1.0]], dtype=np.float32), np.array([2, 3]), masked, truth, 3)
    assert found.hit.tolist() == [[True, True, False]]  # items 1 and 4
    assert found.relevant.tolist() == [2]
    assert np.isfinite(found.cold).tolist() == [[True, False, False]]  # item 3 was seen


def with_cold(share):
    """Train on a dataset in which some items lost their interactions."""
    dataset = toy_dataset()
    rows = dataset.interactions
    lost = np.arange(0, dataset.n_items, 5)
    dataset = replace(dataset, interactions=rows.filter(~rows["item"].is_in(lost.tolist())))
    rng = np.random.default_rng(0)
    text = rng.normal(size=(dataset.n_items, 6)).astype(np.float32)
    config = Config.model_validate({"recommend": {"cold_share": share}})
    domain = Domain(name="generic", summary="")
    found = prepare(dataset, config, domain, triples=None, item_text=text, user_text=None, device="cpu")
    registry = load_plugins([]).registry("scorer")
    ranker, _ = train(found, registry, Fitter(config), only=["popularity", "ease", "cold-items"])
    return ranker, registry, lost


def test_training_places_cold_items_and_the_ranker_survives_saving(tmp_path):
    ranker, registry, lost = with_cold(1.0)
    assert set(lost.tolist()) <= set(ranker.cold.items.tolist())
    assert "cold-items" not in ranker.weights
    ranker.save(tmp_path)
    loaded = Ranker.load(tmp_path, registry)
    users = np.arange(8)
    fused = ranker.fused(users)
    np.testing.assert_array_equal(loaded.fused(users), fused)
    assert fused[:, lost].std(axis=1).any()
    new = ranker.split([Profile(np.array([1, 2]), np.ones(2, dtype=np.float32))])[0]
    assert new["cold-items"][:, lost].any()


def test_no_share_keeps_cold_items_out():
    ranker, _, _ = with_cold(0.0)
    assert ranker.cold is None
    assert "cold-items" not in ranker.scorers
