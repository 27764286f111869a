"""From the figures of every user, system and seed to means, intervals, comparisons: what is printed and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.evaluate.ablation import FULL, SHUFFLED_GRAPH, WITHOUT_GRAPH, graph_utilisation
from kgrec.evaluate.chart_data import exam_fingerprint, pictures
from kgrec.evaluate.clicks import Clicks, measure_clicks
from kgrec.evaluate.curves import SweepCurve, curves
from kgrec.evaluate.debiased import DebiasedFigures, compare_debiased
from kgrec.evaluate.gaps import Gap, group_gaps
from kgrec.evaluate.metrics import PerUser
from kgrec.evaluate.run import Judged, Plan, Round
from kgrec.evaluate.significance import Interval, Paired, bootstrap, compare, holm, over_seeds
from kgrec.evaluate.slices import make_slices, slice_ndcg
from kgrec.evaluate.uplift import Uplift, measure_uplift


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """A system over all seeds.

    Attributes:
        name: the system's.
        metrics: mean over users (of each user's mean over seeds and folds) with its interval, by metric.
        overall: figures of all lists together, means over seeds and folds.
        seeds: mean over users (of each user's mean over folds) of each metric, for every seed.
        weights: of the scorers, for every seed and fold.
        seconds: of training and judging, all seeds.
        skipped: why there are no figures, or the empty string.
    """

    name: str
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    overall: Mapping[str, float] = field(default_factory=dict)
    seeds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weights: Sequence[Mapping[str, float]] = ()
    seconds: float = 0.0
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole hybrid against another system on the same users.

    Attributes:
        system: the other one.
        metric: what is compared.
        by, slice: the part of the test, empty for all of it.
        paired: full minus other.
        p_holm: corrected for all comparisons of the same kind.
        full, other: the two means.
    """

    system: str
    metric: str
    by: str
    slice: str
    paired: Paired
    p_holm: float
    full: float
    other: float


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """A system on a part of the test."""

    by: str
    slice: str
    system: str
    metric: str
    interval: Interval


@dataclass(frozen=True)
class Evaluation:
    """The result of ``kgrec evaluate``.

    Attributes:
        plan: what was asked for.
        data: counts of the split, and which leak checks held.
        systems: figures of each system.
        comparisons: the whole hybrid against each other system, overall and by slice.
        slices: figures by slice.
        graph_utilisation: share of the metric that is owed to the graph, by how it was destroyed.
        gaps: differences between groups of users, for the whole hybrid.
        sweeps: figures of the whole hybrid at each value of each option that varied.
        uplift: what showing an item changes, where the data tells what was shown, or None.
        clicks: whether what was clicked is scored above what was only shown, or None.
        debiased: figures as observed beside those by inverse propensities, for each system.
        reproduce: config, fingerprints, versions.
        pictures: what else a page draws, see :func:`kgrec.evaluate.chart_data.pictures`.
    """

    plan: Plan
    data: Mapping[str, Any]
    systems: tuple[SystemFigures, ...]
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[SliceFigures, ...] = ()
    graph_utilisation: Mapping[str, Interval] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    sweeps: tuple[SweepCurve, ...] = ()
    debiased: tuple[DebiasedFigures, ...] = ()
    uplift: Uplift | None = None
    clicks: Clicks | None = None
    reproduce: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The metric on which systems are compared."""
        return main_metric(self.plan)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; numbers that are not defined become None."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def main_metric(plan: Plan) -> str:
    """Return the metric on which systems are compared: NDCG at the longest list."""
    return f"ndcg@{max(plan.ks)}"


def summarise(rounds: Sequence[Round], plan: Plan, dataset: Dataset, reproduce: Mapping[str, Any]) -> Evaluation:
    """Put the rounds of all seeds and folds together.

    Args:
        rounds: one a seed and fold, with the same systems in the same order.
        plan: what was asked for.
        dataset: its users table names the groups.
        reproduce: config, fingerprints, versions.
    """
    rng = np.random.default_rng([plan.seeds[0], 13])
    metric = main_metric(plan)
    columns = list(zip(*(r.judged for r in rounds), strict=True))
    present = [column for column in columns if all(j.outcome for j in column)]
    per_user = {c[0].system.name: _over_seeds(rounds, c, lambda j, _: _values(j, metric)) for c in present}
    full = per_user[FULL]
    overall = _compared(metric, ("", ""), full, {n: v for n, v in per_user.items() if n != FULL}, rng)
    slices, sliced = _sliced(rounds, present, plan, rng)
    destroyed = {name: per_user[name] for name in (WITHOUT_GRAPH, SHUFFLED_GRAPH) if name in per_user}
    first = rounds[0]
    tops = {c[0].system.name: [j.outcome.top for j in c if j.outcome] for c in present}
    return Evaluation(
        plan=plan,
        data={**first.facts, "seed_of_these_counts": first.seed, "test_set": exam_fingerprint(rounds)},
        systems=tuple(_figures(rounds, column, rng) for column in columns),
        comparisons=(*overall, *sliced),
        slices=tuple(slices),
        graph_utilisation={name: graph_utilisation(full, values, rng) for name, values in destroyed.items()},
        gaps=tuple(group_gaps(dataset, metric, full, rng)),
        sweeps=curves(plan.sweeps, [r.judged[0].swept for r in rounds], [r.test_set for r in rounds], rng),
        debiased=tuple(compare_debiased(tops, [r.test_set for r in rounds], max(plan.ks), rng)),
        uplift=_uplift(rounds, present, plan, rng),
        clicks=_clicks(rounds, present, plan),
        reproduce=reproduce,
        pictures=pictures(rounds, dataset),
    )


def per_user(rounds: Sequence[Round]) -> pl.DataFrame:
    """Return every figure of every user, means over seeds, so that runs can be compared person by person.

    Returns:
        columns ``system``, ``user`` (position in the dataset) and one a metric (float32, null: not defined).
    """
    tables = []
    for column in zip(*(r.judged for r in rounds), strict=True):
        if not all(j.outcome for j in column):
            continue
        assert column[0].outcome is not None
        values = {m: _over_seeds(rounds, column, lambda j, _, m=m: _values(j, m)) for m in column[0].outcome.per_user}  # type: ignore[misc]
        tested = np.unique(np.concatenate([r.test_set.users for r in rounds]))
        figures = {m: pl.Series(v[tested], dtype=pl.Float32).fill_nan(None) for m, v in values.items()}
        name = pl.lit(column[0].system.name, dtype=pl.String).alias("system")
        tables.append(pl.DataFrame({"user": tested.astype(np.int32), **figures}).select(name, pl.all()))
    return pl.concat(tables, how="diagonal") if tables else pl.DataFrame()


def _figures(rounds: Sequence[Round], column: Sequence[Judged], rng: np.random.Generator) -> SystemFigures:
    name = column[0].system.name
    outcomes = [j.outcome for j in column if j.outcome]
    if len(outcomes) < len(column):
        return SystemFigures(name, skipped=next(j.skipped for j in column if not j.outcome))
    names = list(outcomes[0].per_user)
    return SystemFigures(
        name=name,
        metrics={
            m: bootstrap(_over_seeds(rounds, column, lambda j, _, m=m: _values(j, m)), rng)  # type: ignore[misc]
            for m in names
        },
        overall={m: float(np.mean([o.overall[m] for o in outcomes])) for m in outcomes[0].overall},
        seeds={m: _by_seed(rounds, column, m) for m in names},
        weights=[j.weights for j in column],
        seconds=round(sum(j.seconds for j in column), 2),
    )


def _sliced(
    rounds: Sequence[Round], present: Sequence[Sequence[Judged]], plan: Plan, rng: np.random.Generator
) -> tuple[list[SliceFigures], list[Comparison]]:
    k, metric = max(plan.ks), main_metric(plan)
    cuts = [{(s.by, s.name): s for s in make_slices(r.test_set)} for r in rounds]
    figures: list[SliceFigures] = []
    raw: list[Comparison] = []
    for part in cuts[0]:
        if not all(part in found for found in cuts):
            continue

        def of(judged: Judged, k_round: int, part: tuple[str, str] = part) -> PerUser:
            assert judged.outcome is not None
            return slice_ndcg(judged.outcome.top, rounds[k_round].test_set, cuts[k_round][part], k)

        values = {column[0].system.name: _over_seeds(rounds, column, of) for column in present}
        figures += [SliceFigures(*part, name, metric, bootstrap(v, rng)) for name, v in values.items()]
        raw += _compared(metric, part, values[FULL], {n: v for n, v in values.items() if n != FULL}, rng)
    corrected = holm([c.paired.p for c in raw])
    return figures, [replace(c, p_holm=p) for c, p in zip(raw, corrected, strict=True)]


def _compared(
    metric: str, part: tuple[str, str], full: PerUser, others: Mapping[str, PerUser], rng: np.random.Generator
) -> list[Comparison]:
    paired = [compare(full, values, rng) for values in others.values()]
    corrected = holm([p.p for p in paired])
    return [
        Comparison(name, metric, *part, p, p_holm, _mean(full), _mean(values))
        for (name, values), p, p_holm in zip(others.items(), paired, corrected, strict=True)
    ]


def _uplift(
    rounds: Sequence[Round], present: Sequence[Sequence[Judged]], plan: Plan, rng: np.random.Generator
) -> Uplift | None:
    log = rounds[0].test_set.log  # the splits that have one do not draw, so it is the same for all seeds
    if log is None:
        return None
    lists = {c[0].system.name: [j.outcome.of_log for j in c if j.outcome] for c in present}
    tops = {name: [top for top in of_seeds if top is not None] for name, of_seeds in lists.items()}
    return measure_uplift(log, tops, plan.ks, rng)


def _clicks(rounds: Sequence[Round], present: Sequence[Sequence[Judged]], plan: Plan) -> Clicks | None:
    shown = rounds[0].test_set.showings  # the same for all seeds, as the log
    if shown is None:
        return None
    found = {c[0].system.name: [j.outcome.of_showings for j in c if j.outcome] for c in present}
    scores = {name: [one for one in of_seeds if one is not None] for name, of_seeds in found.items()}
    return measure_clicks(shown, scores, np.random.default_rng([plan.seeds[0], 17]))


def _by_seed(rounds: Sequence[Round], column: Sequence[Judged], metric: str) -> list[float]:
    """Return the mean of each seed; who was tested in several folds counts once."""
    found = []
    for seed in dict.fromkeys(r.seed for r in rounds):
        of_seed = [place for place, r in enumerate(rounds) if r.seed == seed]
        folds, judged = [rounds[place] for place in of_seed], [column[place] for place in of_seed]
        found.append(_mean(_over_seeds(folds, judged, lambda j, _: _values(j, metric))))
    return found


def _values(judged: Judged, metric: str) -> PerUser:
    assert judged.outcome is not None  # columns without outcomes are left out before
    return judged.outcome.per_user[metric]


def _over_seeds(rounds: Sequence[Round], column: Sequence[Judged], of: Callable[[Judged, int], PerUser]) -> PerUser:
    values = [of(judged, k) for k, judged in enumerate(column)]
    return over_seeds([found.test_set.users for found in rounds], values)


def _mean(values: PerUser) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def plain(value: Any) -> Any:
    """Return ``value`` as JSON values; numbers that are not defined become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
