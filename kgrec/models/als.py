"""ALS: implicit matrix factorisation, with the graph's features as pseudo-users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import options, recency
from kgrec.models.als_entities import FactorRows
from kgrec.models.by_factor import ByFactor
from kgrec.models.factorise import factorise
from kgrec.models.features import graph_features, with_graph_rows
from kgrec.models.fold_in import FoldIn
from kgrec.models.history import History
from kgrec.plugin.protocols import Contribution, EntityContribution
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices

LARGE = 300_000
"""Matrices of more likes get fewer settings and one run, since each costs seconds to minutes."""


LARGE_CATALOGUE = 10_000
"""Catalogues of more items need more factors."""


class ALS:
    """Weighted matrix factorisation by alternating least squares.

    Minimises ``sum_ui c_ui (p_ui - x_u . y_i)^2 + regularization (|X|^2 + |Y|^2)`` with preference ``p_ui = 1`` and
    confidence ``c_ui = alpha * strength`` where the user liked the item, else 0 and 1 (Hu, Koren and Volinsky,
    Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008), with the solver of the package implicit. The
    features of the graph are stacked under the users as pseudo-users (see
    :func:`kgrec.models.features.with_graph_rows`), so items without likes get factors as well. The scores of
    ``n_seeds`` runs are averaged.

    After the last iteration the users are solved once more, exactly, from the final item factors; so somebody new
    with the same history gets the same scores, and a score splits exactly into what the items of the history give.

    Args:
        factors: length of a factor.
        regularization: the ridge.
        alpha: confidence of a like of mean weight.
        iterations: rounds of solving users and items.
        n_seeds: runs that are averaged.
        graph_weight: how strongly the graph's pseudo-users count; 0 leaves them out.
        decay: the confidence of an item of the history is multiplied by ``decay ** i`` if the user turned to ``i``
            others since, in ``(0, 1]``; only in that last solution. None, where the data has times: what ranks held-out
            likes best.
    """

    def __init__(
        self,
        *,
        factors: int = 64,
        regularization: float = 25.0,
        alpha: float = 4.0,
        iterations: int = 15,
        n_seeds: int = 3,
        graph_weight: float = 0.0,
        decay: float | None = None,
    ) -> None:
        self.factors = options.integer("factors", factors, low=1)
        self.regularization = options.number("regularization", regularization, low=0, above=True)
        self.alpha = options.number("alpha", alpha, low=0, above=True)
        self.iterations = options.integer("iterations", iterations, low=1)
        self.n_seeds = options.integer("n_seeds", n_seeds, low=1)
        self.graph_weight = options.number("graph_weight", graph_weight, low=0)
        self.decay = None if decay is None else options.number("decay", decay, low=0, high=1, above=True)
        self._solvers: list[FoldIn] | None = None

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try two ridges; one setting for large matrices."""
        return [{"n_seeds": 1}] if data.matrix.nnz > LARGE else [{}, {"regularization": 30.0}]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        return _space(data, most_factors=128)

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Factorise; the number of threads is that of the thread pools and changes nothing in the result."""
        self._history = History.of(data.matrix)
        rows = with_graph_rows(self._history.matrix, data.triples, self.graph_weight)
        self._known = np.bincount(rows.indices, minlength=data.n_items) > 0
        self._n_seeds, self._alpha, self._regularization = self.n_seeds, self.alpha, self.regularization
        seeds = np.random.SeedSequence(seed).spawn(self.n_seeds)
        runs = [self._factorise(rows, np.random.default_rng(s)) for s in seeds]
        self._items = (np.concatenate([y for _, y in runs], axis=1) / self.n_seeds).astype(np.float32)
        self._by_factor = ByFactor(self._items)
        self._graph = self._graph_rows(rows, data, [x for x, _ in runs])
        self._solvers = None
        whole, steps = self._history.matrix, recency.steps_back(data.events, data.matrix)
        self._decay = self.decay
        if self._decay is None:
            self._decay = recency.choose_decay(lambda rows, _: self._score_histories(rows), whole, data, steps)
        self._history = self._history.with_matrix(recency.decayed(whole, steps, self._decay))
        self._users = self._fold(self._history.matrix)
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return the decay that was found best, for a fit with nothing held out."""
        return {"decay": self._decay}

    def _score_histories(self, rows: csr_array) -> Scores:
        return self._score(self._fold(rows), np.diff(rows.indptr) > 0)

    def _factorise(self, rows: csr_array, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return factors of the rows and of the items, shapes ``(m, factors)`` and ``(n_items, factors)``."""
        return factorise(
            rows,
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            rng=rng,
        )

    def _graph_rows(self, rows: csr_array, data: TrainingData, factors: list[NDArray[np.float32]]) -> FactorRows | None:
        if data.triples is None or rows.shape[0] == data.n_users:
            return None
        entities = graph_features(data.triples).entities
        return FactorRows.of(rows, entities, factors, alpha=self.alpha, regularization=self.regularization)

    def _confidences(self, rows: csr_array) -> csr_array:
        return csr_array((rows.data * np.float32(self._alpha), rows.indices, rows.indptr), shape=rows.shape)

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
        return self._split(self._history.rows(np.array([user])), items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        return self._split(self._history.new(profile), items)

    def _split(self, row: csr_array, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        confidences = self._confidences(row)
        shares = np.mean([fold_in.influence(confidences, items) for fold_in in self._folders()], axis=0)  # (items, k)
        shares[~self._known[items]] = 0
        targets, sources = np.nonzero(shares)
        return [
            Contribution(int(items[t]), "item", int(row.indices[s]), float(shares[t, s]))
            for t, s in zip(targets, sources, strict=True)
        ]

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what of the contributions comes through entities, see :class:`kgrec.models.als_entities.FactorRows`.

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
            **({} if self._graph is None else self._graph.state()),
            **self._history.state(),
            "users": self._users,
            "items": self._items,
            "known": self._known,
            "settings": np.array([self._n_seeds, self._alpha, self._regularization], dtype=np.float64),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        self._graph = FactorRows.from_state(state)
        self._users = state["users"]
        self._items = state["items"]
        self._by_factor = ByFactor(self._items)
        self._solvers = None
        self._known = np.asarray(state["known"], dtype=np.bool_)
        n_seeds, self._alpha, self._regularization = (float(value) for value in state["settings"])
        self._n_seeds = int(n_seeds)
        return self

    def _folders(self) -> list[FoldIn]:
        if self._solvers is None:
            self._solvers = self._make_folders()
        return self._solvers

    def _make_folders(self) -> list[FoldIn]:
        # The factors of the runs stand side by side; those of the items are scaled so that a product is the mean.
        runs = np.split(self._items, self._n_seeds, axis=1)
        return [FoldIn(run * np.float32(self._n_seeds), self._regularization) for run in runs]

    def _fold(self, rows: csr_array) -> NDArray[np.float32]:
        confidences = self._confidences(rows)
        return np.concatenate([fold_in.users(confidences) for fold_in in self._folders()], axis=1)


class WideALS(ALS):
    """ALS that tries many factors with strong confidences and a strong ridge, with and without the graph.

    Dense matrices with long histories want the settings that :class:`ALS` tries, sparse ones these. Where both are good
    they err differently, so the fusion may take both.
    """

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try without the graph and with it; means of several runs where they are cheap."""
        n_seeds = 1 if data.matrix.nnz > LARGE else 2
        many = {"factors": 256, "regularization": 80.0, "alpha": 40.0, "iterations": 10, "n_seeds": n_seeds}
        if data.n_items > LARGE_CATALOGUE:
            many |= {"factors": 512, "regularization": 120.0, "alpha": 60.0}
        has_graph = data.triples is not None and len(data.triples) > 0
        return [many, {**many, "graph_weight": 0.12}] if has_graph else [many]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        return _space(data, most_factors=768)


def _space(data: TrainingData, *, most_factors: int) -> Space:
    span: dict[str, Range] = {
        "factors": Whole(16, most_factors, log=True),
        "regularization": Real(1.0, 300.0, log=True),
        "alpha": Real(0.5, 100.0, log=True),
        "iterations": Whole(5, 25),
    }
    if data.triples is not None and len(data.triples):
        span["graph_weight"] = Real(0.0, 0.5)
    return span
