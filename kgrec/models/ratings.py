"""Predict ratings: what somebody would give an item, on the data's own scale, and how far off that may be.

Scorers rank; predictors are measured by RMSE and MAE. Low ratings teach them as much as high ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from kgrec.errors import DataError
from kgrec.models import sparse
from kgrec.types import ItemIndices, Mask, UserIndices

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

ROUNDS = 12
"""Rounds of solving the biases of items and users; what changes later is far below a thousandth of a star."""
MOST_SIMILAR = 512
"""Similarities kept of each user or item; the nearest who rated the other side are sought among them."""
MOST_KEPT = 1 << 27
"""Numbers of all kept draws of the factors together: 512 MiB."""
FEATURE_SCALE = 10.0
"""Of the factors' features: with the vague prior of their strength any scale will do that is far from 0."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Who rated what how; each pair of user and item at most once.

    Attributes:
        users: positions, shape ``(r,)``.
        items: positions, shape ``(r,)``.
        values: ratings, shape ``(r,)``.
        n_users: users that exist, with or without ratings.
        n_items: items that exist.
        low, high: ends of the scale; predictions never leave it.
    """

    users: UserIndices
    items: ItemIndices
    values: NDArray[np.float32]
    n_users: int
    n_items: int
    low: float
    high: float

    @classmethod
    def of(
        cls, users: NDArray[Any], items: NDArray[Any], values: NDArray[Any], *, n_users: int, n_items: int
    ) -> Ratings:
        """Check ratings in the order in which they were given, each array of shape ``(r,)``; of a pair the last counts.

        Raises:
            DataError: there are fewer than two distinct values, or one that is not finite.
        """
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        values = np.asarray(values, dtype=np.float32)
        if not np.isfinite(values).all():
            raise DataError("a rating is not a finite number")
        if not len(values) or values.min() == values.max():
            raise DataError(
                "the data has no ratings to learn from: fewer than two distinct values",
                hint='a file of ratings needs the columns user, item and value, and action = "rate", in kgrec.toml',
            )
        backwards = np.unique((users * n_items + items)[::-1], return_index=True)[1]
        last = np.sort(len(users) - 1 - backwards)
        ends = float(values.min()), float(values.max())
        return cls(users[last], items[last], values[last], n_users, n_items, *ends)

    def __len__(self) -> int:
        return len(self.values)

    def where(self, mask: Mask) -> Ratings:
        """Return the ratings under ``mask``, shape ``(r,)``; users, items and the scale stay."""
        return replace(self, users=self.users[mask], items=self.items[mask], values=self.values[mask])

    def matrix(self, values: NDArray[np.floating[Any]]) -> csr_array:
        """Return ``values``, one a rating, as float32 CSR ``(n_users, n_items)``; zeros among them stay stored."""
        # Each pair is there once, so the conversion sums nothing up.
        return sparse.csr(csr_array((values, (self.users, self.items)), shape=(self.n_users, self.n_items)))


def folds(n: int, k: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each of ``n`` ratings, shape ``(n,)``: at random, in ``k`` equal shares up to one."""
    return np.random.default_rng([seed, 17]).permutation(n) % k


class RatingPredictor(ABC):
    """Predicts the rating that a user would give an item."""

    _state: Arrays

    def fit(self, ratings: Ratings, *, seed: int = 0) -> Self:
        """Learn; the same ratings and seed give the same predictions, global random state is untouched."""
        size = np.array([ratings.n_users, ratings.n_items, ratings.low, ratings.high], dtype=np.float64)
        self._state = {**self._learn(ratings, seed), "size": size}
        return self

    @abstractmethod
    def _learn(self, ratings: Ratings, seed: int) -> Arrays:
        """Return what :meth:`raw` needs."""

    @abstractmethod
    def raw(self, users: UserIndices, items: ItemIndices) -> Floats:
        """Predict each pair before it is cut off at the ends of the scale, shape ``(p,)``."""

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict the rating of each pair, both of shape ``(p,)`` -> float32 ``(p,)``, within the scale, never NaN.

        Somebody who rated nothing, and an item without ratings, get what is right on average.
        """
        n_users, n_items, low, high = self._state["size"]
        for name, positions, n in (("users", users, int(n_users)), ("items", items, int(n_items))):
            if len(positions) and (positions.min() < 0 or positions.max() >= n):
                raise ValueError(f"{name} go from {positions.min()} to {positions.max()}, but there are {n}")
        return np.asarray(np.clip(self.raw(users, items), low, high), dtype=np.float32)

    def state(self) -> Arrays:
        """Return all that ``predict`` needs, as arrays."""
        return self._state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose ``state`` this is; it must have been built with the same options."""
        self._state = dict(state)
        return self


class Biases(RatingPredictor):
    """Global mean plus damped deviations of user and item: ``b_ui = mu + b_u + b_i``.

    ``b_i = sum over raters (r_ui - mu - b_u) / (n_i + damping_i)`` and the same for users, in turns until they stand
    still (Koren, Factor in the neighbors: scalable and accurate collaborative filtering, ACM TKDD 4(1), 2010, section
    2.1). The damping is not set by hand: seen as a model of random effects it is the variance of the noise over that
    of the biases, which the rounds estimate along (EM; Searle, Casella and McCulloch, Variance Components, 1992).
    """

    def _learn(self, ratings: Ratings, seed: int) -> Arrays:  # noqa: ARG002
        mean = float(ratings.values.mean(dtype=np.float64))
        values = ratings.values.astype(np.float64) - mean
        users, items = np.zeros(ratings.n_users), np.zeros(ratings.n_items)
        noise = float(values.var())
        of_users = of_items = max(noise, 1e-12) / 4
        for _ in range(ROUNDS):
            left = values - users[ratings.users]
            items, of_items = _effects(left, ratings.items, ratings.n_items, noise, of_items)
            left = values - items[ratings.items]
            users, of_users = _effects(left, ratings.users, ratings.n_users, noise, of_users)
            noise = max(float(np.square(left - users[ratings.users]).mean()), 1e-12)
        return {"user_biases": users, "item_biases": items, "mean": np.array([mean])}

    def raw(self, users: UserIndices, items: ItemIndices) -> Floats:
        """Return ``b_ui`` of each pair, shape ``(p,)``."""
        state = self._state
        return np.asarray(state["mean"][0] + state["user_biases"][users] + state["item_biases"][items])


def _effects(left: Floats, of: NDArray[np.int64], n: int, noise: float, variance: float) -> tuple[Floats, float]:
    """Return the effects of ``n`` groups, ``of`` telling whose each entry is, and a new estimate of their variance."""
    sizes = np.bincount(of, minlength=n)
    damped = np.maximum(sizes + noise / variance, 1e-12)  # a single rating leaves no noise at all
    effects = np.bincount(of, left, minlength=n) / damped
    rated = sizes > 0
    return effects, max(float((effects[rated] ** 2 + noise / damped[rated]).mean()), 1e-12)


@dataclass
class Neighbours(Biases):
    """Baseline plus the weighted deviations of the nearest neighbours, of users or of items.

    By items: ``r_ui = b_ui + sum_j s_ij (r_uj - b_uj) / (damping + sum_j s_ij)`` over the ``neighbours`` items ``j``
    rated by ``u`` that are most similar to ``i``, positive similarities only; by users with the roles exchanged
    (Koren 2010, equation 3). The similarity of the deviations ``e = r - b`` is the adjusted cosine (Sarwar et al., WWW
    2001), shrunk: ``e_i . e_j / (|e_i| |e_j| + shrinkage)``. Pairs who share little are not similar, however much they
    agree there.

    Attributes:
        by: whose neighbours.
        neighbours: the most that speak.
        shrinkage: in squares of the typical deviation; what rests on few common ratings is trusted less.
        damping: pulls towards the baseline where the neighbours are few and far.
    """

    by: Literal["items", "users"] = "items"
    neighbours: int = 40
    shrinkage: float = 5.0
    damping: float = 0.3

    def _learn(self, ratings: Ratings, seed: int) -> Arrays:
        self._state = super()._learn(ratings, seed)
        left = ratings.values - super().raw(ratings.users, ratings.items)
        deviations = ratings.matrix(left)  # (n_users, n_items)
        # Rows: those who may be neighbours; columns: what they rated, or who rated them.
        rows = deviations if self.by == "users" else sparse.csr(deviations.T)
        unit = rows / np.float32(max(np.sqrt(np.mean(np.square(left))), 1e-12))
        norms = np.sqrt(np.asarray(unit.multiply(unit).sum(axis=1), dtype=np.float64)).astype(np.float32)
        rng, blocks = np.random.default_rng([seed, 19]), []
        for block, product in sparse.gram_blocks(sparse.csr(unit.T)):
            product.sort_indices()
            here, there = np.repeat(np.arange(block.start, block.stop), np.diff(product.indptr)), product.indices
            product.data /= np.maximum(norms[here] * norms[there] + np.float32(self.shrinkage), np.float32(1e-12))
            product.data[(here == there) | (product.data < 0)] = 0  # nobody is their own neighbour
            product.eliminate_zeros()
            blocks.append(sparse.top_k(product, MOST_SIMILAR, rng))
        similar = sparse.csr(vstack(blocks, format="csr"))
        return {**self._state, **sparse.to_state("rows", rows), **sparse.to_state("similar", similar)}

    def raw(self, users: UserIndices, items: ItemIndices) -> Floats:
        """Return the baseline and what the neighbours say beyond it, shape ``(p,)``."""
        similar = sparse.from_state("similar", self._state)
        targets, others = (users, items) if self.by == "users" else (items, users)
        raters = sparse.csr(sparse.from_state("rows", self._state).T)  # row o: who rated o, how far from the baseline
        pattern = csr_array((np.ones_like(raters.data), raters.indices, raters.indptr), shape=raters.shape)
        costs = np.diff(raters.indptr)[others] + np.diff(similar.indptr)[targets] + 1
        found, rng = super().raw(users, items), np.random.default_rng(0)  # only among equals: they weigh the same
        for pairs in sparse.row_blocks(costs):
            here = others[pairs]
            rated = sparse.csr(similar[targets[pairs]].multiply(pattern[here]))
            weights = sparse.top_k(rated, self.neighbours, rng)
            said = np.asarray(weights.multiply(raters[here]).sum(axis=1), dtype=np.float64)
            found[pairs] += said / np.maximum(np.asarray(weights.sum(axis=1)) + self.damping, 1e-12)
        return found


@dataclass
class Factors(RatingPredictor):
    """Bayesian biased matrix factorisation that also looks at what somebody rated, not only how.

    ``r_ui = mu + b_u + b_i + p_u . q_i + noise`` (Koren, Bell and Volinsky, Matrix factorization techniques for
    recommender systems, Computer 42(8), 2009). Bias and factors of a user are one vector with the prior
    ``N(m + B' x_u, L^-1)``, the same for items; ``m``, ``L``, the noise and the strength of ``B`` have vague priors
    of their own and are drawn along (Salakhutdinov and Mnih, Bayesian probabilistic matrix factorization using Markov
    chain Monte Carlo, ICML 2008). ``x`` stands for which items a user rated and which users rated an item: its part
    in the leading singular vectors of the pattern of ratings, each entry over the square roots of both lengths. So
    that somebody rated something tells of their taste, as in SVD++ (Koren, KDD 2008), but through a regression that is
    drawn exactly (Simm et al., Macau: scalable Bayesian factorization with high-dimensional side information, MLSP
    2017).

    Each round draws all users, then all items, from their exact conditional distributions. The prediction is the mean
    over the rounds after the first ``burn_in``, its variance theirs plus the noise's. Regularisation is part of what is
    drawn, so there is nothing to tune, and more factors do not overfit.

    Attributes:
        factors: length of a factor.
        rounds: draws that are averaged.
        burn_in: draws before that, which are thrown away.
        features: singular vectors of the pattern; 0 leaves out what was rated.
    """

    factors: int = 16
    rounds: int = 90
    burn_in: int = 10
    features: int = 50

    def _learn(self, ratings: Ratings, seed: int) -> Arrays:
        rng = np.random.default_rng([seed, 23])
        values = ratings.values.astype(np.float64)
        mean, spread = values.mean(), values.std() or 1.0
        known, numbers = zip(*(np.unique(p, return_inverse=True) for p in (ratings.users, ratings.items)), strict=True)
        # Those without ratings would only blur what is learned of all: they get the mean of the rest.
        n_users, n_items = (len(those) for those in known)
        inner = replace(ratings, users=numbers[0], items=numbers[1], n_users=n_users, n_items=n_items)
        by_user = inner.matrix((values - mean) / spread)
        by_item = sparse.csr(by_user.T)
        users, items = (Side.start(x, self.factors + 1, rng) for x in _pattern_features(by_user, self.features, rng))
        n_kept = max(1, min(self.rounds, MOST_KEPT // ((n_users + n_items + 2) * (self.factors + 2))))
        kept = np.linspace(self.burn_in, self.burn_in + self.rounds - 1, n_kept).astype(int)
        precision = 1.0  # of the noise; the values have unit variance
        draws: tuple[list[Floats], list[Floats], list[float]] = ([], [], [])
        for turn in range(self.burn_in + self.rounds):
            users.draw_prior(rng)
            users.draw_rows(by_user, items.rows, precision, rng)
            items.draw_prior(rng)
            error = items.draw_rows(by_item, users.rows, precision, rng)
            precision = rng.gamma((len(values) + 1) / 2) / ((1 + error) / 2)
            if turn in kept:
                # Below the vectors stands what is expected of somebody unknown.
                for draw, side in zip(draws[:2], (users, items), strict=True):
                    draw.append(np.concatenate([side.rows, side.mean[None]]).astype(np.float32))
                draws[2].append(1 / precision)
        places = [_places(those, n) for those, n in zip(known, (ratings.n_users, ratings.n_items), strict=True)]
        return {
            "users": np.stack(draws[0])[:, places[0]],  # (s, n_users, factors + 1), the bias last
            "items": np.stack(draws[1])[:, places[1]],
            "affine": np.array([mean, spread, np.mean(draws[2])]),
        }

    def moments(self, users: UserIndices, items: ItemIndices) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the rating of each pair, shape ``(p,)``."""
        total, squares = np.zeros(len(users)), np.zeros(len(users))
        for of_user, of_item in zip(self._state["users"], self._state["items"], strict=True):
            p, q = of_user[users], of_item[items]
            drawn = np.einsum("pk,pk->p", p[:, :-1], q[:, :-1]) + p[:, -1] + q[:, -1]
            total += drawn
            squares += drawn.astype(np.float64) ** 2
        mean, spread, noise = self._state["affine"]
        n = len(self._state["users"])
        variance = np.maximum(squares / n - (total / n) ** 2, 0) + noise
        return mean + spread * total / n, spread * np.sqrt(variance)

    def raw(self, users: UserIndices, items: ItemIndices) -> Floats:
        """Return the mean over the draws, shape ``(p,)``."""
        return self.moments(users, items)[0]


def _places(known: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return where each of ``n`` users or items stands among the ``known`` ones; all others share the place after."""
    places = np.full(n, len(known))
    places[known] = np.arange(len(known))
    return places


def _pattern_features(ratings: csr_array, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the ``n`` leading singular vectors of who rated what, times the singular values, of users and items."""
    from scipy.sparse.linalg import svds

    n = min(n, min(ratings.shape) - 2)
    if n < 1:
        return np.zeros((ratings.shape[0], 0)), np.zeros((ratings.shape[1], 0))
    of_users, of_items = np.diff(ratings.indptr), np.bincount(ratings.indices, minlength=ratings.shape[1])
    weights = 1 / np.sqrt(np.repeat(of_users, of_users) * of_items[ratings.indices].astype(np.float64))
    pattern = csr_array((weights, ratings.indices, ratings.indptr), shape=ratings.shape)
    left, values, right = svds(pattern, k=n, v0=rng.standard_normal(min(ratings.shape)))
    return left * values * FEATURE_SCALE, right.T * values * FEATURE_SCALE


@dataclass
class Side:
    """Users or items, with the prior ``N(mean + features @ link, precision^-1)`` of their vectors.

    Attributes:
        rows: the vectors, the bias last, shape ``(n, k)``.
        features: orthogonal columns, shape ``(n, f)``.
        mean: shape ``(k,)``.
        link: shape ``(f, k)``.
        precision: shape ``(k, k)``.
        ridge: how strongly the link is drawn to 0.
    """

    rows: Floats
    features: Floats
    mean: Floats
    link: Floats
    precision: Floats
    ridge: float = 1.0

    @classmethod
    def start(cls, features: Floats, k: int, rng: np.random.Generator) -> Self:
        """Begin near 0, without biases; vectors have length ``k``."""
        rows = 0.1 * rng.standard_normal((len(features), k))
        rows[:, -1] = 0
        return cls(rows, features, np.zeros(k), np.zeros((features.shape[1], k)), 10 * np.eye(k))

    def draw_prior(self, rng: np.random.Generator) -> None:
        """Draw mean, precision, link and ridge given the rows.

        Mean and precision are normal-Wishart (Salakhutdinov and Mnih 2008, equation 14, with ``W_0 = I``, ``nu_0 = k``,
        ``beta_0 = 2``; the Wishart by Bartlett's decomposition, 1933), the link is normal with the precision of the
        rows times the ridge, the ridge gamma (Simm et al. 2017, section 3). The features are orthogonal, so the link
        needs no linear system.
        """
        n, k = self.rows.shape
        left = self.rows - self.features @ self.link
        centre = left.mean(axis=0)
        scatter = np.eye(k) + (left - centre).T @ (left - centre) + n * 2.0 / (n + 2.0) * np.outer(centre, centre)
        scale = np.linalg.inv(scatter + self.ridge * self.link.T @ self.link)
        root = np.tril(rng.standard_normal((k, k)), -1)
        root[np.diag_indices(k)] = np.sqrt(rng.chisquare(k + n + len(self.link) - np.arange(k)))
        root = np.linalg.cholesky((scale + scale.T) / 2) @ root
        self.precision = np.asarray(root @ root.T)
        upper = np.linalg.cholesky(self.precision).T
        self.mean = n * centre / (n + 2.0) + np.linalg.solve(upper, rng.standard_normal(k)) / np.sqrt(n + 2.0)
        if not len(self.link):
            return
        strength = np.square(self.features).sum(axis=0) + self.ridge
        noise = np.linalg.solve(upper, rng.standard_normal((k, len(strength)))).T
        self.link = self.features.T @ (self.rows - self.mean) / strength[:, None] + noise / np.sqrt(strength)[:, None]
        energy = float(np.einsum("fk,kl,fl->", self.link, self.precision, self.link))
        self.ridge = rng.gamma((1 + self.link.size) / 2) / ((1 + energy) / 2)

    def draw_rows(self, ratings: csr_array, others: Floats, noise: float, rng: np.random.Generator) -> float:
        """Draw the rows given the vectors of the other side; return the summed squared errors of all ratings after it.

        Row ``i`` has precision ``P = L + a Z'Z`` and mean ``P^-1 (L c_i + a Z' t)`` with the prior's precision ``L``
        and centre ``c_i``, the noise's precision ``a``, the vectors ``Z = [q_j, 1]`` of what ``i`` rated and
        ``t = r_ij - b_j``.

        Args:
            ratings: centred, CSR ``(n, m)``, every row with an entry.
            others: vectors of the other side, the bias last, shape ``(m, k)``.
            noise: its precision.
            rng: draws.
        """
        k = others.shape[1]
        low = np.tril_indices(k)
        loadings = np.concatenate([others[:, :-1], np.ones((len(others), 1))], axis=1)
        products = (loadings[:, low[0]] * loadings[:, low[1]]).astype(np.float32)
        targets = ratings.data - others[ratings.indices, -1]
        error = float(np.square(targets).sum())
        rated = csr_array((np.ones_like(ratings.data), ratings.indices, ratings.indptr), shape=ratings.shape)
        pulled = csr_array((targets, ratings.indices, ratings.indptr), shape=ratings.shape) @ loadings  # (n, k)
        right = noise * pulled + (self.mean + self.features @ self.link) @ self.precision
        steps = rng.standard_normal(right.shape)
        for block in sparse.row_blocks(np.full(len(self.rows), 3 * k * k)):
            gram = np.empty((block.stop - block.start, k, k))
            gram[:, low[0], low[1]] = gram[:, low[1], low[0]] = rated[block] @ products
            root = np.linalg.cholesky(noise * gram + self.precision)  # (b, k, k)
            half = np.linalg.solve(root, right[block, :, None]) + steps[block, :, None]
            rows = self.rows[block] = np.linalg.solve(root.transpose(0, 2, 1), half)[:, :, 0]
            error += float(np.einsum("bk,bkl,bl->", rows, gram, rows, optimize=True) - 2 * (rows * pulled[block]).sum())
        return error


class RatingModel(Factors):
    """Factors with intervals that hold the promised share of the ratings: split conformal prediction.

    A tenth of the ratings is held out. There errors are measured in the standard deviations ``s`` that the draws tell:
    ``|r - p| / s``. With ``q`` their ``(n + 1) level / n`` quantile ``p +- q s`` holds a new rating with probability
    ``level`` at least, whatever the model is worth, as long as new ratings are like the held-out ones (Papadopoulos et
    al., Inductive Confidence Machines for Regression, ECML 2002; Lei et al., Distribution-Free Predictive Inference for
    Regression, JASA 2018). The factors are fitted again on everything then, which errs a little less.
    """

    def _learn(self, ratings: Ratings, seed: int) -> Arrays:
        held = folds(len(ratings), 10, seed) == 0
        asked = ratings.where(held)
        self._state = super()._learn(ratings.where(~held), seed)
        values, spread = self.moments(asked.users, asked.items)
        errors = np.sort(np.abs(np.clip(values, ratings.low, ratings.high) - asked.values) / spread)
        return {**super()._learn(ratings, seed), "errors": errors.astype(np.float32)}

    def intervals(
        self, users: UserIndices, items: ItemIndices, level: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return between which values the rating of each pair lies in a share ``level`` of the cases, shape ``(p,)``.

        They are cut off at the ends of the scale, and reach them where too little was held out to tell.
        """
        errors, (low, high) = self._state["errors"], self._state["size"][2:]
        place = int(np.ceil((len(errors) + 1) * level)) - 1
        widest = errors[place] if place < len(errors) else np.inf
        values, spread = self.predict(users, items), self.moments(users, items)[1]
        lower, upper = (np.clip(values + sign * widest * spread, low, high).astype(np.float32) for sign in (-1, 1))
        return lower, upper


PREDICTORS: Mapping[str, Callable[[], RatingPredictor]] = {
    "baseline": Biases,
    "user-neighbours": lambda: Neighbours(by="users"),
    "item-neighbours": Neighbours,
    "factors": Factors,
}
"""Every predictor by name; the last is the one to use."""
