"""Train the hybrid of a workspace and publish it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import like_weights, split_validation
from kgrec.errors import UserError
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.threads import choose_threads, keep_freed_memory, limited_threads
from kgrec.plugin.manager import PluginManager
from kgrec.progress import Progress
from kgrec.ranking import tune_stage as tuning
from kgrec.ranking.checkpoint import FitStore
from kgrec.ranking.text_inputs import TextInputs
from kgrec.ranking.training import TrainReport
from kgrec.ranking.training import train as fit
from kgrec.ranking.training_inputs import TrainOptions, prepare
from kgrec.workspace import Workspace, package_versions


def train(
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
        tuning.check()
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
        vectors = TextInputs(workspace, config, manager, domain, lambda: graph).encode(dataset, split, progress)
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
            )
            key = _run_key(workspace, config, chosen)
            kept = tuning.folder_of(workspace)
            found = tuning.search(inputs, registry, config, order, folder=kept, made_from=key, progress=progress)
            store = FitStore(workspace.cache / "training", key)
            ranker, report = fit(inputs, registry, found.config, only=order.only, progress=progress, store=store)
            ranker.save(models.folder)
            facts = {
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
