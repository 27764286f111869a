"""Train the hybrid: fit every scorer, learn the fusion on held-out likes, fit again on everything, publish it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import like_weights, split_validation
from kgrec.errors import ConfigError, NotFoundError, PartError, UserError
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.threads import choose_threads, keep_freed_memory, limited_threads
from kgrec.plugin.manager import PluginManager, Registry
from kgrec.plugin.protocols import Scorer, traits_of
from kgrec.plugin.spec import Spec
from kgrec.progress import Progress
from kgrec.ranking.cold_training import add_cold
from kgrec.ranking.distilling import with_distilled
from kgrec.ranking.fitting import FitStore, Fitter, Options, Selected, unusable
from kgrec.ranking.fusion import FALLBACK, Fusion, Gate
from kgrec.ranking.fusion_weights import collect, learn_fusion
from kgrec.ranking.places import place_shares
from kgrec.ranking.private_training import train_privately
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.second_stage import import_lightgbm
from kgrec.ranking.second_stage_training import add_second_stage
from kgrec.ranking.side_by_side import refitted, settle
from kgrec.ranking.together import Together, compare_together
from kgrec.ranking.train_report import ScorerResult, TrainReport
from kgrec.ranking.training_inputs import TextInputs, TrainingInputs, TrainOptions, prepare
from kgrec.ranking.tuned import earlier
from kgrec.ranking.tuning import quiet_optuna, search
from kgrec.types import TrainingData
from kgrec.workers import told
from kgrec.workspace import Workspace, package_versions

CURRENT_S = 30 * 86_400
"""Data that ended longer ago, in seconds, is a record of the past."""


def train_workspace(
    workspace: Workspace, config: Config, manager: PluginManager, order: TrainOptions, progress: Progress
) -> TrainReport:
    """Encode texts, fit the scorers, learn the fusion; see :meth:`kgrec.project.Project.train`.

    Dataset and graph are read when the workspace is held, for another process may have rebuilt them. Fits that are done
    are kept in the cache until training ends, so an interrupted run resumes where it stopped.
    """
    config = config.model_copy(update={"train": config.train.model_copy(update={"refit": order.refit})})
    workspace.info("graph")
    registry = manager.registry("scorer")
    for name in order.only or config.train.scorers or ():
        registry[name]  # a misspelt name is an error now, not after the texts are encoded
    if order.tune is not None:
        with quiet_optuna():  # that it is missing is an error now, not after the texts are encoded
            pass
    if config.train.distill and config.train.privacy.epsilon is not None:
        raise ConfigError("train.distill looks at every history, train.privacy.epsilon forbids it", hint="set only one")
    started = time.perf_counter()
    chosen = resolve_device(order.device)
    threads = choose_threads(config.train.threads)
    keep_freed_memory()
    domain = manager.domain(config.domain)
    with workspace.locked(), limited_threads(threads.count):
        dataset = Dataset.load(workspace.folder("dataset")).without_test()
        graph = KnowledgeGraph(workspace.folder("graph"), config.graph.base_iri)
        weights = like_weights(dataset, config.feedback, domain)
        split = split_validation(dataset, weights, config.train, config.seed)
        texts = TextInputs(workspace, config, manager, domain, lambda: graph, order.workers)
        vectors = texts.encode(dataset, split, progress)
        with workspace.publish("text", "models", seed=config.seed) as (text, models):
            vectors.save(text.folder)
            text.facts["encoder"] = vectors.encoder
            encoded = time.perf_counter()
            text.started, text.ended, models.started = started, encoded, encoded
            inputs = prepare(
                dataset,
                config,
                domain,
                triples=graph.triples(min_entity_degree=config.graph.min_entity_degree),
                item_text=vectors.items if vectors.items.any() else None,
                user_text=vectors.users if vectors.users.any() else None,
                device=chosen,
                split=split,
            )
            key = _run_key(workspace, config, chosen)
            found = search(inputs, registry, Fitter(config, progress), order, workspace, made_from=key)
            starts = {} if order.reset_tuning else earlier(workspace, registry)
            store = FitStore(workspace.cache / "training", key)
            fitter = Fitter(found.config, progress, store, order.workers)
            ranker, report = train(inputs, registry, fitter, only=order.only, starts=starts)
            notes: dict[str, str] = {}
            if config.train.distill:
                ranker, notes["distilled"] = with_distilled(ranker, inputs, config, progress)
            ranker.save(models.folder, config.train.precision)
            facts = {
                **notes,
                "device": chosen,
                "threads": threads.count,
                "threads_because": threads.why,
                "encoder": vectors.encoder,
                "likes": int(inputs.fit.matrix.nnz),
                "held_out": int(inputs.held_out.truth.nnz),
                "refit": "yes" if inputs.everything is not None else "no",
                **({"tuned": ", ".join(found.used)} if found.used else {}),
            }
            models.facts.update({"weights": dict(ranker.weights), **facts})
        store.clear()
    seconds = {"texts": round(encoded - started, 2), **found.seconds, **report.seconds}
    return replace(report, seconds=seconds, facts=facts, tuned=found.tuned)


def _run_key(workspace: Workspace, config: Config, device: str) -> str:
    """Hash everything that a fit depends on besides scorer and options."""
    manifest = workspace.manifest()
    named = config.text.keywords
    file = workspace.root / named if named else None
    keywords = hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() if file and file.is_file() else ""
    parts = [
        {name: manifest[name].fingerprint for name in ("dataset", "graph")},
        config.model_dump(mode="json", include={"seed", "feedback", "graph", "text", "recommend", "debias"}),
        config.train.model_dump(mode="json", include={"validation_fraction", "split", "max_validation_users"}),
        config.fusion.metric_k,
        keywords,
        device,
        package_versions(),
    ]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def resolve_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``.

    Raises:
        UserError: CUDA was asked for and there is none.
    """
    if device == "cpu":
        return device
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError("there is no CUDA device", hint="use --device auto or cpu; `kgrec doctor` shows what is here")
    return "cuda" if available else "cpu"


def train(
    inputs: TrainingInputs,
    registry: Registry,
    fitter: Fitter,
    *,
    only: Sequence[str] | None = None,
    starts: Mapping[str, Options] | None = None,
) -> tuple[Ranker, TrainReport]:
    """Fit the scorers, choose their settings and weights on the held-out likes, refit on everything.

    Args:
        inputs: the data.
        registry: the scorers on offer.
        fitter: fits them; of its settings ``seed``, ``fusion``, ``recommend`` and ``scorers`` are read.
        only: names of the scorers to use, or None for those of :func:`wanted`.
        starts: options that an earlier training found, by scorer; the search starts from them.

    Raises:
        NotFoundError: ``only``, ``train.scorers``, ``scorers`` or ``fusion.weights`` name a scorer that there is not.
        MissingExtraError: ``fusion.second_stage`` is asked for and LightGBM is not installed.
    """
    config = fitter.config
    if config.fusion.second_stage != "none":
        import_lightgbm()  # that it is missing is an error now, not after the fits
    started = time.perf_counter()
    for name in (*config.scorers, *config.fusion.weights):
        if name not in registry:  # a slip of the pen would otherwise change nothing and say nothing
            raise NotFoundError.of("scorer", name, registry, where="kgrec.toml")
    names = wanted(registry, config, only)
    if config.train.privacy.epsilon is not None:
        return train_privately(inputs, registry, names, fitter)
    specs, skipped = _usable(registry, names, inputs.fit)
    selected = []
    with fitter.progress.task(told("fitting scorers", fitter.workers), total=len(specs)) as task:
        for spec, found in zip(specs, settle(fitter, specs, inputs, starts or {}, task), strict=True):
            if isinstance(found, PartError):  # its plugin's fault: the others go on without it
                skipped.append(ScorerResult(spec.name, skipped=found.message))
            else:
                selected.append(found)
    fitted = time.perf_counter()
    weights, gate, together = _learn(selected, inputs, config)
    judged = {s.name: s.scorer for s in selected}
    stage, stage_result = add_second_stage(judged, (weights, gate), inputs, config)
    ends = Fusion(judged, weights, inputs.fit.n_items, gate=gate, stage=stage)
    places = place_shares(ends, inputs.held_out, inputs.fit.n_items)
    fused = time.perf_counter()
    used = {*weights, *(stage.members if stage else ()), FALLBACK}
    used |= {s.name for s in selected if traits_of(s.scorer).kept}
    scorers, refit_seconds = _refit([s for s in selected if s.name in used], inputs, registry, fitter)
    results = [
        ScorerResult(
            s.name,
            weights.get(s.name, 0.0),
            s.recall,
            s.ndcg,
            round(s.seconds + refit_seconds.get(s.name, 0.0), 2),
            s.refit_options,
            s.options,
            max(len(s.tried), 1),
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
    report = TrainReport((*results, *skipped), together, config.fusion.metric_k, seconds, second_stage=stage_result)
    summary = {
        "k": report.k,
        "together": None if together is None else asdict(together),
        "seen_last": inputs.seen_last,
        "places": places,
        "current": _is_current(inputs.everything or inputs.fit),
        **({} if stage_result is None else {"second_stage": stage_result.state()}),
        "scorers": {r.name: r.summary() for r in results},
    }
    numbering = (inputs.user_ids, inputs.item_ids, inputs.seen)
    ranker = Ranker(*numbering, scorers, weights, summary, gate=gate, stage=stage)
    return add_cold(ranker, judged, inputs, registry, names, fitter), report


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
        try:
            if traits_of(spec.load()).cold_items == "only":  # it has nothing to say of what is fused by held-out likes
                continue
            reason = unusable(spec, data)
        except PartError as error:
            reason = error.message
        if reason:
            skipped.append(ScorerResult(name, skipped=reason))
        else:
            specs.append(spec)
    return specs, skipped


def _learn(
    selected: Sequence[Selected], inputs: TrainingInputs, config: Config
) -> tuple[dict[str, float], Gate | None, Together | None]:
    """Return weights, how they move with the user, and what the fusion is worth beside its best member.

    Where it is worth no more, that member has all the weight.
    """
    names, held_out = [s.name for s in selected], inputs.held_out
    fixed = {name: weight for name, weight in config.fusion.weights.items() if name in names and weight > 0}
    if fixed:
        return {name: weight / sum(fixed.values()) for name, weight in fixed.items()}, None, None
    if config.fusion.method == "equal" or not len(held_out.users):
        return {name: 1.0 / len(names) for name in names}, None, None
    candidates = collect({s.name: s.scorer for s in selected}, held_out, inputs.fit.matrix)
    counts = np.diff(inputs.seen.indptr)[held_out.users]
    rng = np.random.default_rng([config.seed, 7])
    k, max_members = config.fusion.metric_k, config.fusion.max_members
    weights, gate = learn_fusion(names, candidates, counts, k=k, max_members=max_members, rng=rng)
    together = compare_together(names, candidates, counts, k=k, max_members=max_members, rng=rng)
    return ({together.best: 1.0}, None, together) if together.alone else (weights, gate, together)


def _refit(
    chosen: Sequence[Selected], inputs: TrainingInputs, registry: Registry, fitter: Fitter
) -> tuple[dict[str, Scorer], dict[str, float]]:
    """Return the scorers fitted on all data, and the seconds of each."""
    if inputs.everything is None:
        return {s.name: s.scorer for s in chosen}, {}
    scorers, seconds = {}, {}
    with fitter.progress.task(told("fitting on all data", fitter.workers), total=len(chosen)) as task:
        for one, fitted in zip(chosen, refitted(fitter, chosen, registry, inputs, task), strict=True):
            scorers[one.name], seconds[one.name] = fitted
    return scorers, seconds


def _is_current(data: TrainingData) -> bool:
    """Say whether the data goes on to this day, rather than being a record of the past."""
    times = data.events.times
    return times is None or not len(times) or time.time() - float(times.max()) < CURRENT_S
