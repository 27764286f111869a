"""From the figures of every user, system and seed to means, intervals, comparisons: what is printed and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.evaluate.ablation import SHUFFLED_GRAPH, WITHOUT_GRAPH, graph_utilisation
from kgrec.evaluate.chart_data import chart_data, distribution, fingerprint
from kgrec.evaluate.groups import group_gaps, make_slices, slice_ndcg
from kgrec.evaluate.impressions import measure_clicks
from kgrec.evaluate.lists_record import (
    Clicks,
    Comparison,
    ListsRecord,
    SliceFigures,
    SplitData,
    SystemFigures,
    Uplift,
)
from kgrec.evaluate.metrics import PerUser
from kgrec.evaluate.plan import FULL, EvaluationPlan
from kgrec.evaluate.sweep import curves
from kgrec.evaluate.test_set import JudgedSystem, Round
from kgrec.evaluate.uplift import compare_debiased, measure_uplift
from kgrec.significance import bootstrap, compare, holm, over_seeds

Column = Sequence[JudgedSystem]
"""A system in all rounds."""


def summarise(rounds: Sequence[Round], plan: EvaluationPlan, dataset: Dataset) -> ListsRecord:
    """Put the rounds of all seeds and folds together.

    Args:
        rounds: one a seed and fold, with the same systems in the same order.
        plan: what was asked for.
        dataset: its users table names the groups.
    """
    rng = np.random.default_rng([plan.seeds[0], 13])
    metric = plan.metric
    columns = list(zip(*(r.judged for r in rounds), strict=True))
    present = [column for column in columns if all(j.result for j in column)]
    values = {c[0].name: _over_seeds(rounds, c, lambda j, _: _values(j, metric)) for c in present}
    full = values[FULL]
    overall = _compared(metric, ("", ""), full, {n: v for n, v in values.items() if n != FULL}, rng)
    slices, sliced = _sliced(rounds, present, plan, rng)
    destroyed = {name: values[name] for name in (WITHOUT_GRAPH, SHUFFLED_GRAPH) if name in values}
    tops = {c[0].name: [j.result.top for j in c if j.result] for c in present}
    return ListsRecord(
        plan=plan,
        data=_split_data(rounds),
        systems=tuple(_figures(rounds, column, rng) for column in columns),
        comparisons=(*overall, *sliced),
        slices=tuple(slices),
        graph_utilisation={name: graph_utilisation(full, others, rng) for name, others in destroyed.items()},
        gaps=tuple(group_gaps(dataset, metric, full, rng)),
        sweeps=curves(plan.sweeps, [r.judged[0].swept for r in rounds], [r.test_set for r in rounds], rng),
        debiased=tuple(compare_debiased(tops, [r.test_set for r in rounds], max(plan.ks), rng)),
        uplift=_uplift(rounds, present, plan, rng),
        clicks=_clicks(rounds, present, plan),
        charts=chart_data(rounds, dataset),
    )


def per_user(rounds: Sequence[Round]) -> pl.DataFrame:
    """Return every figure of every user, means over seeds, so that runs can be compared user by user.

    Returns:
        columns ``system``, ``user`` (position in the dataset) and one a metric (float32, null: not defined).
    """
    tables = []
    for column in zip(*(r.judged for r in rounds), strict=True):
        if not all(j.result for j in column):
            continue
        assert column[0].result is not None
        values = {m: _over_seeds(rounds, column, lambda j, _, m=m: _values(j, m)) for m in column[0].result.per_user}  # type: ignore[misc]
        tested = np.unique(np.concatenate([r.test_set.users for r in rounds]))
        figures = {m: pl.Series(v[tested], dtype=pl.Float32).fill_nan(None) for m, v in values.items()}
        name = pl.lit(column[0].name, dtype=pl.String).alias("system")
        tables.append(pl.DataFrame({"user": tested.astype(np.int32), **figures}).select(name, pl.all()))
    return pl.concat(tables, how="diagonal") if tables else pl.DataFrame()


def _split_data(rounds: Sequence[Round]) -> SplitData:
    first = rounds[0]
    return SplitData(
        users=first.known.shape[0],
        items=first.known.shape[1],
        fit_likes=int(first.known.nnz),
        test_users=len(first.test_set.users),
        test_likes=int(first.test_set.truth.nnz),
        ranked_items=first.test_set.n_candidates,
        categories=first.categories,
        diversity_by="texts" if first.by_text else "categories",
        seed=first.seed,
        checked=first.holdout.checked,
        facts=dict(first.holdout.facts),
        distribution=distribution(first.known),
        test_set=fingerprint(rounds),
    )


def _figures(rounds: Sequence[Round], column: Column, rng: np.random.Generator) -> SystemFigures:
    name = column[0].name
    results = [j.result for j in column if j.result]
    if len(results) < len(column):
        return SystemFigures(name=name, skipped=next(j.skipped for j in column if not j.result))
    names = list(results[0].per_user)
    return SystemFigures(
        name=name,
        metrics={
            m: bootstrap(_over_seeds(rounds, column, lambda j, _, m=m: _values(j, m)), rng)  # type: ignore[misc]
            for m in names
        },
        overall={m: float(np.mean([r.overall[m] for r in results])) for m in results[0].overall},
        seeds={m: _by_seed(rounds, column, m) for m in names},
        weights=tuple(j.weights for j in column),
        seconds=round(sum(j.seconds for j in column), 2),
    )


def _sliced(
    rounds: Sequence[Round], present: Sequence[Column], plan: EvaluationPlan, rng: np.random.Generator
) -> tuple[list[SliceFigures], list[Comparison]]:
    k, metric = max(plan.ks), plan.metric
    cuts = [{(s.by, s.name): s for s in make_slices(r.test_set)} for r in rounds]
    figures: list[SliceFigures] = []
    raw: list[Comparison] = []
    for part in cuts[0]:
        if not all(part in found for found in cuts):
            continue

        def of(judged: JudgedSystem, k_round: int, part: tuple[str, str] = part) -> PerUser:
            assert judged.result is not None
            return slice_ndcg(judged.result.top, rounds[k_round].test_set, cuts[k_round][part], k)

        values = {column[0].name: _over_seeds(rounds, column, of) for column in present}
        figures += [
            SliceFigures(by=part[0], slice=part[1], system=name, metric=metric, interval=bootstrap(v, rng))
            for name, v in values.items()
        ]
        raw += _compared(metric, part, values[FULL], {n: v for n, v in values.items() if n != FULL}, rng)
    corrected = holm([c.paired.p for c in raw])
    return figures, [c.model_copy(update={"p_holm": p}) for c, p in zip(raw, corrected, strict=True)]


def _compared(
    metric: str, part: tuple[str, str], full: PerUser, others: Mapping[str, PerUser], rng: np.random.Generator
) -> list[Comparison]:
    paired = [compare(full, values, rng) for values in others.values()]
    corrected = holm([p.p for p in paired])
    return [
        Comparison(
            system=name,
            metric=metric,
            by=part[0],
            slice=part[1],
            paired=p,
            p_holm=p_holm,
            full=_mean(full),
            other=_mean(values),
        )
        for (name, values), p, p_holm in zip(others.items(), paired, corrected, strict=True)
    ]


def _uplift(
    rounds: Sequence[Round], present: Sequence[Column], plan: EvaluationPlan, rng: np.random.Generator
) -> Uplift | None:
    log = rounds[0].test_set.log  # the splits that have one do not draw, so it is the same for all seeds
    if log is None:
        return None
    lists = {c[0].name: [j.result.of_log for j in c if j.result] for c in present}
    tops = {name: [top for top in of_seeds if top is not None] for name, of_seeds in lists.items()}
    return measure_uplift(log, tops, plan.ks, rng)


def _clicks(rounds: Sequence[Round], present: Sequence[Column], plan: EvaluationPlan) -> Clicks | None:
    shown = rounds[0].test_set.showings  # the same for all seeds, as the log
    if shown is None:
        return None
    found = {c[0].name: [j.result.of_showings for j in c if j.result] for c in present}
    scores = {name: [one for one in of_seeds if one is not None] for name, of_seeds in found.items()}
    return measure_clicks(shown, scores, np.random.default_rng([plan.seeds[0], 17]))


def _by_seed(rounds: Sequence[Round], column: Column, metric: str) -> tuple[float, ...]:
    """Return the mean of each seed; a user who was tested in several folds counts once."""
    found = []
    for seed in dict.fromkeys(r.seed for r in rounds):
        of_seed = [place for place, r in enumerate(rounds) if r.seed == seed]
        folds, judged = [rounds[place] for place in of_seed], [column[place] for place in of_seed]
        found.append(_mean(_over_seeds(folds, judged, lambda j, _: _values(j, metric))))
    return tuple(found)


def _values(judged: JudgedSystem, metric: str) -> PerUser:
    assert judged.result is not None  # columns without results are left out before
    return judged.result.per_user[metric]


def _over_seeds(rounds: Sequence[Round], column: Column, of: Callable[[JudgedSystem, int], PerUser]) -> PerUser:
    values = [of(judged, k) for k, judged in enumerate(column)]
    return over_seeds([found.test_set.users for found in rounds], values)


def _mean(values: PerUser) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
