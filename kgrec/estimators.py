"""Scorers on plain data frames, without a workspace; they go through scikit-learn's model selection.

>>> import polars as pl
>>> from kgrec.estimators import ItemKNN
>>> log = pl.DataFrame({"user": ["a", "a", "b", "b", "c"], "item": ["x", "y", "x", "y", "x"]})
>>> ItemKNN().fit(log).recommend("c", 1)["item"].to_list()
['y']

Every scorer on offer has an estimator, named like its class, those of plugins included: ``estimator("hidden-gems")``
finds one by its name. For graph, texts, fusion and explanations open a workspace: ``kgrec.open(interactions=frame,
items=frame)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import DataError, NotFoundError, UsageError
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.plugin.protocols import ConditionalScorer
from kgrec.types import TrainingData, as_frame, column_of

if TYPE_CHECKING:
    import polars as pl

    from kgrec.types import ItemIndices, Scores

BLOCK = 1024
"""Users who are scored at once."""


class Estimator:
    """A scorer that learns from a frame of interactions, a row each.

    Args:
        seed: of everything drawn.
        user, item, weight, time: names of the columns; None takes ``user`` or ``user_id``, ``item`` or ``item_id``,
            and no weights and times.
        top: items of a list that :meth:`score` looks at.
        options: of the scorer, as in its table of kgrec.toml.

    Attributes:
        data: what was fitted on.
        scorer: the fitted scorer.
    """

    name: ClassVar[str] = ""
    _settings = ("seed", "user", "item", "weight", "time", "top")
    data: TrainingData
    scorer: Any

    def __init__(
        self,
        *,
        seed: int = 42,
        user: str | None = None,
        item: str | None = None,
        weight: str | None = None,
        time: str | None = None,
        top: int = 20,
        **options: Any,
    ) -> None:
        self.seed, self.user, self.item, self.weight, self.time, self.top = seed, user, item, weight, time, top
        self.options = options

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({told})"

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what it asks of an estimator: nothing is checked of the data."""
        from sklearn.utils import Tags, TargetTags  # type: ignore[import-untyped]

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return settings and options, as scikit-learn asks for them."""
        return {**{name: getattr(self, name) for name in self._settings}, **self.options}

    def set_params(self, **params: Any) -> Self:
        """Change settings and options."""
        for name, value in params.items():
            if name in self._settings:
                setattr(self, name, value)
            else:
                self.options = {**self.options, name: value}
        return self

    def fit(self, interactions: Any, y: None = None) -> Self:  # noqa: ARG002
        """Learn from a frame of Polars, pandas or Arrow.

        Raises:
            ConfigError: an option is unknown or unusable.
            DataError: a column is missing, or the scorer needs more than interactions.
        """
        data = TrainingData.from_frame(interactions, user=self.user, item=self.item, weight=self.weight, time=self.time)
        spec = _plugins().registry("scorer")[self.name]
        scorer = spec.build(self.options)
        if isinstance(scorer, ConditionalScorer) and (why := type(scorer).unusable(data)):
            raise DataError(
                f"{self.name} cannot learn from interactions alone: {why}",
                hint="open a workspace with them: kgrec.open(interactions=frame, items=frame)",
            )
        self.scorer, self.data = scorer.fit(data, seed=self.seed), data
        return self

    def recommend(self, users: Any, n: int = 10, *, include_seen: bool = False) -> pl.DataFrame:
        """Return ``user``, ``item``, ``rank`` (1 is best) and ``score`` of the best items, user by user.

        Args:
            users: an id, or several.
            n: items a user at most.
            include_seen: also those that the user was fitted with.

        Raises:
            NotFoundError: a user was not fitted on.
            UsageError: ``n`` is no whole number of at least 1.
        """
        import polars as pl

        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise UsageError(f"n is the length of a list, not {n!r:.80}", hint="give a whole number of at least 1")
        several = isinstance(users, Sequence | np.ndarray | pl.Series) and not isinstance(users, str)
        rows = self._positions("user", list(users) if several else [users])
        top, values = self._best(rows, int(n), include_seen=include_seen)
        there = top >= 0
        whose, places = np.nonzero(there)
        return pl.DataFrame(
            {
                "user": self.users.gather(rows[whose]),
                "item": self.items.gather(top[there]),
                "rank": pl.Series(places + 1, dtype=pl.UInt32),
                "score": values[there],
            }
        )

    def predict(self, pairs: Any) -> NDArray[np.float32]:
        """Return the score of each row of a frame of users and items; NaN where one of them was not fitted on."""
        users, items = (self._known(name, as_frame("pairs", pairs)) for name in ("user", "item"))
        found = np.full(len(users), np.nan, dtype=np.float32)
        wanted = np.flatnonzero((users >= 0) & (items >= 0))
        whom, place = np.unique(users[wanted], return_inverse=True)
        for start in range(0, len(whom), BLOCK):
            of = (place >= start) & (place < start + BLOCK)
            scores = self._scores(whom[start : start + BLOCK])
            found[wanted[of]] = scores[place[of] - start, items[wanted[of]]]
        return found

    def score(self, held_out: Any, y: None = None) -> float:  # noqa: ARG002
        """Return the mean NDCG of lists of ``top`` items over users with likes in a frame that was held out.

        Items that were not fitted on count as not found, users that were not are left out.
        """
        from scipy.sparse import csr_array

        from kgrec.evaluate.metrics import accuracy

        frame = as_frame("held_out", held_out)
        users, items = (self._known(name, frame) for name in ("user", "item"))
        rows = np.unique(users[users >= 0])
        unknown = items < 0  # each takes a column of its own, which no list holds
        n_items = self.data.n_items
        items = np.where(unknown, n_items + np.arange(len(items)), items)
        of = np.searchsorted(rows, users[users >= 0])
        shape = (len(rows), n_items + len(items))
        truth = csr_array((np.ones(len(of), dtype=np.float32), (of, items[users >= 0])), shape=shape)
        truth.sum_duplicates()
        if not len(rows):
            return float("nan")
        top, _ = self._best(rows, self.top, include_seen=False)
        padded = np.pad(top, ((0, 0), (0, max(0, self.top - top.shape[1]))), constant_values=-1)
        return float(accuracy(padded, truth, [self.top])[f"ndcg@{self.top}"].mean())

    @property
    def users(self) -> pl.Series:
        """The ids of the users that were fitted on, in the order of the matrix."""
        return self._ids("user")

    @property
    def items(self) -> pl.Series:
        """The ids of the items, in the order of the matrix."""
        return self._ids("item")

    def _ids(self, name: str) -> pl.Series:
        import polars as pl

        try:
            found = self.data.user_ids if name == "user" else self.data.item_ids
        except AttributeError:
            raise UsageError(f"{self!r} is not fitted", hint="call fit first") from None
        return pl.Series(name, found)

    def _known(self, name: str, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Return the position of each row's user or item, -1 where it was not fitted on."""
        import polars as pl

        ids = self._ids(name)
        column = column_of(frame, name, self.user if name == "user" else self.item)
        known = ids.to_frame().with_row_index("at").with_columns(pl.col("at").cast(pl.Int64))
        try:
            found = column.alias(name).to_frame().join(known, on=name, how="left", maintain_order="left")["at"]
        except pl.exceptions.PolarsError:
            raise DataError(f"{name}s are {column.dtype}, they were fitted as {ids.dtype}", hint="cast them") from None
        return found.fill_null(-1).to_numpy()

    def _positions(self, name: str, wanted: list[Any]) -> NDArray[np.int64]:
        known = {key: k for k, key in enumerate(self._ids(name).to_list())}
        for one in wanted:
            if one not in known:
                raise NotFoundError.of(name, str(one), [str(key) for key in known])
        return np.array([known[one] for one in wanted], dtype=np.int64)

    def _scores(self, rows: NDArray[np.int64]) -> Scores:
        return np.asarray(self.scorer.score(rows), dtype=np.float32)

    def _best(self, rows: NDArray[np.int64], n: int, *, include_seen: bool) -> tuple[ItemIndices, NDArray[np.float32]]:
        from kgrec.models.top_k import mask_seen, top_k

        blocks = []
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            scores = self._scores(part).copy()
            if not include_seen:
                mask_seen(scores, self.data.matrix[part])
            blocks.append(top_k(scores, min(n, self.data.n_items)))
        if not blocks:
            return np.zeros((0, n), dtype=np.int64), np.zeros((0, n), dtype=np.float32)
        return np.concatenate([top for top, _ in blocks]), np.concatenate([values for _, values in blocks])


class HoldOutLikes:
    """Splits the rows of each user into folds, for scikit-learn's ``cv``; users with one row are never tested.

    >>> log = {"user": ["a", "a", "b", "b", "c"], "item": ["x", "y", "x", "y", "x"]}
    >>> [sorted(test.tolist()) for _, test in HoldOutLikes(2, seed=1).split(log)]
    [[1, 2], [0, 3]]

    Args:
        n_splits: folds.
        seed: of the draw.
        user: the column of users; None takes ``user`` or ``user_id``.
    """

    def __init__(self, n_splits: int = 5, *, seed: int = 42, user: str | None = None) -> None:
        if n_splits < 2:
            raise UsageError(f"n_splits is {n_splits}, and one fold holds nothing out", hint="give at least 2")
        self.n_splits, self.seed, self.user = n_splits, seed, user

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ARG002
        """Return the number of folds."""
        return self.n_splits

    def split(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        groups: Any = None,  # noqa: ARG002
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows to fit on and those to judge by."""
        import polars as pl

        frame = as_frame("X", X)
        users = column_of(frame, "user", self.user).rank("dense").cast(pl.Int64).to_numpy()
        drawn = np.random.default_rng(self.seed).permutation(len(users))
        order = drawn[np.argsort(users[drawn], kind="stable")]
        first = np.r_[True, np.diff(users[order]) > 0]
        begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        counts = np.bincount(users)[users]
        # A user's rows go to the folds in turn, the first one to another for each user.
        fold = np.empty(len(users), dtype=np.int64)
        fold[order] = (np.arange(len(order)) - begin + users[order]) % self.n_splits
        fold[counts < 2] = -1
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def estimator(name: str) -> type[Estimator]:
    """Return the estimator of a scorer by the name that stands in kgrec.toml.

    >>> estimator("ease")(regularization=100)
    Ease(regularization=100)
    """
    _plugins().registry("scorer")[name]
    return type("".join(part.capitalize() for part in name.split("-")), (Estimator,), {"name": name})


@cache
def _plugins() -> PluginManager:
    return load_plugins()


@cache
def _by_class() -> dict[str, str]:
    return {spec.target.rpartition(":")[2]: name for name, spec in _plugins().registry("scorer").items()}


def __getattr__(name: str) -> Any:
    """Return the estimator of the scorer whose class has this name."""
    if name.startswith("_") or name not in _by_class():
        raise AttributeError(f"module 'kgrec.estimators' has no attribute {name!r}")
    found = globals()[name] = type(
        name, (Estimator,), {"name": _by_class()[name], "__module__": __name__, "__doc__": Estimator.__doc__}
    )
    return found


def __dir__() -> list[str]:
    """List what can be imported."""
    return sorted([*_by_class(), "Estimator", "HoldOutLikes", "estimator"])
