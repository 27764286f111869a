"""Fit every scorer, learn the fusion on held-out likes, and fit again on everything."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from kgrec.config import Config
from kgrec.errors import NotFoundError
from kgrec.plugin.manager import Registry
from kgrec.plugin.protocols import Scorer, traits_of
from kgrec.plugin.spec import Spec
from kgrec.progress import SILENT, Progress
from kgrec.ranking.checkpoint import Figures, FitStore
from kgrec.ranking.cold_training import add_cold
from kgrec.ranking.fusion import FALLBACK, Gate
from kgrec.ranking.fusion_weights import collect, cross_fitted_ndcg, learn_fusion
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.second_stage import import_lightgbm
from kgrec.ranking.second_stage_training import StageResult, add_second_stage
from kgrec.ranking.selection import Selected, select, unusable
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.ranking.tuned import Tuned
from kgrec.types import TrainingData


@dataclass(frozen=True, slots=True)
class ScorerResult:
    """What training found out about a scorer.

    Attributes:
        name: the scorer's.
        weight: in the fused score; 0 when it does not help.
        recall, ndcg: alone, on the held-out likes.
        seconds: of all its fits.
        options: chosen for it.
        skipped: why it was left out, or the empty string.
        curve: epochs and the held-out figure after each, of a scorer that trains by epochs.
    """

    name: str
    weight: float = 0.0
    recall: float = float("nan")
    ndcg: float = float("nan")
    seconds: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What training did.

    Attributes:
        scorers: one a scorer, best weight first.
        fused_ndcg: of the fusion, on the held-out likes of users that its weights were not learned on (two halves).
        k: recall and NDCG are taken at this length.
        seconds: by step.
        facts: device, threads, counts.
        tuned: what tuning found in this training, empty where none was asked for.
        second_stage: what was found out about it, or None where it was not asked for.
    """

    scorers: tuple[ScorerResult, ...]
    fused_ndcg: float
    k: int
    seconds: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[Tuned, ...] = ()
    second_stage: StageResult | None = None


def train(
    material: TrainingInputs,
    registry: Registry,
    config: Config,
    *,
    only: Sequence[str] | None = None,
    progress: Progress = SILENT,
    store: FitStore = FitStore(None),
) -> tuple[Ranker, TrainReport]:
    """Fit the scorers, choose their settings and weights on the held-out likes, refit on everything.

    Args:
        material: the data.
        registry: the scorers on offer.
        config: settings; ``seed``, ``fusion`` and ``scorers`` are read.
        only: names of the scorers to use, or None for those of :func:`wanted`.
        progress: told where it is.
        store: keeps fits for an interrupted training.

    Raises:
        NotFoundError: ``only``, ``train.scorers``, ``scorers`` or ``fusion.weights`` name a scorer that there is not.
        MissingExtraError: ``fusion.second_stage`` is asked for and LightGBM is not installed.
    """
    if config.fusion.second_stage != "none":
        import_lightgbm()  # that it is missing is an error now, not after the fits
    started = time.perf_counter()
    for name in (*config.scorers, *config.fusion.weights):
        if name not in registry:  # a slip of the pen would otherwise change nothing and say nothing
            raise NotFoundError.of("scorer", name, registry, where="kgrec.toml")
    names = wanted(registry, config, only)
    specs, skipped = _usable(registry, names, material.fit)
    selected = _select_all(specs, material, config, progress, store)
    fitted = time.perf_counter()
    weights, gate, fused_ndcg = _learn(selected, material, config)
    judged = {s.name: s.scorer for s in selected}
    stage, stage_result = add_second_stage(judged, (weights, gate), material, config)
    fused = time.perf_counter()
    used = {*weights, *(stage.members if stage else ()), FALLBACK}
    used |= {s.name for s in selected if traits_of(s.scorer).kept}
    kept = [s for s in selected if s.name in used]
    scorers, refit_seconds = _refit(kept, material, registry, config, progress, store)
    results = [
        ScorerResult(
            s.name,
            weights.get(s.name, 0.0),
            s.recall,
            s.ndcg,
            round(s.seconds + refit_seconds.get(s.name, 0.0), 2),
            s.refit_options,
            curve=s.curve,
        )
        for s in selected
    ]
    results.sort(key=lambda r: (-r.weight, -r.ndcg))
    seconds = {
        "fit": round(fitted - started, 2),
        "fusion": round(fused - fitted, 2),
        "refit": round(time.perf_counter() - fused, 2),
    }
    report = TrainReport((*results, *skipped), fused_ndcg, config.fusion.metric_k, seconds, second_stage=stage_result)
    summary = {
        "k": report.k,
        "fused_ndcg": _json_number(fused_ndcg),
        "seen_last": material.seen_last,
        **({} if stage_result is None else {"second_stage": stage_result.state()}),
        "scorers": {
            r.name: {
                "options": dict(r.options),
                "weight": r.weight,
                "recall": _json_number(r.recall),
                "ndcg": _json_number(r.ndcg),
                "seconds": r.seconds,
            }
            for r in results
        },
    }
    ranker = Ranker(
        material.user_ids, material.item_ids, material.seen, scorers, weights, summary, gate=gate, stage=stage
    )
    return add_cold(ranker, judged, material, registry, config, names=names, progress=progress, store=store), report


def wanted(registry: Registry, config: Config, only: Sequence[str] | None = None) -> list[str]:
    """Return the names of the scorers to train: those listed, else the default ones and those kgrec.toml has words for.

    Args:
        registry: the scorers on offer.
        config: settings; ``train.scorers``, ``scorers``, ``fusion.weights`` and ``generate.steer`` are read.
        only: goes before all of these.
    """
    if only:
        return list(dict.fromkeys(only))
    steers = ["latent"] if config.generate.steer == "latent" else []
    listed = config.train.scorers or registry.defaults({*config.scorers, *config.fusion.weights})
    return list(dict.fromkeys([*listed, *steers]))


def _usable(registry: Registry, names: Sequence[str], data: TrainingData) -> tuple[list[Spec], list[ScorerResult]]:
    specs, skipped = [], []
    for name in dict.fromkeys([*names, FALLBACK]):
        spec = registry[name]
        if traits_of(spec.load()).cold_items == "only":  # it has nothing to say of what is fused by held-out likes
            continue
        if reason := unusable(spec, data):
            skipped.append(ScorerResult(name, skipped=reason))
        else:
            specs.append(spec)
    return specs, skipped


def _select_all(
    specs: Sequence[Spec], material: TrainingInputs, config: Config, progress: Progress, store: FitStore
) -> list[Selected]:
    selected = []
    with progress.task("fitting scorers", total=len(specs)) as task:
        for spec in specs:
            task.note(spec.name)
            selected.append(
                select(
                    spec,
                    material.fit,
                    material.held_out,
                    given=config.scorers.get(spec.name, {}),
                    k=config.fusion.metric_k,
                    seed=config.seed,
                    progress=progress,
                    task=task,
                    store=store,
                )
            )
    return selected


def _learn(
    selected: Sequence[Selected], material: TrainingInputs, config: Config
) -> tuple[dict[str, float], Gate | None, float]:
    """Return weights, how they move with the user, and what the fusion is worth on users it was not learned on."""
    names, held_out = [s.name for s in selected], material.held_out
    fixed = {name: weight for name, weight in config.fusion.weights.items() if name in names and weight > 0}
    if fixed:
        return {name: weight / sum(fixed.values()) for name, weight in fixed.items()}, None, float("nan")
    if config.fusion.method == "equal" or not len(held_out.users):
        return {name: 1.0 / len(names) for name in names}, None, float("nan")
    candidates = collect({s.name: s.scorer for s in selected}, held_out, material.fit.matrix)
    counts = np.diff(material.seen.indptr)[held_out.users]
    rng = np.random.default_rng([config.seed, 7])
    k, max_members = config.fusion.metric_k, config.fusion.max_members
    weights, gate = learn_fusion(names, candidates, counts, k=k, max_members=max_members, rng=rng)
    ndcg = cross_fitted_ndcg(names, candidates, counts, k=k, max_members=max_members, rng=rng)
    return weights, gate, ndcg


def _refit(
    wanted: Sequence[Selected],
    material: TrainingInputs,
    registry: Registry,
    config: Config,
    progress: Progress,
    store: FitStore,
) -> tuple[dict[str, Scorer], dict[str, float]]:
    if material.everything is None:
        return {s.name: s.scorer for s in wanted}, {}
    scorers: dict[str, Scorer] = {}
    seconds: dict[str, float] = {}
    everything = replace(material.everything, validation=None)
    with progress.task("fitting on all data", total=len(wanted)) as task:
        for chosen in wanted:
            task.note(chosen.name)
            spec = registry[chosen.name]
            fit = partial(_fit_all, spec, chosen.refit_options, everything, config.seed, progress, store)
            scorer, found = store.fitted(spec, chosen.refit_options, "everything", fit)
            scorers[chosen.name] = scorer
            seconds[chosen.name] = found["seconds"]
            task.advance()
    return scorers, seconds


def _fit_all(
    spec: Spec, options: dict[str, Any], data: TrainingData, seed: int, progress: Progress, store: FitStore
) -> tuple[Scorer, Figures]:
    started = time.perf_counter()
    built: Scorer = spec.build(options, table=f"scorers.{spec.name}")
    scorer = store.equip(built, spec.name, "everything", progress).fit(data, seed=seed)
    return scorer, {"seconds": time.perf_counter() - started}


def _json_number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 5)
