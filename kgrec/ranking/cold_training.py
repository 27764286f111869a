"""Fit the scorers of cold items and learn from held-out likes how high their items may come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kgrec.ranking.checkpoint import Figures, FitStore
from kgrec.ranking.cold import ColdItems, Merging, budget, learn_height, merging
from kgrec.ranking.fusion import standardise
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.selection import HeldOut
from kgrec.types import ItemIndices, Scores, TrainingData

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.plugin.protocols import Scorer
    from kgrec.plugin.registry import Registry, Spec
    from kgrec.progress import Progress
    from kgrec.ranking.training import Material


def is_cold_only(spec: Spec) -> bool:
    """Say whether a scorer serves cold items alone; its class then has ``cold_only = True`` and ``items``."""
    return bool(getattr(spec.load(), "cold_only", False))


def add_cold(
    ranker: Ranker,
    judged: Mapping[str, Scorer],
    material: Material,
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
    specs = [registry[name] for name in names if is_cold_only(registry[name])]
    share = config.recommend.cold_share
    if share == 0 or not len(material.held_out.users):
        return ranker
    fit = _fitter(config, progress, store)
    found = {s.name: fit(s, material.fit, "fit") for s in specs if not _unusable(s, material.fit)}
    items = _items(found)
    if not len(items):
        return ranker
    also = [name for name in ranker.weights if getattr(registry[name].load(), "inductive", False)]
    members = (*found, *also)
    before = replace(ranker, scorers=dict(judged), seen=material.fit.matrix)  # nothing of what is held out
    parts = _merging(before, {**judged, **found}, members, items, material.held_out, config.fusion.metric_k)
    height = learn_height(parts, budget(share, len(items), len(ranker.item_ids)))
    if material.everything is not None:
        everything = replace(material.everything, validation=None)
        found = {name: fit(registry[name], everything, "everything") for name in found}
        items = _items(found)
    if not len(items):
        return ranker
    cold = ColdItems(items, members, height)
    return replace(ranker, scorers={**ranker.scorers, **found}, cold=cold)


def _fitter(config: Config, progress: Progress, store: FitStore) -> Callable[[Spec, TrainingData, str], Scorer]:
    def fitted(spec: Spec, data: TrainingData, part: str) -> Scorer:
        options: dict[str, Any] = dict(config.scorers.get(spec.name, {}))

        def fit() -> tuple[Scorer, Figures]:
            started = time.perf_counter()
            built: Scorer = spec.build(options, table=f"scorers.{spec.name}")
            return built.fit(data, seed=config.seed), {"seconds": time.perf_counter() - started}

        with progress.task(f"fitting {spec.name}", total=1) as task:
            scorer, _ = store.fitted(spec, options, part, fit)
            task.advance()
        return scorer

    return fitted


def _unusable(spec: Spec, data: TrainingData) -> str:
    needs = getattr(spec.load(), "unusable", None)
    return str(needs(data)) if needs else ""


def _items(scorers: Mapping[str, Any]) -> ItemIndices:
    found = [np.asarray(scorer.items, dtype=np.int64) for scorer in scorers.values()]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _merging(
    ranker: Ranker, scorers: Mapping[str, Scorer], members: Sequence[str], items: ItemIndices, held_out: HeldOut, k: int
) -> Merging:
    blocks = []
    for block in held_out.blocks(256):
        users = held_out.users[block]
        total = ranker.fused(ranker.parts(users), users)
        cold: Scores = sum(
            (standardise(np.asarray(scorers[name].score(users)[:, items], dtype=np.float32)) for name in members),
            start=np.zeros((len(users), len(items)), dtype=np.float32),
        )
        masked, truth = held_out.masked[block], held_out.truth[block]
        blocks.append(merging(total, standardise(cold), items, masked, truth, k))
    names = [part.name for part in fields(Merging)]
    return Merging(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})
