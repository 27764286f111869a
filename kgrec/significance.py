"""How sure a figure is: intervals over users, paired tests, correction for many comparisons, effect sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

DRAWS = 2000
"""Resamples of an interval and of a test."""

LEVEL = 0.95
"""Of the intervals."""

BLOCK = 1 << 22
"""Numbers drawn at once."""

GROUPS = 20
"""Groups of users that :func:`jackknife` leaves out one after the other."""

NORMAL = 1.96
"""Standard errors to each side of a 95 % interval."""


Real = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: float(value) if math.isfinite(value) else None, return_type=float | None),
]
"""A number of a record: one that is not finite is null in JSON, and NaN when it is read again."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over users and the range in which it would lie for other users of the same kind.

    Attributes:
        mean: over users.
        low, high: ends of the interval.
        n: users with a value.
    """

    mean: Real
    low: Real
    high: Real
    n: int

    @property
    def span(self) -> tuple[float, float, float]:
        """Mean, low and high."""
        return self.mean, self.low, self.high


UNKNOWN = Interval(math.nan, math.nan, math.nan, 0)
"""Of no values."""


@dataclass(frozen=True, slots=True)
class Paired:
    """How much one system differs from another on the same users.

    Attributes:
        difference: mean of ``a - b``.
        low, high: bootstrap interval of the difference.
        p: of the paired permutation test, two-sided.
        effect: Cohen's d of paired samples: mean over standard deviation of the differences (Cohen 1988).
        n: users with a value in both.
        wins: share of the users for whom ``a`` is above ``b``, ties counted half: 0.5 is none the better (probability
            of superiority, McGraw and Wong 1992; Vargha and Delaney 2000).
    """

    difference: Real
    low: Real
    high: Real
    p: Real
    effect: Real
    n: int
    wins: Real


def bootstrap(values: NDArray[np.float64], rng: np.random.Generator, *, draws: int = DRAWS) -> Interval:
    """Return the mean with its percentile bootstrap interval over users (Efron 1979).

    Args:
        values: one a user, shape ``(u,)``; NaN is left out.
        rng: draws the users.
        draws: resamples.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    low, high = percentiles((known,), np.mean, rng, draws=draws)
    return Interval(float(known.mean()), low, high, len(known))


def percentiles(
    samples: Sequence[NDArray[np.float64]],
    statistic: Callable[..., NDArray[np.float64]],
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic of samples that are drawn each by itself.

    Args:
        samples: each of shape ``(n_i,)``.
        statistic: takes the samples and ``axis``.
        rng: draws from the samples.
        draws: resamples.
    """
    from scipy.stats import bootstrap as resample

    if min(map(len, samples)) < 2:  # the same in every resample
        found = float(statistic(*samples, axis=0))
        return found, found
    batch = max(1, BLOCK // sum(map(len, samples)))
    done = resample(
        samples,
        statistic,
        n_resamples=draws,
        batch=batch,
        vectorized=True,
        method="percentile",
        rng=rng,
        confidence_level=LEVEL,
    )
    return float(done.confidence_interval.low), float(done.confidence_interval.high)


def compare(a: NDArray[np.float64], b: NDArray[np.float64], rng: np.random.Generator, *, draws: int = DRAWS) -> Paired:
    """Compare two systems on the same users: paired bootstrap interval and paired permutation test.

    Under the null hypothesis the sign of each user's difference is a toss of a coin; ``p`` is the share of tosses with
    a mean at least as far from 0, counting the observed one (Fisher 1935; Smucker et al., CIKM 2007). The tosses of all
    users are one matrix product here: scipy.stats.permutation_test takes 15 times as long for 10,000 users.

    Args:
        a: one figure a user, shape ``(u,)``; pairs with a NaN are left out.
        b: the same users in the same order.
        rng: draws users and signs.
        draws: resamples of each kind.
    """
    difference = a - b
    interval = bootstrap(difference, rng, draws=draws)
    known = difference[~np.isnan(difference)]
    if not len(known):
        return Paired(math.nan, math.nan, math.nan, math.nan, math.nan, 0, math.nan)
    observed = abs(known.sum())
    tolerance = 1e-12 * np.abs(known).sum()  # the sums of the same numbers in another order
    extreme, rows = 0, max(1, BLOCK // len(known))
    for start in range(0, draws, rows):
        signs = rng.integers(2, size=(min(rows, draws - start), len(known)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ known) >= observed - tolerance).sum())
    spread = known.std(ddof=1) if len(known) > 1 else 0.0
    effect = float(known.mean() / spread) if spread > 0 else 0.0
    p = (1 + extreme) / (1 + draws)
    wins = float(((known > 0) + 0.5 * (known == 0)).mean())
    return Paired(interval.mean, interval.low, interval.high, p, effect, interval.n, wins)


def resampled(parts: NDArray[np.float64], rng: np.random.Generator, *, draws: int = DRAWS) -> NDArray[np.float64]:
    """Return sums over users drawn with replacement, the same users for all columns, shape ``(draws, m)``.

    Args:
        parts: what each user adds to each sum, shape ``(u, m)``.
        rng: draws the users.
        draws: resamples.
    """
    n = len(parts)
    return np.stack([np.bincount(rng.integers(n, size=n), minlength=n) @ parts for _ in range(draws)])


def intervals(found: NDArray[np.float64], drawn: NDArray[np.float64], n: int) -> list[Interval]:
    """Return figures with their percentile bootstrap intervals.

    Args:
        found: the figures, shape ``(m,)``.
        drawn: the same of resamples, shape ``(draws, m)``; NaN, where a resample has none, is left out.
        n: users.
    """
    ends = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(float(m), float(low), float(high), n) for m, low, high in zip(found, *ends, strict=True)]


def ratio_gap(parts: NDArray[np.float64], drawn: NDArray[np.float64], n: int) -> tuple[Interval, Interval, Interval]:
    """Return two ratios of sums over users and how far the first is above the second.

    Args:
        parts: numerator and denominator of the first and of the second, shape ``(4,)``.
        drawn: the same of resamples, shape ``(draws, 4)``.
        n: users.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.vstack([parts, drawn])
        ratios = ratios[:, ::2] / ratios[:, 1::2]
    figures = np.column_stack([ratios, ratios[:, 0] - ratios[:, 1]])
    first, second, gap = intervals(figures[0], figures[1:], n)
    return first, second, gap


def share(
    part: NDArray[np.float64], whole: NDArray[np.float64], rng: np.random.Generator, *, draws: int = DRAWS
) -> Interval:
    """Return ``mean(part) / mean(whole)`` with its percentile bootstrap interval over users.

    Args:
        part: one figure a user, shape ``(u,)``; pairs with a NaN are left out.
        whole: the same users in the same order.
        rng: draws the users.
        draws: resamples.
    """
    known = ~(np.isnan(part) | np.isnan(whole))
    part, whole = part[known], whole[known]
    if not len(part) or not whole.any():
        return Interval(math.nan, math.nan, math.nan, len(part))
    sums = resampled(np.stack([part, whole], axis=1), rng, draws=draws)
    ratios = np.divide(sums[:, :1], sums[:, 1:], out=np.full((draws, 1), np.nan), where=sums[:, 1:] != 0)
    return intervals(np.array([part.sum() / whole.sum()]), ratios, len(part))[0]


def jackknife(
    statistic: Callable[[NDArray[np.int64]], float], n: int, rng: np.random.Generator, *, groups: int = GROUPS
) -> float:
    """Return the standard error of a figure of all users together: delete-a-group jackknife (Kott 2001).

    ``sqrt((G - 1) / G * sum over g of (t_g - mean t)²)`` for the figures ``t_g`` without each of ``G`` random groups.
    A bootstrap would draw users twice, who add nothing to a coverage.

    Args:
        statistic: the figure of the users at these places, shape ``(m,)``.
        n: users.
        rng: deals out the groups.
        groups: as many, or one a user where there are fewer.
    """
    groups = min(groups, n)
    if groups < 2:
        return math.nan
    group = rng.permutation(n) % groups
    without = np.array([statistic(np.flatnonzero(group != g)) for g in range(groups)])
    return float(np.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum()))


def over_seeds(users: Sequence[NDArray[np.int64]], values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return each user's mean over the seeds and folds that tested them, NaN if none did, shape ``(n_users,)``.

    Args:
        users: positions of the tested users, one array a seed and fold.
        values: their figures in the same order; NaN does not count.
    """
    n_users = max((int(tested.max(initial=-1)) for tested in users), default=-1) + 1
    total, count = np.zeros(n_users), np.zeros(n_users)
    for tested, figures in zip(users, values, strict=True):
        known = ~np.isnan(figures)
        total[tested[known]] += figures[known]
        count[tested[known]] += 1
    means: NDArray[np.float64] = np.divide(total, count, out=np.full(n_users, np.nan), where=count > 0)
    return means


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct for several comparisons: Holm's step-down adjustment (1979), which holds for dependent tests too.

    Args:
        p_values: one a comparison, of any order; NaN stays NaN and does not count.

    Returns:
        adjusted, in the same order: the hypothesis falls where it is at most the level one would use for one test.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    stepped = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]
