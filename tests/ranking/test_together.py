"""The fusion beside its best member: measured alike, and never served where it is no better."""

from dataclasses import replace

import numpy as np
import pytest

from kgrec.cli.train import together_words
from kgrec.config import Config
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.fusion_weights import Candidates, learn_fusion, proven
from kgrec.ranking.together import compare_together
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset

K = 10


def drawn(skills, n_users, seed=0, shared=0.0):
    """Scores of 40 candidates, one of them liked, by scorers of such skills whose luck is shared in part."""
    rng = np.random.default_rng(seed)
    relevant = np.zeros((n_users, 40), dtype=np.bool_)
    relevant[np.arange(n_users), rng.integers(40, size=n_users)] = True
    common = rng.normal(size=relevant.shape)
    scores = [skill * relevant + shared * common + (1 - shared) * rng.normal(size=relevant.shape) for skill in skills]
    return Candidates(np.array(scores, dtype=np.float32), relevant, relevant.sum(axis=1).astype(np.int64))


def compared(found, seed=0):
    names = [f"s{n}" for n in range(len(found.scores))]
    counts = np.full(len(found.relevant), 5)
    return compare_together(names, found, counts, k=K, max_members=6, rng=np.random.default_rng(seed))


def test_scorers_that_err_differently_are_served_together():
    found = compared(drawn([1.5, 1.5, 1.0], 400))
    assert found.gain > 2 * found.gain_error
    assert not found.alone
    assert not found.vague
    assert "over the scorer that the same users pick" in together_words(found)


def test_a_scorer_that_others_only_blur_is_served_alone():
    found = [compared(drawn([3.0, 0.0, 0.0, 0.0], 3_000, seed)) for seed in range(3)]
    assert all(abs(one.gain) < 0.01 for one in found)
    lost = replace(found[0], gain=-0.02)
    assert lost.alone
    assert "s0 is served alone" in together_words(lost)


def test_a_small_loss_among_few_users_is_taken_for_luck_and_a_large_one_is_not():
    few = compared(drawn([1.5, 1.5, 1.0], 50))
    assert not replace(few, gain=-0.005).alone
    assert replace(few, gain=-0.1).alone
    assert replace(few, gain=-0.005, users=5_000, gain_error=few.gain_error / 10).alone
    assert not replace(few, gain=-0.005, users=5_000, gain_error=0.006).alone


def test_few_users_tell_nothing():
    found = compared(drawn([1.0, 1.0], 6))
    assert found.vague
    assert "too little data to tell: 6 users" in together_words(found)
    lonely = compared(drawn([1.0, 1.0], 1))
    assert lonely.vague
    assert lonely.gain == 0


@pytest.mark.parametrize("n_users", [5, 15])
def test_weights_of_few_users_are_steadier_than_what_these_users_alone_say(n_users):
    """On new users they are worth at least as much in the mean, and vary less."""
    skills, many = [1.5, 1.3, 1.1, 0.2], drawn([1.5, 1.3, 1.1, 0.2], 2_000, seed=99)
    names = [f"s{n}" for n in range(len(skills))]
    drawn_to = []
    for seed in range(15):
        few = drawn(skills, n_users, seed)
        options = {"k": K, "max_members": 4, "rng": np.random.default_rng(seed)}
        weights, _ = learn_fusion(names, few, np.full(n_users, 5), **options)
        row = np.array([weights.get(name, 0.0) for name in names], dtype=np.float32)
        best = int(np.argmax([few.figures(unit, K).mean() for unit in np.eye(4, dtype=np.float32)]))
        drawn_to.append((many.figures(row, K).mean(), many.figures(np.eye(4, dtype=np.float32)[best], K).mean()))
    fused, single = np.mean(drawn_to, axis=0)
    assert fused > single + 0.02


def test_weights_by_figures_alone_leave_out_no_one_and_favour_the_best():
    weights = proven(drawn([2.0, 1.0, 0.0], 300), K)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2] > 0


def test_training_says_which_is_served_and_the_ranker_serves_it():
    config = Config()
    inputs = prepare(
        toy_dataset(), config, Domain(name="generic", summary=""), triples=None, item_text=None, user_text=None,
        device="cpu",
    )  # fmt: skip
    registry = load_plugins([]).registry("scorer")
    ranker, report = train(inputs, registry, Fitter(config), only=["item-knn", "ease"])
    assert report.together is not None
    if report.together.alone:
        assert ranker.weights == {report.together.best: 1.0}
    assert report.together.users == len(inputs.held_out.users)
