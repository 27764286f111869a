"""Fit the scorers of cold items and learn from held-out likes how high their items may come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kgrec.plugin.protocols import traits_of
from kgrec.ranking.checkpoint import Figures, FitStore
from kgrec.ranking.cold import ColdPlacement, Merging, budget, learn_height, merging
from kgrec.ranking.cold_weights import learn_weights
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.score_stats import standardise
from kgrec.ranking.selection import HeldOut, unusable
from kgrec.types import ItemIndices, Scores, TrainingData

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.plugin.manager import Registry
    from kgrec.plugin.protocols import Scorer
    from kgrec.plugin.spec import Spec
    from kgrec.progress import Progress
    from kgrec.ranking.training_inputs import TrainingInputs


Fitter = Callable[["Spec", TrainingData, str], "Scorer"]
"""Fits a scorer with its table of kgrec.toml on a part of the data, which has a name."""


def add_cold(
    ranker: Ranker,
    judged: Mapping[str, Scorer],
    material: TrainingInputs,
    registry: Registry,
    config: Config,
    *,
    names: Sequence[str],
    progress: Progress,
    store: FitStore,
) -> Ranker:
    """Return ``ranker`` with cold items beside the warm ones; the same where nothing is cold or may be spent.

    Args:
        ranker: fitted on all data.
        judged: the same scorers, fitted on the fit part.
        material: the data.
        registry: the scorers on offer.
        config: settings; ``recommend.cold_share``, ``fusion.metric_k``, ``seed`` and ``scorers`` are read.
        names: scorers that may be used.
        progress: told of the fits.
        store: keeps fits for an interrupted training.
    """
    specs = [registry[name] for name in _scoring_cold(names, registry, "only")]
    share = config.recommend.cold_share
    if share == 0 or not len(material.held_out.users):
        return ranker
    chosen = {name: found["options"] for name, found in ranker.summary.get("scorers", {}).items()}
    fit = _fitter({**config.scorers, **chosen}, config.seed, progress, store)
    found = {s.name: fit(s, material.fit, "fit") for s in specs if not unusable(s, material.fit)}
    items = _items(found)
    if not len(items):
        return ranker
    weights = _weights([*found, *_scoring_cold(judged, registry, "always")], material.fit, registry, fit, config.seed)
    if material.fit.rejected is None:
        weights |= dict.fromkeys(_scoring_cold(ranker.weights, registry, "fused"), 1.0)
    cold = ColdPlacement(items, tuple(weights), 0.0, weights=tuple(weights.values()))
    before = replace(ranker, scorers=dict(judged), seen=material.fit.matrix)  # nothing of what is held out
    parts = _merging(before, {**judged, **found}, cold, material.held_out, config.fusion.metric_k)
    height = learn_height(parts, budget(share, len(items), len(ranker.item_ids)))
    if material.everything is not None:
        everything = replace(material.everything, validation=None)
        again = [name for name in {**found, **weights} if name not in ranker.scorers]
        fitted = {name: fit(registry[name], everything, "everything") for name in again}
        items = _items({name: fitted[name] for name in found})
    else:
        fitted = {name: scorer for name, scorer in {**judged, **found}.items() if name not in ranker.scorers}
    if not len(items):
        return ranker
    members = {name: scorer for name, scorer in fitted.items() if name in weights}
    return replace(ranker, scorers={**ranker.scorers, **members}, cold=replace(cold, items=items, height=height))


def _scoring_cold(names: Iterable[str], registry: Registry, when: str) -> list[str]:
    return [name for name in names if traits_of(registry[name].load()).cold_items == when]


def _weights(names: Sequence[str], data: TrainingData, registry: Registry, fit: Fitter, seed: int) -> dict[str, float]:
    """Return the weights of the scorers of cold items; equal where it is not known what was shown and left."""

    def fitted(part: TrainingData, fold: int) -> dict[str, Scorer]:
        usable = [name for name in names if not unusable(registry[name], part)]
        return {name: fit(registry[name], part, f"hidden-{fold}") for name in usable}

    return {name: w for name, w in learn_weights(data, names, fitted, seed=seed).items() if w > 0}


def _fitter(tables: Mapping[str, dict[str, Any]], seed: int, progress: Progress, store: FitStore) -> Fitter:
    def fitted(spec: Spec, data: TrainingData, part: str) -> Scorer:
        options: dict[str, Any] = dict(tables.get(spec.name, {}))

        def fit() -> tuple[Scorer, Figures]:
            started = time.perf_counter()
            built: Scorer = spec.build(options, table=f"scorers.{spec.name}")
            return built.fit(data, seed=seed), {"seconds": time.perf_counter() - started}

        with progress.task(f"fitting {spec.name}", total=1) as task:
            scorer, _ = store.fitted(spec, options, part, fit)
            task.advance()
        return scorer

    return fitted


def _items(scorers: Mapping[str, Any]) -> ItemIndices:
    found = [np.asarray(scorer.items, dtype=np.int64) for scorer in scorers.values()]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _merging(ranker: Ranker, scorers: Mapping[str, Scorer], among: ColdPlacement, held_out: HeldOut, k: int) -> Merging:
    blocks, items = [], among.items
    for block in held_out.blocks(256):
        users = held_out.users[block]
        total = ranker.fused(users)
        raw = {name: np.asarray(scorers[name].score(users)[:, items], dtype=np.float32) for name in among.members}
        cold: Scores = sum(among.standing(raw).values(), start=np.zeros((len(users), len(items)), dtype=np.float32))
        masked, truth = held_out.masked[block], held_out.truth[block]
        blocks.append(merging(total, standardise(cold), items, masked, truth, k))
    names = [part.name for part in fields(Merging)]
    return Merging(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})
