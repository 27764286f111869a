"""Fit trained models again on changed data: the same scorers with the settings that were found, nothing chosen anew.

After a person was forgotten the models must no longer hold what was learned of the person. Each scorer is fitted on
what is left, with the options and the seed of the training: what comes out is what a training without the person gives
with these options. What a training chose on held-out likes of many people, among them the person's, stays: options,
weights of the fusion, the height of cold items, the trees of the second stage. It is named, with a date by which a
training should choose it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import like_weights, split_validation
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.plugin.manager import PluginManager, Registry
from kgrec.plugin.protocols import ResumableScorer, Scorer
from kgrec.progress import Progress
from kgrec.ranking.cold_training import cold_positions
from kgrec.ranking.distilling import with_distilled
from kgrec.ranking.fitting import Fitter, traits_of_spec, unusable
from kgrec.ranking.fusion import FALLBACK
from kgrec.ranking.private_training import privately
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.second_stage import popularity_of
from kgrec.ranking.training_inputs import TextInputs, TrainingInputs, prepare
from kgrec.types import TrainingData
from kgrec.workspace import Workspace

DAYS = 30
"""Within so many days a training should choose again what stayed."""


@dataclass(frozen=True, slots=True)
class RefitReport:
    """What became of the models.

    Attributes:
        exact: scorers that are as a training without the person leaves them, with the same options.
        left_out: scorers that are in no list until the next training, and why.
        stayed: what was chosen with the person among others, in words.
        by: date by which a training should renew what stayed and what was left out.
    """

    exact: tuple[str, ...]
    left_out: Mapping[str, str]
    stayed: tuple[str, ...]
    by: str

    def state(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "exact": list(self.exact),
            "left_out": dict(self.left_out),
            "stayed": list(self.stayed),
            "by": self.by,
        }


def refit_workspace(
    workspace: Workspace, config: Config, manager: PluginManager, progress: Progress, *, epochs: bool = True
) -> RefitReport:
    """Encode texts and fit the scorers again on the dataset that stands, and publish both.

    Args:
        workspace: with models that were trained on an earlier dataset.
        config: the settings in force.
        manager: the plugins in use.
        progress: told where it is.
        epochs: fit scorers that train by epochs, too; else they leave the lists until the next training.

    Raises:
        WorkspaceError: nothing was trained, or another command is at work.
    """
    info = workspace.info("models")
    domain, registry = manager.domain(config.domain), manager.registry("scorer")
    refit = info.facts.get("refit") == "yes"
    config = config.model_copy(update={"train": config.train.model_copy(update={"refit": refit})})
    threads = choose_threads(config.train.threads)
    with workspace.locked(), limited_threads(threads.count):
        standing = Ranker.load(workspace.folder("models"), registry)
        dataset = Dataset.load(workspace.folder("dataset")).without_test()
        graph = KnowledgeGraph(workspace.folder("graph"), config.graph.base_iri)
        split = split_validation(dataset, like_weights(dataset, config.feedback, domain), config.train, config.seed)
        vectors = TextInputs(workspace, config, manager, domain, lambda: graph).encode(dataset, split, progress)
        inputs = prepare(
            dataset,
            config,
            domain,
            triples=graph.triples(min_entity_degree=config.graph.min_entity_degree),
            item_text=vectors.items if vectors.items.any() else None,
            user_text=vectors.users if vectors.users.any() else None,
            device=str(info.facts.get("device", "cpu")),
            split=split,
        )
        ranker, report = refit_ranker(standing, inputs, registry, Fitter(config, progress), epochs=epochs)
        if standing.distilled is not None:
            ranker, _ = with_distilled(ranker, inputs, config, progress)
        with workspace.publish("text", "models", seed=info.seed) as (text, models):
            vectors.save(text.folder)
            text.facts.update(workspace.info("text").facts)
            ranker.save(models.folder, config.train.precision)
            models.facts.update({**info.facts, "weights": dict(ranker.weights), "likes": int(inputs.fit.matrix.nnz)})
    return report


def refit_ranker(
    standing: Ranker, inputs: TrainingInputs, registry: Registry, fitter: Fitter, *, epochs: bool = True
) -> tuple[Ranker, RefitReport]:
    """Fit the scorers of a ranker again on other data.

    Args:
        standing: the ranker; its options, weights and places of cold items are kept.
        inputs: the data; its numbering becomes that of the ranker.
        registry: the scorers on offer.
        fitter: fits them, with its seed.
        epochs: see :func:`refit_workspace`.
    """
    data = inputs.fit if inputs.everything is None else replace(inputs.everything, validation=None)
    data = privately(data, fitter.config.train.privacy)
    tables = {**fitter.config.scorers, **_options(standing)}
    scorers: dict[str, Scorer] = {}
    left_out: dict[str, str] = {}
    with fitter.progress.task("fitting scorers again", total=len(standing.scorers)) as task:
        for name, before in standing.scorers.items():
            task.note(name)
            if reason := unusable(registry[name], data):
                left_out[name] = reason
            elif not epochs and isinstance(before, ResumableScorer):
                left_out[name] = "trains by epochs"
            else:
                scorers[name], _ = fitter.fit(registry[name], dict(tables.get(name, {})), data, "everything")
            task.advance()
    by = time.strftime("%Y-%m-%d", time.gmtime(time.time() + DAYS * 86_400))
    stage = standing.stage
    if stage is not None:
        whole = set(stage.members) <= set(scorers)
        stage = replace(stage, popularity=popularity_of(data.matrix)) if whole else None
    kept = {"options of the scorers": True, "weights of the fusion": len(standing.weights) > 1}
    kept |= {"height of cold items": standing.cold is not None, "second stage": stage is not None}
    report = RefitReport(tuple(scorers), left_out, tuple(name for name, there in kept.items() if there), by)
    weights = {name: weight for name, weight in standing.weights.items() if name in scorers and weight > 0}
    total = sum(weights.values())
    ranker = replace(
        standing,
        user_ids=inputs.user_ids,
        item_ids=inputs.item_ids,
        seen=inputs.seen,
        scorers=scorers,
        weights={name: weight / total for name, weight in weights.items()} if total else {FALLBACK: 1.0},
        summary={**standing.summary, "seen_last": inputs.seen_last, "renew": report.state()},
        gate=standing.gate if set(standing.weights) <= set(scorers) else None,
        stage=stage,
        cold=None,
        distilled=None,
    )
    return replace(ranker, cold=_cold(standing, scorers, data, registry, fitter)), report


def _options(ranker: Ranker) -> dict[str, dict[str, Any]]:
    return {name: dict(found.get("options", {})) for name, found in ranker.summary.get("scorers", {}).items()}


def _cold(
    standing: Ranker, scorers: Mapping[str, Scorer], data: TrainingData, registry: Registry, fitter: Fitter
) -> Any:
    """Return where cold items are placed now: which items are cold may have changed, the height stays."""
    if standing.cold is None:
        return None
    finders = [name for name, spec in registry.items() if traits_of_spec(spec).cold_items == "only"]
    usable = [name for name in finders if not unusable(registry[name], data)]
    found = {
        name: scorers.get(name)
        or fitter.fit(registry[name], dict(fitter.config.scorers.get(name, {})), data, "everything")[0]
        for name in usable
    }
    items = cold_positions(found)
    weights = dict(zip(standing.cold.members, standing.cold.weights or [1.0] * len(standing.cold.members), strict=True))
    members = {name: weight for name, weight in weights.items() if name in scorers}
    if not len(items):
        return None
    return replace(standing.cold, items=items, members=tuple(members), weights=tuple(members.values()))
