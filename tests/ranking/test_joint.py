"""Lists for many users at once are those of the plain way, user by user and scorer by scorer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.models.als import ALS
from kgrec.models.content import Content
from kgrec.models.item_knn import ItemKNN
from kgrec.models.popularity import Popularity
from kgrec.models.sparse import csr
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.ranking import score_stats as module
from kgrec.ranking.cold import ColdPlacement
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.fusion import Gate
from kgrec.ranking.lists import rank_blocks
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset, toy_training_data
from kgrec.types import Profile

N_USERS, N_ITEMS = 70, 90


def likes(rng):
    """Return likes with users and items of whom nothing is known."""
    matrix = rng.random((N_USERS, N_ITEMS)) < rng.uniform(0.01, 0.2, (N_USERS, 1))
    matrix[5], matrix[:, 7], matrix[:, 8] = False, False, False
    return csr(csr_array(matrix * rng.integers(1, 4, matrix.shape)))


def made(**changes):
    """Return a ranker of a product, a sparse and a dense scorer, weights moving with the user."""
    rng = np.random.default_rng(2)
    matrix = likes(rng)
    text = rng.normal(size=(N_ITEMS, 5)).astype(np.float32)
    text[:9] = 0
    data = replace(toy_training_data(), matrix=matrix, triples=None, item_text=text, user_text=None, validation=None)
    data = replace(data, events=replace(data.events, times=None))
    scorers = {
        "als": ALS(factors=6, n_seeds=2),
        "item-knn": ItemKNN(neighbours=20),
        "content": Content(neighbours=5),
        "popularity": Popularity(),
    }
    scorers = {name: scorer.fit(data, seed=1) for name, scorer in scorers.items()}
    weights = {"als": 0.5, "item-knn": 0.3, "content": 0.2}
    gate = Gate(2.0, 0.7, {"als": 0.1, "content": -0.05})
    ids = [f"u{k}" for k in range(N_USERS)], [f"i{k}" for k in range(N_ITEMS)]
    ranker = Ranker(*ids, matrix.astype(np.bool_), scorers, weights, gate=gate)
    return replace(ranker, **changes)


def fused(ranker, users):
    out = np.full((len(users), N_ITEMS), np.nan, dtype=np.float32)
    ranker.fusion.fuse(users, ranker.seen[users], out)
    return out


COLD = ColdPlacement(np.array([7, 8, 30]), ("content", "als"), height=0.7)
CASES = [
    {},
    {"gate": None},
    {"cold": COLD},
    {"cold": replace(COLD, members=("content",)), "weights": {"als": 1.0}},
    {"weights": {"item-knn": 1.0}},
    {"weights": {"als": 0.4, "popularity": 0.6}},
    {"weights": {"content": 1.0}},
]


@pytest.mark.parametrize("changes", CASES)
@pytest.mark.parametrize("picked", [1, 1_000_000])
def test_fused_scores_are_those_of_the_plain_way(changes, picked, monkeypatch):
    monkeypatch.setattr(module, "DENSE", picked)
    ranker = made(**changes)
    users = np.random.default_rng(0).permutation(N_USERS)
    plain = ranker.fused(users)
    np.testing.assert_allclose(fused(ranker, users), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", CASES)
def test_so_are_those_of_people_who_came_later(changes):
    ranker = made(**changes)
    rng = np.random.default_rng(4)
    profiles = [Profile(rng.permutation(N_ITEMS)[:n], rng.random(n).astype(np.float32) + 0.5) for n in (3, 0, 12, 1)]
    out = np.empty((len(profiles), N_ITEMS), dtype=np.float32)
    ranker.fusion.fuse(profiles, ranker.seen_at_training(profiles), out)
    plain = [ranker.fused([profile])[0] for profile in profiles]
    np.testing.assert_allclose(out, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("include_seen", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_lists_are_those_of_the_plain_way(include_seen, threads):
    ranker = made(summary={"seen_last": True})
    users = np.random.default_rng(1).permutation(N_USERS)
    allowed = np.arange(N_ITEMS) % 3 > 0
    seen = ranker.seen[users]
    scores = ranker.fused(users)
    best, values = ranker.rank(scores, ListRules(10, allowed, include_seen), seen)
    rules = ListRules(10, allowed, include_seen)
    blocks = list(rank_blocks(ranker, users, rules, seen=seen, block_size=9, threads=threads))
    assert [block.start for block, _, _ in blocks] == list(range(0, N_USERS, 9))
    np.testing.assert_array_equal(np.concatenate([found for _, found, _ in blocks]), best)
    np.testing.assert_allclose(np.concatenate([v for _, _, v in blocks]), values, rtol=1e-5, atol=1e-5)


def test_an_error_in_a_thread_is_not_swallowed():
    ranker = made()
    ranker.scorers["content"]._vectors = None
    users = np.arange(N_USERS)
    with pytest.raises((AttributeError, TypeError)):
        list(rank_blocks(ranker, users, ListRules(10), seen=None, block_size=9, threads=3))


def test_the_trained_hybrid_with_cold_items_is_served_alike():
    dataset = toy_dataset()
    rows = dataset.interactions
    dataset = replace(dataset, interactions=rows.filter(~rows["item"].is_in(list(range(0, dataset.n_items, 5)))))
    text = np.random.default_rng(0).normal(size=(dataset.n_items, 6)).astype(np.float32)
    config = Config.model_validate({"recommend": {"cold_share": 1.0}})
    domain = Domain(name="generic", summary="")
    found = prepare(dataset, config, domain, triples=None, item_text=text, user_text=None, device="cpu")
    registry = load_plugins([]).registry("scorer")
    ranker, _ = train(found, registry, Fitter(config), only=["popularity", "ease", "als", "gnn", "cold-items"])
    assert ranker.cold is not None
    users = np.arange(len(found.user_ids))
    out = np.empty((len(users), len(found.item_ids)), dtype=np.float32)
    ranker.fusion.fuse(users, ranker.seen, out)
    np.testing.assert_allclose(out, ranker.fused(users), rtol=1e-4, atol=1e-4)
