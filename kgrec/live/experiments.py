"""Results of experiments that may be looked at every day: intervals that hold at all times at once.

An interval for a fixed number of users is wrong for somebody who looks again and again: peeking daily for a month, it
finds a difference where there is none in a third of the cases. A confidence sequence holds whenever it is looked at
(Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, *Time-uniform central limit theory and asymptotic confidence
sequences*, Annals of Statistics 2024); so does the alarm for unequal groups (Lindon and Malek, *Anytime-valid inference
for multinomial count data*, NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

ALPHA = 0.05
"""Intervals miss the truth at any time at most this often."""

PLANNED = 500.0
"""Users of a variant at which the intervals are narrowest, for their number."""

FEWEST = 30
"""Users of each variant below which nothing is said: the intervals rest on a central limit theorem."""

SRM_ALPHA = 0.001
"""Groups are said to be of the wrong size by chance at most this often."""


@dataclass(frozen=True, slots=True)
class VariantResult:
    """How a variant did.

    Attributes:
        name: of the variant.
        users: who were shown a list.
        lists: shown.
        rate: share of the lists with the wanted action, mean over users.
        difference: of the rate to the first variant's; None for the first.
        low, high: 95 % interval of the difference that holds at all times; None for the first, or with few users.
        verdict: ``better``, ``worse``, or ``open``; empty for the first.
    """

    name: str
    users: int
    lists: int
    rate: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """What is known of an experiment by now.

    Attributes:
        name: of the experiment.
        metric: what users should do.
        variants: in their order.
        uneven: the groups are of other sizes than chance explains: something is wrong with the assignment or the log,
            and the differences mean nothing.
    """

    name: str
    metric: str
    variants: tuple[VariantResult, ...]
    uneven: bool


def radius(variance: float, n: float, *, alpha: float = ALPHA, planned: float = PLANNED) -> float:
    """Return the half width of the asymptotic confidence sequence of a mean of ``n`` observations.

    ``sqrt(variance) * sqrt(2 (n rho^2 + 1) / (n^2 rho^2) * log(sqrt(n rho^2 + 1) / alpha))``, with ``rho`` such that it
    is about narrowest at ``planned`` observations.
    """
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / planned
    grown = n * rho2 + 1
    return float(np.sqrt(variance * 2 * grown / (n**2 * rho2) * np.log(np.sqrt(grown) / alpha)))


def compare(
    name: str, metric: str, outcomes: Mapping[str, tuple[NDArray[np.floating], NDArray[np.integer]]]
) -> ExperimentResult:
    """Compare the variants of an experiment with its first one.

    Args:
        name: of the experiment.
        metric: what users should do.
        outcomes: by variant, of each of its users the share of lists with the wanted action and the number of lists.
    """
    names = list(outcomes)
    base, _ = outcomes[names[0]]
    comparisons = max(len(names) - 1, 1)
    results = []
    for place, variant in enumerate(names):
        rates, lists = outcomes[variant]
        mean = float(rates.mean()) if len(rates) else 0.0
        known: tuple[float | None, float | None, float | None, str] = (None, None, None, "")
        if place:
            known = _difference(rates, base, ALPHA / comparisons)
        results.append(VariantResult(variant, len(rates), int(lists.sum()), mean, *known))
    sizes = [len(outcomes[variant][0]) for variant in names]
    return ExperimentResult(name, metric, tuple(results), uneven(sizes))


def _difference(
    rates: NDArray[np.floating], base: NDArray[np.floating], alpha: float
) -> tuple[float | None, float | None, float | None, str]:
    if not len(rates) or not len(base):
        return None, None, None, "open"
    found = float(rates.mean() - base.mean())
    fewest = min(len(rates), len(base))
    if fewest < FEWEST:
        return found, None, None, "open"
    # Two means as one: the variance of the difference for each user of the smaller group.
    variance = float(rates.var(ddof=1)) * fewest / len(rates) + float(base.var(ddof=1)) * fewest / len(base)
    half = radius(variance, fewest, alpha=alpha)
    verdict = "better" if found > half else "worse" if found < -half else "open"
    return found, found - half, found + half, verdict


def uneven(sizes: Sequence[int], shares: Sequence[float] | None = None) -> bool:
    """Tell whether groups have other sizes than their shares say, by a test that holds at all times.

    The Bayes factor of a Dirichlet prior centred on the shares against the shares themselves is a martingale while the
    shares hold; it passes ``1 / alpha`` with probability ``alpha`` at most.

    Args:
        sizes: users of each group.
        shares: what they should be; None: equal ones.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    wanted = np.full(len(counts), 1 / len(counts)) if shares is None else np.asarray(shares) / np.sum(shares)
    prior = wanted * 100.0
    log_factor = (
        gammaln(prior.sum())
        - gammaln(prior.sum() + counts.sum())
        + float((gammaln(prior + counts) - gammaln(prior)).sum())
        - float((counts * np.log(wanted)).sum())
    )
    return bool(log_factor > -np.log(SRM_ALPHA))
