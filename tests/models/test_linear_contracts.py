"""Every linear scorer keeps the contract, with and without graph and texts."""

from dataclasses import replace

import numpy as np
import pytest

from kgrec.models.als import ALS, ManyFactorALS
from kgrec.models.content import Content
from kgrec.models.ease import EASE
from kgrec.models.item_knn import ItemKNN
from kgrec.models.popularity import Popularity
from kgrec.models.recent_popularity import RecentPopularity
from kgrec.models.transitions import Transitions
from kgrec.plugin.protocols import AdditiveScorer, GridScorer, NewUserScorer
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.types import Profile


class LinearContract(ScorerContract):
    """What the linear scorers promise beyond the contract: exact parts, and new users scored like old ones."""

    def test_is_additive_and_serves_new_users(self):
        assert isinstance(self.make(), AdditiveScorer)
        assert isinstance(self.make(), NewUserScorer)

    def test_each_setting_of_the_grid_can_be_built_and_differs(self):
        if not isinstance(self.make(), GridScorer):
            pytest.skip("has one setting")
        grid = type(self.make()).grid(self.training_data())
        assert grid
        assert all(grid.count(setting) == 1 for setting in grid)
        for setting in grid:
            type(self.make())(**setting)

    def test_contributions_sum_to_the_score_for_all_users(self):
        scorer, data = self.fitted(), self.training_data()
        items = np.arange(data.n_items)
        scores = scorer.score(np.arange(data.n_users))
        for user in range(data.n_users):
            sums = np.zeros(data.n_items)
            for part in scorer.contributions(user, items):
                sums += part.values.sum(axis=1)
            known = np.isfinite(scores[user])
            np.testing.assert_allclose(sums[known], scores[user][known], atol=1e-4)
            assert not sums[~known].any()

    def test_new_user_with_the_history_of_an_old_one_gets_the_same_scores(self):
        full = self.training_data()
        data = replace(full, events=replace(full.events, times=None))  # a profile has no order
        scorer = self.make().fit(data, seed=1)
        for user in (0, 5):
            row = data.matrix[[user]]
            words = data.user_text[user] if isinstance(scorer, Content) else None
            profile = Profile(row.indices.astype(np.int64), row.data, text_vector=words)
            self.same(scorer.score_new(profile), scorer.score(np.array([user]))[0])

    def test_items_and_users_that_came_after_training(self):
        scorer, data = self.fitted(), self.training_data()
        late = Profile(np.array([0, 2, data.n_items + 3]), np.ones(3, dtype=np.float32))
        early = Profile(np.array([0, 2]), np.ones(2, dtype=np.float32))
        self.same(scorer.score_new(late), scorer.score_new(early))
        scores = scorer.score(np.array([0, data.n_users + 7]))
        assert scores.shape == (2, data.n_items)
        self.same(scores[:1], scorer.score(np.array([0])))
        if not isinstance(scorer, Popularity | RecentPopularity):
            assert np.isnan(scores[1]).all()


class TestPopularity(LinearContract):
    solves = ("hot_cold",)

    def make(self):
        return Popularity()


class TestRecentPopularity(LinearContract):
    def make(self):
        return RecentPopularity(half_life_days=30)

    def test_new_user_with_the_history_of_an_old_one_gets_the_same_scores(self):
        """Somebody new asks at the end of the data; old users' moments are in their past."""
        scorer = self.fitted().at_end()
        self.same(scorer.score(np.array([0]))[0], scorer.score_new(Profile()))


class TestItemKNN(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return ItemKNN()


class TestItemKNNWeighted(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return ItemKNN(neighbours=8, weighting="idf", shrinkage=0)


class TestEASE(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return EASE(regularization=5)


class TestEASEWithDecay(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return EASE(regularization=5, forgetting=0.5)


class TestALSWithDecay(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return ALS(factors=4, regularization=0.5, n_seeds=2, forgetting=0.5)


class TestEASEWithGraph(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return EASE(regularization=5, dropout=0.3, graph_weight=1.0)


class TestEASEWithTexts(LinearContract):
    solves = ("text",)

    def make(self):
        return EASE(regularization=5, text_weight=5.0)


class TestLocalEASE(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return EASE(regularization=5, graph_weight=1.0, max_dense_items=1, neighbours=12)


class TestLocalEASEWithTexts(LinearContract):
    solves = ("text",)

    def make(self):
        return EASE(regularization=5, text_weight=5.0, max_dense_items=1, neighbours=12)


class TestALS(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return ALS(factors=4, regularization=0.5, n_seeds=2)


class TestALSWithGraph(LinearContract):
    solves = ("checkerboard", "graph")

    def make(self):
        return ALS(factors=2, regularization=0.5, graph_weight=1.0, n_seeds=1)


class TestManyFactorALS(LinearContract):
    solves = ("checkerboard",)

    def make(self):
        return ManyFactorALS(factors=4, regularization=0.5, n_seeds=2)


class TestTransitions(LinearContract):
    solves = ("text",)

    def make(self):
        return Transitions(neighbours=12)


class TestTransitionsWithoutTexts(LinearContract):
    def make(self):
        return Transitions(window=2, backward=0.0, backoff=0.0, forgetting=1.0)


class TestContent(LinearContract):
    solves = ("text", "own_words")

    def make(self):
        return Content()


class TestContentByMeans(LinearContract):
    solves = ("text", "own_words")

    def make(self):
        return Content(nearest=0.0)


@pytest.mark.parametrize(
    ("scorer", "options"),
    [
        (RecentPopularity, {"half_life_days": 0}),
        (ItemKNN, {"neighbours": 0}),
        (ItemKNN, {"weighting": "bm52"}),
        (ItemKNN, {"shrinkage": float("nan")}),
        (EASE, {"regularization": 0}),
        (EASE, {"dropout": 1.0}),
        (EASE, {"text_weight": -1}),
        (EASE, {"forgetting": -1}),
        (ALS, {"forgetting": 11}),
        (ALS, {"factors": 1.5}),
        (ALS, {"n_seeds": True}),
        (ALS, {"alpha": "4"}),
        (Content, {"nearest": 1.1}),
        (Transitions, {"window": 0}),
        (Transitions, {"fade": 0}),
        (Transitions, {"backward": 2}),
    ],
)
def test_unusable_option_is_named(scorer, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        scorer(**options)


@pytest.mark.parametrize("scorer", [EASE, ManyFactorALS])
def test_graph_settings_are_tried_only_where_there_is_a_graph(scorer):
    data = toy_training_data()
    assert any("graph_weight" in setting for setting in scorer.grid(data))
    without = type(data)(data.matrix, data.events)
    assert not any("graph_weight" in setting or "text_weight" in setting for setting in scorer.grid(without))
