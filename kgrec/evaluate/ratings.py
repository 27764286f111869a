"""How near predicted ratings come to those that people gave: RMSE and MAE, by folds or on a given test part."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.errors import ConfigError, DataError, NotFoundError, UsageError
from kgrec.evaluate.plan import RatingsPlan
from kgrec.evaluate.records import PredictorFigures, RatingsComparison, RatingsData, RatingsRecord
from kgrec.models.ratings import PREDICTORS, Ratings, folds
from kgrec.progress import SILENT, Progress
from kgrec.ranking.ratings import explicit_ratings
from kgrec.significance import Interval, compare, holm, share

SPLITS = ("folds", "given")
"""How ratings are held out."""


@dataclass
class PredictorErrors:
    """Errors of a predictor, summed up by user over all that it was asked.

    Attributes:
        name: of the predictor.
        squared, absolute, counts: sums of ``(p - r)^2``, of ``|p - r|`` and of 1, each of shape ``(n_users,)``.
        rmse_by_fold: of each fold of each seed.
        fit_seconds, predict_seconds: CPU seconds of all folds.
    """

    name: str
    squared: NDArray[np.float64]
    absolute: NDArray[np.float64]
    counts: NDArray[np.float64]
    rmse_by_fold: list[float] = field(default_factory=list)
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0

    @property
    def rmse(self) -> float:
        """Over all ratings together."""
        return float(np.sqrt(self.squared.sum() / self.counts.sum()))

    @property
    def by_user(self) -> NDArray[np.float64]:
        """Mean squared error of each user, NaN for those who were not asked, shape ``(n_users,)``."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.squared / self.counts)

    def add(self, known: Ratings, asked: Ratings, seed: int) -> None:
        """Fit the predictor, predict, and add its errors up."""
        started = time.process_time()
        predictor = PREDICTORS[self.name]().fit(known, seed=seed)
        fitted = time.process_time()
        error = predictor.predict(asked.users, asked.items).astype(np.float64) - asked.values
        self.fit_seconds += fitted - started
        self.predict_seconds += time.process_time() - fitted
        for sums, values in (
            (self.squared, error**2),
            (self.absolute, np.abs(error)),
            (self.counts, np.ones(len(error))),
        ):
            sums += np.bincount(asked.users, values, minlength=len(sums))
        self.rmse_by_fold.append(float(np.sqrt(np.mean(error**2))))

    def figures(self, rng: np.random.Generator) -> PredictorFigures:
        """Return the figures, with intervals over users."""
        asked = self.counts > 0
        mse, mae = (share(sums[asked], self.counts[asked], rng) for sums in (self.squared, self.absolute))
        mean, low, high = (float(np.sqrt(value)) for value in mse.span)
        return PredictorFigures(
            name=self.name,
            rmse=Interval(mean, low, high, mse.n),
            mae=mae,
            rmse_by_fold=tuple(self.rmse_by_fold),
            fit_seconds=round(self.fit_seconds, 2),
            predict_seconds=round(self.predict_seconds, 2),
        )


def run_ratings(
    dataset: Dataset, plan: RatingsPlan, progress: Progress = SILENT
) -> tuple[list[PredictorErrors], RatingsData]:
    """Fit all predictors of a plan on each part and predict what was held out.

    Returns:
        the errors, and counts of the data.

    Raises:
        NotFoundError: a predictor or the split is unknown.
        UsageError: fewer than two folds.
        ConfigError: no rows are marked ``test`` and the plan needs them.
        DataError: the data has no ratings, or not enough for the folds.
    """
    if plan.split not in SPLITS:
        raise NotFoundError.of("split", plan.split, SPLITS)
    names = tuple(dict.fromkeys(plan.only or PREDICTORS))
    for name in names:
        if name not in PREDICTORS:
            raise NotFoundError.of("predictor of ratings", name, PREDICTORS)
    parts = [(seed, *part) for seed in plan.seeds for part in _parts(dataset, plan, seed)]
    judged = [PredictorErrors(name, *np.zeros((3, dataset.n_users))) for name in names]
    with progress.task("predicting ratings", total=len(parts) * len(names)) as task:
        for seed, known, asked in parts:
            for found in judged:
                task.note(found.name)
                found.add(known, asked, seed)
                task.advance()
    return judged, _data(*parts[0][1:], plan)


def _parts(dataset: Dataset, plan: RatingsPlan, seed: int) -> Iterator[tuple[Ratings, Ratings]]:
    """Yield what is fitted on and what is predicted."""
    ratings = explicit_ratings(dataset)
    if plan.split == "given":
        if not (dataset.interactions["split"] == "test").any():
            raise ConfigError(
                "no file is marked for testing", hint='mark one with split = "test" under [[data.interactions]]'
            )
        test = explicit_ratings(dataset, test=True)
        known, asked = (r.users * r.n_items + r.items for r in (ratings, test))
        fresh = test.where(~np.isin(asked, known))
        if not len(fresh):
            raise DataError("all ratings of the test files are of pairs that are known from the other files")
        yield ratings, fresh
        return
    if plan.folds < 2:
        raise UsageError(f"{plan.folds} folds leave nothing to learn from", hint="give --folds 2 or more")
    if plan.folds > len(ratings):
        raise DataError(f"{len(ratings)} ratings cannot be cut into {plan.folds} folds", hint="give fewer --folds")
    fold = folds(len(ratings), plan.folds, seed)
    for k in range(plan.folds):
        yield ratings.where(fold != k), ratings.where(fold == k)


def _data(known: Ratings, asked: Ratings, plan: RatingsPlan) -> RatingsData:
    values = np.concatenate([known.values, asked.values])
    return RatingsData(
        ratings=len(values),
        users=len(np.unique(np.concatenate([known.users, asked.users]))),
        items=len(np.unique(np.concatenate([known.items, asked.items]))),
        scale=(known.low, known.high),
        mean=float(values.mean(dtype=np.float64)),
        predicted=len(asked) if plan.split == "given" else None,
    )


def summarise_ratings(judged: Sequence[PredictorErrors], data: RatingsData, plan: RatingsPlan) -> RatingsRecord:
    """Turn errors into figures.

    ``RMSE = sqrt(sum (p - r)^2 / n)`` and ``MAE = sum |p - r| / n`` over all held-out ratings, of all folds and seeds
    together (Herlocker, Konstan, Terveen and Riedl, Evaluating collaborative filtering recommender systems, ACM TOIS
    22(1), 2004). Ratings of one user are not independent of each other, so the intervals draw users, each with all of
    their ratings (cluster bootstrap; Davison and Hinkley 1997, section 3.8); the test compares the users' mean squared
    errors.

    Args:
        judged: the errors; the last predictor is compared with the others.
        data: counts.
        plan: what was asked for.
    """
    rng = np.random.default_rng([plan.seeds[0], 29])
    last = judged[-1]
    asked = last.counts > 0
    comparisons = [
        RatingsComparison(
            predictor=other.name,
            rmse_difference=other.rmse - last.rmse,
            mse_difference=share((other.squared - last.squared)[asked], last.counts[asked], rng),
            paired=compare(other.by_user, last.by_user, rng),
        )
        for other in judged[:-1]
    ]
    corrected = holm([c.paired.p for c in comparisons])
    return RatingsRecord(
        plan=plan,
        data=data,
        predictors=tuple(errors.figures(rng) for errors in judged),
        comparisons=tuple(c.model_copy(update={"p_holm": p}) for c, p in zip(comparisons, corrected, strict=True)),
    )
