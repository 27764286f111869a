"""Biased matrix factorisation of ratings, averaged over the posterior instead of tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import options, sparse
from kgrec.models.ratings.posterior import Side, draw_rows
from kgrec.models.ratings.table import Ratings, check_positions
from kgrec.types import ItemIndices, UserIndices

MOST_KEPT = 1 << 27
"""Numbers of all kept draws together: 512 MiB."""


class Factors:
    """Bayesian biased matrix factorisation that also looks at what somebody rated, not only how.

    ``r_ui = mu + b_u + b_i + p_u . q_i + noise`` (Koren, Bell and Volinsky, Matrix factorization techniques for
    recommender systems, Computer 42(8), 2009). Bias and factors of a user are one vector with the prior
    ``N(m + B' x_u, L^-1)``, the same for items; ``m``, ``L``, the noise and the strength of ``B`` have vague priors
    of their own and are drawn along (Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using Markov
    chain Monte Carlo, ICML 2008). ``x`` stands for which items a user rated and which users rated an item: its part
    in the leading singular vectors of the pattern of ratings, each entry over the square roots of both lengths. So
    that somebody rated something tells of his taste, as in SVD++ (Koren, KDD 2008), but through a regression that is
    drawn exactly (Simm et al., Macau: scalable Bayesian factorization with high-dimensional side information, MLSP
    2017).

    Each round draws all users, then all items, from their exact conditional distributions: a small linear system each,
    solved in batches. The prediction is the mean over the rounds after the first ``burn_in``. Regularisation is
    part of what is drawn, so there is nothing to tune, and more factors do not overfit.

    Args:
        factors: length of a factor.
        rounds: draws that are averaged.
        burn_in: draws before that, which are thrown away.
        features: singular vectors of the pattern; 0 leaves out what was rated.
    """

    def __init__(self, *, factors: int = 16, rounds: int = 90, burn_in: int = 10, features: int = 50) -> None:
        self.factors = options.integer("factors", factors, low=1)
        self.rounds = options.integer("rounds", rounds, low=1)
        self.burn_in = options.integer("burn_in", burn_in, low=0)
        self.features = options.integer("features", features, low=0)

    def fit(self, ratings: Ratings, *, seed: int) -> Self:
        """Draw from the posterior; the scale of the ratings makes no difference."""
        rng = np.random.default_rng([seed, 23])
        spread = float(ratings.values.std(dtype=np.float64)) if len(ratings) else 0.0
        self._affine = np.array([ratings.mean, spread or 1.0, ratings.low, ratings.high])
        users, user_of = np.unique(ratings.users, return_inverse=True)
        items, item_of = np.unique(ratings.items, return_inverse=True)
        # Those without ratings would only blur what is learned of all: they get the mean of the rest.
        inner = Ratings(user_of, item_of, ratings.values, len(users), len(items), ratings.low, ratings.high)
        kept = max(1, min(self.rounds, MOST_KEPT // ((len(users) + len(items) + 2) * (self.factors + 2))))
        draws = self._draw(inner, np.linspace(self.burn_in, self.burn_in + self.rounds - 1, kept).astype(int), rng)
        self._users = _spread(users, draws[0], ratings.n_users)
        self._items = _spread(items, draws[1], ratings.n_items)
        return self

    def _draw(
        self, ratings: Ratings, kept: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the draws of the rounds ``kept`` and, in the last row, the mean of all users or items.

        Returns:
            of users and items, shape ``(s, n + 1, factors + 1)``; the bias stands last.
        """
        by_user = ratings.matrix((ratings.values - self._affine[0]) / self._affine[1])
        by_item = sparse.csr(by_user.T)
        k = self.factors + 1
        features = _pattern_features(by_user, self.features, rng)
        users, items = Side.start(features[0], k, rng), Side.start(features[1], k, rng)
        precision = 1.0  # of the noise; the values have unit variance
        shape = (len(kept), ratings.n_users + 1, k), (len(kept), ratings.n_items + 1, k)
        of_users, of_items = np.zeros(shape[0], dtype=np.float32), np.zeros(shape[1], dtype=np.float32)
        done = 0
        for turn in range(int(kept[-1]) + 1 if len(ratings) else 0):
            users.draw_prior(rng)
            draw_rows(users, by_user, items.rows, precision, rng)
            items.draw_prior(rng)
            error = draw_rows(items, by_item, users.rows, precision, rng)
            precision = rng.gamma((len(ratings) + 1) / 2) / ((1 + error) / 2)
            if turn == kept[done]:
                of_users[done], of_items[done] = users.with_mean(), items.with_mean()
                done += 1
        return of_users, of_items

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict each pair -> float32 ``(p,)``, within the scale."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        check_positions(users, items, self._users.shape[1], self._items.shape[1])
        total = np.zeros(len(users))
        for of_user, of_item in zip(self._users, self._items, strict=True):
            p, q = of_user[users], of_item[items]
            total += np.einsum("pk,pk->p", p[:, :-1], q[:, :-1]) + p[:, -1] + q[:, -1]
        mean, spread, low, high = self._affine
        found: NDArray[np.float32] = np.clip(mean + spread * total / len(self._users), low, high).astype(np.float32)
        return found

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the draws."""
        return {"users": self._users, "items": self._items, "affine": self._affine}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose state this is."""
        self._users, self._items, self._affine = state["users"], state["items"], state["affine"]
        return self


def _spread(known: NDArray[np.int64], draws: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Give those without ratings the mean of each draw (its last row) -> ``(s, n, k)``."""
    source = np.full(n, draws.shape[1] - 1)
    source[known] = np.arange(len(known))
    return draws[:, source]


def _pattern_features(
    ratings: csr_array, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the leading singular vectors of who rated what, times the singular values, of users and of items.

    Args:
        ratings: CSR ``(n_users, n_items)``.
        n: how many.
        rng: draws where the solver starts.
    """
    from scipy.sparse.linalg import svds

    n = min(n, min(ratings.shape) - 2)
    if n < 1:
        return np.zeros((ratings.shape[0], 0)), np.zeros((ratings.shape[1], 0))
    of_users, of_items = np.diff(ratings.indptr), np.bincount(ratings.indices, minlength=ratings.shape[1])
    weights = 1 / np.sqrt(np.repeat(of_users, of_users) * of_items[ratings.indices].astype(np.float64))
    pattern = csr_array((weights, ratings.indices, ratings.indptr), shape=ratings.shape)
    left, values, right = svds(pattern, k=n, v0=rng.standard_normal(min(ratings.shape)))
    return left * values * SCALE, right.T * values * SCALE


SCALE = 10.0
"""Of the features: with the vague prior of their strength it makes no difference, so long as it is far from 0."""
