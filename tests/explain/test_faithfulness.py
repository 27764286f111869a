"""The deletion test over users: what an explanation names must matter more than anything else."""

from types import SimpleNamespace

import numpy as np
import pytest

from kgrec.cli.evaluate_explanations import show_faithfulness
from kgrec.evaluate import faithfulness as module
from kgrec.explain.why import Scored
from kgrec.models.item_knn import ItemKNN
from kgrec.ranking.ranker import Ranker
from kgrec.testing import toy_training_data
from kgrec.types import Profile


@pytest.fixture
def project(monkeypatch):
    data = toy_training_data()
    users, items = ([f"{kind}{k}" for k in range(n)] for kind, n in (("u", data.n_users), ("i", data.n_items)))
    scorer = ItemKNN().fit(data, seed=1)
    ranker = Ranker(users, items, data.matrix.astype(bool), {"a": scorer, "popularity": scorer}, {"a": 1.0})

    def scored(project, user):
        position = users.index(user)
        row = data.matrix[[position]]
        parts = ranker.parts(np.array([position]))
        fused = ranker.fused(parts, np.array([position]))[0]
        profile = Profile(row.indices.astype(np.int64), row.data)
        return Scored(user, position, profile, ranker.seen[[position]], None, parts, fused)

    monkeypatch.setattr(module, "scored", scored)
    monkeypatch.setattr(module, "routes", lambda *_: [])
    table = {"user_id": SimpleNamespace(to_list=lambda: users)}
    return SimpleNamespace(ranker=ranker, dataset=SimpleNamespace(users=table), explainer=None)


def test_the_same_seed_gives_the_same_figures(project, capsys):
    first, again = (module.faithfulness(project, users=6, items=2, seed=3) for _ in range(2))
    assert repr(first) == repr(again)
    assert first.users == 6
    assert first.fidelity.mean == 0  # no graph, no paths
    if first.margin.n:
        assert first.margin.difference == pytest.approx(first.named.mean - first.random.mean)
    show_faithfulness(first)
    assert "named less others" in capsys.readouterr().out
