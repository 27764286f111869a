"""Predicted ratings for the users of a workspace, by a model that is fitted when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.artifacts import cached_arrays
from kgrec.errors import UserError
from kgrec.models.ratings import RatingModel, Ratings
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.progress import SILENT, Progress
from kgrec.types import canonical_id

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.data.dataset import Dataset
    from kgrec.ranking.users import UserLookup, UserRef
    from kgrec.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PredictedRating:
    """What a user would rate an item.

    Attributes:
        user_id, item_id: ids in the data.
        rating: on the data's own scale.
        low, high: the rating lies between them in a share ``level`` of all cases.
        level: that share.
        given: the user's own latest rating of the item, or None.
    """

    user_id: str
    item_id: str
    rating: float
    low: float
    high: float
    level: float
    given: float | None


def explicit_ratings(dataset: Dataset, *, test: bool = False) -> Ratings:
    """Return the ratings of a dataset: rows with action ``rate`` and a value; of several of a pair the latest.

    Args:
        dataset: its interactions stand in the order of time.
        test: the rows marked ``test`` instead of all others.

    Raises:
        DataError: there are none, or all are the same.
    """
    marked = pl.col("split") == "test"
    rated = (pl.col("action") == "rate") & pl.col("value").is_not_null() & pl.col("item").is_not_null()
    rows = dataset.interactions.filter(rated & (marked if test else ~marked))
    columns = (rows[name].to_numpy() for name in ("user", "item", "value"))
    return Ratings.of(*columns, n_users=dataset.n_users, n_items=dataset.n_items)


class RatingService:
    """Predicts ratings; the model is kept in the workspace's cache until the data is built again.

    Args:
        workspace: where the cache is.
        config: settings; ``seed`` and ``train.threads`` are read.
        dataset: loads the tables.
    """

    def __init__(self, workspace: Workspace, config: Config, dataset: Callable[[], Dataset]) -> None:
        self._workspace, self._config, self._dataset = workspace, config, dataset
        self._model: RatingModel | None = None

    @cached_property
    def _ratings(self) -> Ratings:
        return explicit_ratings(self._dataset())

    def model(self, progress: Progress = SILENT) -> RatingModel:
        """Return the fitted model.

        Raises:
            DataError: the data has no ratings.
        """
        seed = self._config.seed

        def fit() -> dict[str, NDArray[np.generic]]:
            ratings, threads = self._ratings, choose_threads(self._config.train.threads).count
            with progress.task(f"fitting {len(ratings):,} ratings"), limited_threads(threads):
                return RatingModel().fit(ratings, seed=seed).state()

        if self._config.train.privacy.epsilon is not None:
            hint = "leave train.privacy.epsilon out to predict ratings"
            raise UserError("ratings are not predicted with differential privacy", hint=hint)
        if self._model is None:
            name = f"{self._workspace.info('dataset').fingerprint}-{seed}"
            self._model = RatingModel().load_state(cached_arrays(self._workspace.cache / "ratings", name, fit))
        return self._model

    def predict(
        self, user_id: str, item_ids: Sequence[str], *, level: float = 0.8, progress: Progress = SILENT
    ) -> list[PredictedRating]:
        """Return what a user would rate items, in their order; see :meth:`kgrec.project.Project.predict`."""
        if not 0 < level < 1:
            raise UserError(f"a level of {level:g} is no share of the cases", hint="give a number between 0 and 1")
        dataset = self._dataset()
        ids = [canonical_id(key) for key in item_ids]
        user, items = int(dataset.user_positions([canonical_id(user_id)])[0]), dataset.item_positions(ids)
        users = np.full(len(items), user, dtype=np.int64)
        model = self.model(progress)
        values, (lower, upper) = model.predict(users, items), model.intervals(users, items, level)
        own = self._ratings.where(self._ratings.users == user)
        given = dict(zip(own.items.tolist(), own.values.tolist(), strict=True))
        return [
            PredictedRating(dataset.users["user_id"][user], ids[k], *found, level, given.get(int(items[k])))
            for k, found in enumerate(zip(values.tolist(), lower.tolist(), upper.tolist(), strict=True))
        ]

    def of_all_items(self, user: UserRef, users: UserLookup) -> NDArray[np.float32]:
        """Return what a user would rate every item, in the ranker's numbering, NaN for those that are gone.

        Raises:
            UserError: the user is not in the data.
        """
        if user.row < 0:
            raise UserError("ratings are predicted for users of the data only", hint="give a USER, or leave --by out")
        rows = users.item_rows()
        found = np.full(len(rows), np.nan, dtype=np.float32)
        there = rows[rows >= 0]
        found[rows >= 0] = self.model().predict(np.full(len(there), user.row), there)
        return found
