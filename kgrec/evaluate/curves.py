"""Figures of swept options over all seeds, with intervals: the points of trade-off curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgrec.evaluate import lists
from kgrec.evaluate.judging import Result, TestSet
from kgrec.evaluate.significance import NORMAL, bootstrap, jackknife, over_seeds
from kgrec.evaluate.sweep import Sweep

Span = tuple[float, float, float]
"""A mean and the ends of its 95 % interval."""

OVERALL = {"coverage": lists.coverage, "gini": lists.gini}
"""Figures of all lists together, by name."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """The lists at one value.

    Attributes:
        value: of the option.
        metrics: each figure with its interval: over users, and for those of all lists together by the jackknife.
    """

    value: Any
    metrics: Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class SweepCurve:
    """An option of a re-ranker and the figures at each of its values."""

    step: str
    option: str
    points: tuple[SweepPoint, ...]


def curves(
    sweeps: Sequence[Sweep],
    swept: Sequence[Sequence[Sequence[Result]]],
    exams: Sequence[TestSet],
    rng: np.random.Generator,
) -> tuple[SweepCurve, ...]:
    """Put the outcomes of all seeds together.

    Args:
        sweeps: what varied.
        swept: outcomes by seed, sweep and value.
        exams: what was asked, by seed.
        rng: draws users and groups of users.
    """
    return tuple(
        SweepCurve(
            sweep.step,
            sweep.option,
            tuple(
                SweepPoint(value, spans([seed[s][v] for seed in swept], exams, rng))
                for v, value in enumerate(sweep.values)
            ),
        )
        for s, sweep in enumerate(sweeps)
    )


def spans(outcomes: Sequence[Result], exams: Sequence[TestSet], rng: np.random.Generator) -> dict[str, Span]:
    """Return every figure of a system with its interval, from its outcomes in all seeds."""
    found: dict[str, Span] = {}
    users = [test_set.users for test_set in exams]
    for name in outcomes[0].per_user:
        interval = bootstrap(over_seeds(users, [o.per_user[name] for o in outcomes]), rng)
        found[name] = (interval.mean, interval.low, interval.high)
    for name in outcomes[0].overall:
        mean = float(np.mean([outcome.overall[name] for outcome in outcomes]))
        # The seeds share their users, so their errors do not cancel out.
        error = float(np.mean([_error(name, o, test_set, rng) for o, test_set in zip(outcomes, exams, strict=True)]))
        found[name] = (mean, mean - NORMAL * error, mean + NORMAL * error)
    return found


def _error(name: str, outcome: Result, test_set: TestSet, rng: np.random.Generator) -> float:
    figure = OVERALL[name.partition("@")[0]]
    return jackknife(lambda kept: figure(outcome.top[kept], test_set.n_candidates), len(outcome.top), rng)
