"""ALS: implicit matrix factorisation, with the graph's features as pseudo-users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import recency, sparse
from kgrec.models.factors import ByFactor, FoldIn, factorise
from kgrec.models.features import MOST_NUMBERS, graph_features, strongest, with_graph_rows
from kgrec.models.history import History, UserLikes
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution, EntityContribution, Traits
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices

LARGE = 300_000
"""Matrices of more likes get fewer settings and one run, since each costs seconds to minutes."""
TRIAL_ROUNDS = 5
"""Rounds after which the order of settings hardly changes."""
FEW_FACTORS = 128
"""Runs with more are hardly better when averaged: test NDCG by .0 to .4 % on four sets."""
RIDGE = 0.15
"""Of the weight of a user's or an item's likes, where a search of the ridge starts."""
LARGE_CATALOGUE = 10_000
"""Catalogues of more items need more factors."""


class ALSOptions(Options):
    """Options of ``[scorers.als]`` and ``[scorers.als-many-factors]``."""

    factors: int = Field(64, ge=1, description="length of a factor")
    regularization: float = Field(25.0, gt=0, description="the ridge")
    alpha: float = Field(4.0, gt=0, description="confidence of a like of mean weight")
    iterations: int = Field(15, ge=1, description="rounds of solving users and items")
    n_seeds: int | None = Field(None, ge=1, description="runs that are averaged; None: 3, of more than 128 factors 1")
    graph_weight: float = Field(0.0, ge=0, description="how strongly the graph's pseudo-users count; 0: no graph")
    forgetting: recency.Forgetting = None


class ALS(Configured):
    """Weighted matrix factorisation by alternating least squares.

    Minimises ``sum_ui c_ui (p_ui - x_u . y_i)^2 + regularization (|X|^2 + |Y|^2)`` with preference ``p_ui = 1`` and
    confidence ``c_ui = alpha * strength`` where the user liked the item, else 0 and 1 (Hu, Koren and Volinsky,
    Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008), with the solver of the package implicit. The
    features of the graph are stacked under the users as pseudo-users (see
    :func:`kgrec.models.features.with_graph_rows`), so items without likes get factors as well. The scores of
    ``n_seeds`` runs are averaged.

    After the last iteration the users are solved once more, exactly, from the final item factors; so somebody new
    with the same history gets the same scores, and a score splits exactly into what the items of the history give.
    """

    Options = ALSOptions
    options: ALSOptions
    traits: ClassVar[Traits] = Traits(by_blocks=True)
    _solvers: list[FoldIn] | None = None

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try a weak and a strong ridge; one run for large matrices."""
        runs = {"n_seeds": 1} if data.matrix.nnz > LARGE else {}
        return [{**runs, "regularization": ridge(data, 4.0 * strength)} for strength in (1, 4)]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        return _space(data, most_factors=256)

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:
        """Return about how many seconds a fit takes: conjugate gradients a round, and users solved exactly."""
        rows = data.n_users
        if data.triples is not None and len(data.triples) and options["graph_weight"] > 0:
            rows += int((np.bincount(data.triples.tails) > 1).sum())  # about so many pseudo-users
        rounds, factors = options["iterations"], options["factors"]
        runs = n_runs(options["n_seeds"], factors)
        of_round = 3e-10 * (rows + data.n_items) * factors**2 + 4e-9 * data.matrix.nnz * factors
        lengths = np.diff(data.matrix.indptr).astype(np.float64)
        return float(runs * (rounds * of_round + 2e-10 * factors * (lengths * np.minimum(lengths, factors)).sum()))

    @classmethod
    def trial(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Compare settings by one short run each."""
        return {**options, "n_seeds": 1, "iterations": min(options.get("iterations", TRIAL_ROUNDS), TRIAL_ROUNDS)}

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Factorise; the number of threads is that of the thread pools and changes nothing in the result."""
        given, seeds = self.options, n_runs(self.options.n_seeds, self.options.factors)
        self._history = History.of(data.matrix)
        rows = with_graph_rows(self._history.matrix, data.triples, given.graph_weight)
        self._known = np.bincount(rows.indices, minlength=data.n_items) > 0
        self._settings = np.array([seeds, given.alpha, given.regularization], dtype=np.float64)
        runs = [
            factorise(
                rows,
                factors=given.factors,
                regularization=given.regularization,
                alpha=given.alpha,
                iterations=given.iterations,
                rng=np.random.default_rng(s),
                workers=data.workers,
            )
            for s in np.random.SeedSequence(seed).spawn(seeds)
        ]
        self._items = (np.concatenate([y for _, y in runs], axis=1) / seeds).astype(np.float32)
        self._by_factor, self._solvers = ByFactor(self._items), None
        self._graph = self._graph_rows(rows, data, [x for x, _ in runs])
        self._history, self._power = recency.remembered(
            self._history, data, given.forgetting, lambda rows, _: self._score_histories(rows)
        )
        self._users = self._fold(self._history.matrix)
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return the forgetting that was found best, for a fit with nothing held out."""
        return {"forgetting": self._power}

    def _score_histories(self, rows: csr_array) -> Scores:
        return self._score(self._fold(rows), np.diff(rows.indptr) > 0)

    def _graph_rows(self, rows: csr_array, data: TrainingData, factors: list[NDArray[np.float32]]) -> FactorRows | None:
        if data.triples is None or rows.shape[0] == data.n_users:
            return None
        if sum(run.size for run in factors) > MOST_NUMBERS:
            return None
        entities = graph_features(data.triples).entities
        nodes = np.concatenate([np.full(data.n_users, -1), entities]).astype(np.int64)
        confidences = sparse.csr(csr_array(rows.T) * np.float32(self.options.alpha))
        given = self.options
        return FactorRows(confidences, nodes, np.concatenate(factors, axis=1), len(factors), given.regularization)

    def _confidences(self, rows: csr_array) -> csr_array:
        return csr_array((rows.data * np.float32(self._settings[1]), rows.indices, rows.indptr), shape=rows.shape)

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``.

        NaN for users without history and for items that nothing is known of.
        """
        given = self.compact(users)
        return self._score(given.users, given.known_users)

    def compact(self, users: UserIndices) -> FactorScores:
        """Return the factors that :meth:`score` multiplies."""
        users = np.asarray(users, dtype=np.int64)
        known = users < len(self._users)
        factors = np.zeros((len(users), self._users.shape[1]), dtype=np.float32)
        factors[known] = self._users[users[known]]
        return FactorScores(factors, self._items, self._history.lengths(users) > 0, self._known)

    def compact_new(self, profiles: Sequence[Profile]) -> FactorScores:
        """Return the factors of people who were not there at training."""
        rows = self._history.new_rows(profiles)
        return FactorScores(self._fold(rows), self._items, np.diff(rows.indptr) > 0, self._known)

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return np.asarray(self._score_histories(self._history.new(profile))[0])

    def _score(self, factors: NDArray[np.float32], known_users: NDArray[np.bool_]) -> Scores:
        scores = self._by_factor.scores(factors)
        scores[:, ~self._known] = np.nan
        scores[~known_users] = np.nan
        return scores

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores of ``items`` by the items of the user's history that caused them."""
        return self._split(self._history.likes(user), items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return self._split(UserLikes.of(self._history.new(profile)), items)

    def _split(self, row: UserLikes, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        confidences = UserLikes(row.indices, row.data * np.float32(self._settings[1]))
        shares = np.mean([fold_in.influence(confidences, items) for fold_in in self._folders()], axis=0)  # (items, k)
        shares[~self._known[items]] = 0
        return [Contribution("item", row.indices, shares)]

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what of the contributions comes through entities, see :class:`FactorRows`.

        Nothing where the graph does not count, or where there is too much of it to keep.
        """
        if self._graph is None or not self._known[item]:
            return []
        row = self._history.rows(np.array([user]))
        parts = [fold_in.parts(self._confidences(row)) for fold_in in self._folders()]
        return self._graph.through(row.indices.astype(np.int64), parts, item)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return factors, history and what folding in and telling of entities need."""
        return {
            **sparse.store("graph", self._graph),
            **self._history.state(),
            "users": self._users,
            "items": self._items,
            "known": self._known,
            "settings": self._settings,
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        self._graph = sparse.restore(FactorRows, "graph", state)
        self._users, self._items, self._settings = state["users"], state["items"], state["settings"]
        self._by_factor, self._solvers = ByFactor(self._items), None
        self._known = np.asarray(state["known"], dtype=np.bool_)
        return self

    def _folders(self) -> list[FoldIn]:
        if self._solvers is None:
            n_seeds, _, regularization = self._settings
            # The factors of the runs stand side by side; those of the items are scaled so that a product is the mean.
            runs = np.split(self._items, int(n_seeds), axis=1)
            self._solvers = [FoldIn(run * np.float32(n_seeds), float(regularization)) for run in runs]
        return self._solvers

    def _fold(self, rows: csr_array) -> NDArray[np.float32]:
        confidences = self._confidences(rows)
        return np.concatenate([fold_in.users(confidences) for fold_in in self._folders()], axis=1)


class ManyFactorALS(ALS):
    """ALS that tries many factors with strong confidences and a strong ridge, with and without the graph.

    Dense matrices with long histories want the settings that :class:`ALS` tries, sparse ones these. Where both are good
    they err differently, so the fusion may take both.
    """

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try without the graph and with it."""
        large = data.n_items > LARGE_CATALOGUE
        factors, alpha = (512, 60.0) if large else (256, 40.0)
        many = {"factors": factors, "alpha": alpha, "iterations": 10, "n_seeds": 1}
        many["regularization"] = ridge(data, alpha)
        return [many, {**many, "graph_weight": 0.12}] if data.has_graph else [many]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        return _space(data, most_factors=512)


def n_runs(given: int | None, factors: int) -> int:
    """Return how many runs are averaged: those with many factors are so alike that one is enough."""
    return given or (3 if factors <= FEW_FACTORS else 1)


def ridge(data: TrainingData, alpha: float) -> float:
    """Return a ridge to start from: in proportion to what the likes of a user or an item weigh in their equations.

    A ridge far above that weight leaves no factors at all, and nothing that a search could feel its way by.
    """
    rows, columns = data.matrix.shape
    likes = data.matrix.nnz / np.sqrt(max(rows * columns, 1))  # of users and items, in the geometric mean
    return float(f"{max(RIDGE * alpha * likes, 0.3):.3g}")


def _space(data: TrainingData, *, most_factors: int) -> Space:
    span: dict[str, Range] = {
        "regularization": Real(0.3, 3_000.0, log=True),
        "alpha": Real(0.3, 300.0, log=True),
        "factors": Whole(16, most_factors, log=True),
    }
    if data.has_graph:
        span["graph_weight"] = Real(0.0, 0.5)
    return span


@dataclass(frozen=True)
class FactorRows:
    """Users and pseudo-users as they stood when the items' factors were solved for the last time.

    The factors of an item are ``y_j = M_j^-1 sum over r of c_rj x_r`` over the users and pseudo-users ``r`` who have
    it: section 5 of Hu, Koren and Volinsky (ICDM 2008) with the roles of users and items exchanged. The term of a
    pseudo-user is what its entity gives. The solver stops at conjugate gradients of a few steps; what it leaves is
    nobody's term and stays with the items of the history.

    Attributes:
        confidences: of the rows that each item stands in, CSR of shape ``(n_items, m)``.
        nodes: entity of each row, -1 for a user, shape ``(m,)``.
        factors: of the rows, runs side by side, shape ``(m, runs * f)``.
        n_runs: how many.
        regularization: the ridge.
    """

    confidences: csr_array
    nodes: NDArray[np.int64]
    factors: NDArray[np.float32]
    n_runs: int
    regularization: float

    def through(
        self, sources: NDArray[np.int64], parts: list[NDArray[np.float64]], item: int
    ) -> list[EntityContribution]:
        """Return what comes to ``item`` through the strongest entities.

        Args:
            sources: items of the history, shape ``(k,)``.
            parts: what each adds to the user's factors, shape ``(k, f)``, one array a run.
            item: position of the scored item.
        """
        row = csr_array(self.confidences[[item]])
        told = np.flatnonzero(self.nodes[row.indices] >= 0)
        if not len(told):
            return []
        weights = row.data.astype(np.float64)
        values = np.zeros((len(sources), len(told)))
        runs = np.split(self.factors, self.n_runs, axis=1)
        for own, run, shared in zip(parts, runs, self._systems, strict=True):
            having = run[row.indices].astype(np.float64)
            system = shared + having.T @ (having * (weights - 1)[:, None])
            terms = np.linalg.solve(system, (having[told] * weights[told, None]).T)  # (f, told)
            values += own @ terms / self.n_runs
        k, e = np.nonzero(values)
        return strongest(sources[k], self.nodes[row.indices][told][e], values[k, e])

    @cached_property
    def _systems(self) -> list[NDArray[np.float64]]:
        """``X' X + regularization I`` of each run: the same for all items."""
        runs = [run.astype(np.float64) for run in np.split(self.factors, self.n_runs, axis=1)]
        return [run.T @ run + self.regularization * np.eye(run.shape[1]) for run in runs]
