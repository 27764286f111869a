"""Re-rankers at each value of an option, and the intervals of what they give."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kgrec
from kgrec.errors import NotFoundError, UsageError
from kgrec.evaluate.metrics import coverage
from kgrec.evaluate.plan import EvaluationPlan, Sweep
from kgrec.evaluate.sweep import parse_sweep, variants
from kgrec.plugin.manager import load_plugins
from kgrec.significance import jackknife, over_seeds
from kgrec.testing import toy_workspace

SETTINGS = ["text.encoder=hashing", "linking.enabled=false"]


@pytest.fixture(scope="module")
def registry():
    return load_plugins().registry("re-ranker")


@pytest.mark.parametrize(
    ("text", "step", "option", "values"),
    [
        ("mmr.strength=0:1:0.25", "mmr", "strength", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("rerank.mmr.strength=0:0.3:0.1", "mmr", "strength", (0.0, 0.1, 0.2, 0.3)),
        ("mmr=0,0.5", "mmr", "strength", (0, 0.5)),
        ("explore=0.1", "explore", "share", (0.1,)),
        ("dpp.by=text,graph", "dpp", "by", ("text", "graph")),
    ],
)
def test_sweeps_are_read(registry, text, step, option, values):
    assert parse_sweep(text, registry) == Sweep(step, option, values)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("mmr.strenght=0,1", NotFoundError, "strength"),
        ("mrr=0,1", NotFoundError, "mmr"),
        ("mmr.lambda=0,1", NotFoundError, "strength"),
        ("mmr", UsageError, "--sweep mmr.strength"),
        ("mmr=", UsageError, "--sweep mmr.strength"),
        ("mmr=0:1", UsageError, "FIRST:LAST:STEP"),
        ("mmr=1:0:0.1", UsageError, "holds nothing"),
        ("mmr=0:1:0", UsageError, "holds nothing"),
        ("mmr=0:1:nan", UsageError, "holds nothing"),
        ("mmr=0:1:1e-9", UsageError, "more than"),
    ],
)
def test_mistakes_name_what_would_be_right(registry, text, error, told):
    with pytest.raises(error) as caught:
        parse_sweep(text, registry)
    assert told in f"{caught.value.message} {caught.value.hint}"


@given(low=st.integers(0, 50), count=st.integers(1, 50), step=st.integers(1, 20))
def test_ranges_hold_both_ends(low, count, step):
    text = f"mmr={low / 100}:{(low + (count - 1) * step) / 100}:{step / 100}"
    found = parse_sweep(text, load_plugins().registry("re-ranker")).values
    assert found == tuple(round((low + k * step) / 100, 10) for k in range(count))


def test_the_swept_option_replaces_that_of_the_named_step_and_the_others_stay(registry):
    sweep = Sweep("mmr", "strength", (0.1, 0.9))
    rows = variants(sweep, ["mmr:0.5,by=category", "popularity:0.2"], registry, {"popularity": {"strength": 0.7}})
    assert [[name for name, _ in row] for row in rows] == [["mmr", "popularity"]] * 2
    assert [(row[0][1].options.strength, row[0][1].options.by, row[1][1].options.strength) for row in rows] == [
        (0.1, "category", 0.2),
        (0.9, "category", 0.2),
    ]
    assert [name for name, _ in variants(sweep, ["popularity"], registry, {})[0]] == ["popularity", "mmr"]
    assert [name for name, _ in variants(sweep, ["none"], registry, {})[0]] == ["mmr"]


@given(users=st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=19))
def test_with_a_group_a_user_the_jackknife_is_the_plain_one(users):
    top = np.array(users)

    def figure(kept):
        return coverage(top[kept], 10)

    without = np.array([figure(np.delete(np.arange(len(top)), k)) for k in range(len(top))])
    plain = np.sqrt((len(top) - 1) * without.var())
    assert jackknife(figure, len(top), np.random.default_rng(0)) == pytest.approx(plain)


def test_users_of_several_seeds_count_once():
    found = over_seeds([np.array([0, 2]), np.array([2, 3])], [np.array([1.0, 2.0]), np.array([4.0, np.nan])])
    np.testing.assert_equal(found, [1.0, np.nan, 3.0, np.nan])


def test_strength_zero_gives_the_lists_as_ranked_and_the_record_has_its_shape(tmp_path):
    project = kgrec.open(toy_workspace(tmp_path / "toy"), overrides=SETTINGS)
    project.build_graph()
    sweeps = tuple(parse_sweep(text, load_plugins().registry("re-ranker")) for text in ("mmr=0,1", "popularity=0.5"))
    plan = EvaluationPlan(only=("popularity", "item-knn"), ks=(3,), sweeps=sweeps, seeds=(1, 2))
    document = json.loads(json.dumps(project.evaluate(plan).record.to_dict()))
    first, second = document["sweeps"]
    assert (first["step"], first["option"], [p["value"] for p in first["points"]]) == ("mmr", "strength", [0, 1])
    assert (second["step"], len(second["points"])) == ("popularity", 1)
    full = document["systems"][0]
    unchanged, changed = (point["metrics"] for point in first["points"])
    for name, interval in full["metrics"].items():
        if name != "auc":
            assert unchanged[name][0] == pytest.approx(interval["mean"], nan_ok=True), name
    for name, value in full["overall"].items():
        mean, low, high = unchanged[name]
        assert low <= mean <= high
        assert mean == pytest.approx(value)
    assert changed["diversity@3"][0] > unchanged["diversity@3"][0]
