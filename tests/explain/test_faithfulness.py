"""The deletion test over users: what an explanation names must matter more than anything else."""

import numpy as np
import polars as pl
import pytest

from kgrec.cli.views import show_faithfulness
from kgrec.data.dataset import Dataset
from kgrec.explain.faithfulness import faithfulness
from kgrec.explain.reasons import Explainer
from kgrec.models.item_knn import ItemKNN
from kgrec.plugin.domain import Domain
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.recommend import UserScores
from kgrec.ranking.users import UserRef
from kgrec.testing import toy_training_data
from kgrec.types import Profile


class NoPaths(Explainer):
    """Explains lists of a workspace without a graph."""

    def routes(self, *_, **__):
        return []


@pytest.fixture
def explained():
    """Return an explainer, and what scores a user."""
    data = toy_training_data()
    users, items = ([f"{kind}{k}" for k in range(n)] for kind, n in (("u", data.n_users), ("i", data.n_items)))
    scorer = ItemKNN().fit(data, seed=1)
    ranker = Ranker(users, items, data.matrix.astype(bool), {"a": scorer, "popularity": scorer}, {"a": 1.0})
    tables = Dataset(pl.DataFrame(), pl.DataFrame({"user_id": users}), pl.DataFrame({"item_id": items}))

    def scores(user):
        position = users.index(user)
        row = data.matrix[[position]]
        profile = Profile(row.indices.astype(np.int64), row.data)
        known = UserRef(user, position, position, profile, ranker.seen[[position]])
        parts, (fused,) = ranker.split(known.asked)
        return UserScores(known, None, parts, fused)

    return NoPaths(tables, None, Domain(name="generic", summary="any"), ranker), scores


def test_the_same_seed_gives_the_same_figures(explained, capsys):
    first, again = (faithfulness(*explained, users=6, items=2, seed=3) for _ in range(2))
    assert repr(first) == repr(again)
    assert first.users == 6
    assert first.fidelity.mean == 0  # no graph, no paths
    if first.margin.n:
        assert first.margin.difference == pytest.approx(first.named.mean - first.random.mean)
    show_faithfulness(first)
    assert "named less others" in capsys.readouterr().out
