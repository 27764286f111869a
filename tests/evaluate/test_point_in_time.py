"""Splits by time: what happens after the moment of a list, however loud, changes nothing in the list."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from kgrec.config import Config
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.evaluate.ablation import EvaluationInputs
from kgrec.evaluate.evaluator import run
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins

USERS, ITEMS, DAYS, DAY = 40, 30, 100, 86_400
SCORERS = ("popularity", "recent-popularity", "transitions", "item-knn", "ease")
LOUD = ITEMS - 1


def log(seed=0):
    """Views over a hundred days, ``(user, item, day)``; nobody meets the loud item."""
    rng = np.random.default_rng(seed)
    rows = {
        (u, int(i)): int(d)
        for u in range(USERS)
        for i, d in zip(rng.integers(0, LOUD, 12), rng.integers(0, DAYS, 12), strict=True)
    }
    return [(u, i, d) for (u, i), d in rows.items()]


def inputs_of(rows):
    users, items, days = zip(*rows, strict=True)
    table = pl.DataFrame({"user": users, "item": items, "time": [1_600_000_000 + d * DAY for d in days]})
    constants = {"action": "view", "value": None, "text": None, "split": "train", "source": "x", "line": 1}
    table = table.with_columns(**{name: pl.lit(value) for name, value in constants.items()}).sort(
        "time", maintain_order=True
    )
    dataset = Dataset(
        table.select(list(INTERACTIONS)).cast(pl.Schema(INTERACTIONS)),
        pl.DataFrame({"user_id": [f"u{k}" for k in range(USERS)]}, schema={"user_id": pl.String}).with_columns(
            description=pl.lit(None, pl.String)
        ),
        pl.DataFrame({"item_id": [f"i{k}" for k in range(ITEMS)]}).with_columns(
            title=pl.lit(None, pl.String), description=pl.lit(None, pl.String)
        ),
    )
    return EvaluationInputs(
        dataset, Config(), Domain(name="generic", summary=""), load_plugins([]), None, lambda *_: (None, None)
    )


def lists_of(rows, split):
    plan = EvaluationPlan(split, ks=(5,), only=SCORERS, folds=3, fraction=0.3)
    return run(inputs_of(rows), plan)


@pytest.mark.parametrize("split", ["time", "rolling"])
def test_a_signal_of_the_future_changes_no_list(split):
    rows = log()
    for quiet in lists_of(rows, split)[-1:]:
        moment = quiet.holdout.facts["moment"]
        first = (moment - 1_600_000_000) // DAY
        # From that day on everybody likes the loud item; before, nothing differs.
        planted = [(u, LOUD if d >= first else i, d) for u, i, d in rows]
        loud = next(r for r in lists_of(planted, split) if r.holdout.facts["moment"] == moment)
        own, others = (
            dict(zip(r.test_set.users.tolist(), r.judged[0].result.top.tolist(), strict=True)) for r in (quiet, loud)
        )
        both = own.keys() & others.keys()
        assert len(both) > 5
        assert {u: own[u] for u in both} == {u: others[u] for u in both}
        assert not any(LOUD in items[:1] for items in others.values())


def test_windows_follow_each_other_and_cover_the_latest_likes():
    rounds = lists_of(log(), "rolling")
    spans = [(r.holdout.facts["moment"], r.holdout.facts["until"]) for r in rounds]
    assert len(spans) == 3
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all("came before" in " ".join(r.holdout.checked) for r in rounds)
