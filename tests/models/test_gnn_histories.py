"""The part of a history that a training step shows, and the part that it asks for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from kgrec.models.gnn.training import SplitHistories

N_USERS, N_ITEMS = 6, 9
LIKES = arrays(np.float32, (N_USERS, N_ITEMS), elements=st.sampled_from([0.0, 0.0, 1.0, 2.5]))


def split(likes, users, share, warm=None, seed=0):
    histories = SplitHistories(csr_array(likes), torch.device("cpu"))
    mask = None if warm is None else torch.from_numpy(warm)
    generator = torch.Generator().manual_seed(seed)
    return histories.split(torch.from_numpy(users), share, mask, generator)


def dense(selection):
    return selection.summed(torch.eye(N_ITEMS)).numpy()


@given(LIKES, st.integers(0, 99), st.sampled_from([0.2, 0.5, 0.8]))
def test_every_like_is_either_shown_or_asked_for(likes, seed, share):
    users = np.array([4, 1, 0])
    shown, asked = split(likes, users, share, seed=seed)
    np.testing.assert_array_equal((dense(shown) > 0) + (dense(asked) > 0), likes[users] > 0)
    np.testing.assert_array_equal(dense(shown)[dense(shown) > 0], likes[users][dense(shown) > 0])
    np.testing.assert_array_equal(asked.counts.numpy(), (dense(asked) > 0).sum(1))


@given(LIKES, st.integers(0, 99))
def test_what_is_treated_as_new_is_asked_for_and_never_shown(likes, seed):
    users, warm = np.arange(N_USERS), np.arange(N_ITEMS) % 3 > 0
    shown, asked = split(likes, users, 0.5, warm, seed)
    assert not dense(shown)[:, ~warm].any()
    np.testing.assert_array_equal(dense(asked)[:, ~warm] > 0, likes[:, ~warm] > 0)


def test_nothing_hidden_shows_and_asks_for_all():
    likes = np.eye(N_USERS, N_ITEMS, dtype=np.float32)
    for selection in split(likes, np.arange(N_USERS), 0.0):
        np.testing.assert_array_equal(dense(selection), likes)


def test_about_the_given_share_is_hidden():
    likes = np.ones((N_USERS, N_ITEMS), dtype=np.float32)
    hidden = [float(split(likes, np.arange(N_USERS), 0.3, seed=seed)[1].counts.sum()) for seed in range(40)]
    assert np.mean(hidden) / likes.size == pytest.approx(0.3, abs=0.03)


@given(LIKES, st.integers(0, 99))
def test_a_mixture_is_the_normalised_sum(likes, seed):
    users = np.arange(N_USERS)
    shown, _ = split(likes, users, 0.4, seed=seed)
    vectors = np.random.default_rng(seed).standard_normal((N_ITEMS, 3)).astype(np.float32)
    kept, degree = dense(shown), likes.sum(0)
    root = np.sqrt(np.where(kept.sum(1) > 0, kept.sum(1), 1))[:, None]
    expected = (kept / np.sqrt(np.where(degree > 0, degree, 1))) @ vectors / root
    np.testing.assert_allclose(shown.mixed(torch.from_numpy(vectors)).numpy(), expected, rtol=1e-4, atol=1e-5)


@given(LIKES, st.integers(0, 99), st.permutations(range(N_ITEMS)), st.integers(1, N_ITEMS))
def test_candidates_that_are_shown_are_found(likes, seed, order, n_candidates):
    candidates = np.array(order[:n_candidates])
    shown, _ = split(likes, np.array([2, 5]), 0.5, seed=seed)
    found = shown.among(torch.from_numpy(candidates)).numpy()
    np.testing.assert_array_equal(found, (dense(shown) > 0)[:, candidates])
