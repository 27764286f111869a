"""The scorer of what was taken and left: the contract, the regression against a dense solution, what it promises."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.models.content import ContentKernel, plain
from kgrec.models.feedback import ImpressionFeedback, Prior, solve
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.testing.toys import text_toy
from kgrec.types import Profile


def with_rejections(data):
    """Users leave a third of what they do not like."""
    n_users, n_items = data.matrix.shape
    grid = np.add.outer(7 * np.arange(n_users), np.arange(n_items)) % 3 == 0
    grid &= (data.matrix.toarray() == 0) & (np.add.outer(np.arange(n_users), np.arange(n_items)) % 2 == 1)
    grid[-1], grid[:, -2:] = False, False
    terms = csr_array(np.eye(n_items, dtype=np.float32)[:, ::2])
    return replace(data, rejected=csr_array(grid.astype(np.float32)), item_terms=terms)


class TestImpressionFeedback(ScorerContract):
    def training_data(self):
        return with_rejections(toy_training_data())

    def make(self):
        return ImpressionFeedback()


def random_problem(seed, n_pairs=40):
    rng = np.random.default_rng(seed)
    features = np.where(rng.random((12, 6)) < 0.4, rng.random((12, 6)), 0).astype(np.float32)
    content = ContentKernel(rng.normal(size=(12, 4)).astype(np.float32), csr_array(features))
    users = np.sort(rng.integers(5, size=n_pairs)) * 3  # numbers need not be dense
    return content, users, rng.integers(12, size=n_pairs), rng.normal(size=n_pairs).astype(np.float32)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), personal=st.floats(0, 5), noise=st.floats(0.1, 5), shared=st.sampled_from([0, 1])
)
def test_duals_are_those_of_the_dense_system(seed, personal, noise, shared):
    content, users, items, outcomes = random_problem(seed)
    kernel = content.between(items, items).astype(np.float64)
    same = np.equal.outer(users, users)
    system = shared * kernel + same * (personal * kernel + 1) + noise * np.eye(len(users))
    found = solve(content, users, items, outcomes, Prior(personal, noise, shared=shared))
    np.testing.assert_allclose(system @ found, outcomes, atol=2e-3)


def test_rejections_tell_tastes_apart_where_likes_alone_cannot():
    """Everybody likes one item of each taste; only what was left says which taste is the user's."""
    rng = np.random.default_rng(0)
    n_users, n_items = 30, 60
    text = rng.normal(scale=0.02, size=(n_items, 8)).astype(np.float32)
    text[np.arange(n_items), np.arange(n_items) % 2] += 1
    likes, left = np.zeros((2, n_users, n_items), dtype=np.float32)
    likes[:, :2] = 1
    for shift in range(2, 12, 2):
        left[np.arange(n_users), shift + (1 + np.arange(n_users)) % 2] = 1  # the other taste
    data = replace(text_toy().data, matrix=csr_array(likes), rejected=csr_array(left), item_text=text, triples=None)
    scores = ImpressionFeedback().fit(data, seed=0).score(np.arange(n_users))
    own = np.equal.outer(np.arange(n_users) % 2, np.arange(20, n_items) % 2)
    unseen = scores[:, 20:]
    assert (np.where(own, unseen, np.inf).min(axis=1) > np.where(own, -np.inf, unseen).max(axis=1)).all()


def test_items_that_nobody_saw_appeal_as_their_like_do_also_to_strangers():
    rng = np.random.default_rng(1)
    n_users, n_items = 40, 40
    text = rng.normal(scale=0.2, size=(n_items, 6)).astype(np.float32)
    good = np.arange(n_items) % 2 == 0
    text[good, 0] += 1
    shown = rng.random((n_users, n_items)) < 0.3
    shown[:, -10:], shown[-1] = False, False
    likes, left = (shown & good).astype(np.float32), (shown & ~good).astype(np.float32)
    data = replace(text_toy().data, matrix=csr_array(likes), rejected=csr_array(left), item_text=text, triples=None)
    scorer = ImpressionFeedback().fit(data, seed=0)
    for scores in (scorer.score(np.array([n_users - 1]))[0], scorer.score_new(Profile())):
        assert scores[-10:][good[-10:]].min() > scores[-10:][~good[-10:]].max()


def test_new_user_with_the_likes_of_an_old_one_gets_nearly_the_same_scores():
    data = with_rejections(toy_training_data())
    rejected = data.rejected.toarray()
    rejected[3] = 0
    data = replace(data, rejected=csr_array(rejected))
    scorer = ImpressionFeedback().fit(data, seed=0)
    row = data.matrix[[3]]
    found = scorer.score_new(Profile(row.indices.astype(np.int64), row.data))
    np.testing.assert_allclose(found, scorer.score(np.array([3]))[0], atol=2e-3)


def test_needs_rejections_and_content():
    data = toy_training_data()
    assert "shown" in ImpressionFeedback.unusable(data)
    assert "shown" in ImpressionFeedback.unusable(
        replace(data, rejected=csr_array(data.matrix.shape, dtype=np.float32))
    )
    known = with_rejections(data)
    assert ImpressionFeedback.unusable(known) == ""
    assert "neither" in ImpressionFeedback.unusable(replace(known, item_text=None, triples=None))


def test_pairs_are_drawn_where_there_are_too_many():
    data = with_rejections(toy_training_data())
    few, all_of_them = (ImpressionFeedback(max_pairs=n).fit(data, seed=0).score(np.arange(3)) for n in (20, 10_000))
    assert np.isfinite(few[:, 0]).all()
    assert np.nanmax(np.abs(few - all_of_them)) > 1e-3


def test_plain_kernel_weighs_its_parts_alike():
    data = with_rejections(toy_training_data())
    kernel = plain(data)
    everything = np.arange(data.n_items)
    written = kernel.between(everything, everything)
    assert abs(np.diag(written)[kernel.described].mean() - 1) < 0.05
    rows = csr_array(np.random.default_rng(0).normal(size=(3, data.n_items)).astype(np.float32))
    np.testing.assert_allclose(kernel.smooth(rows), rows @ written, atol=1e-5)
