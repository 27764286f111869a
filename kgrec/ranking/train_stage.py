"""Train the hybrid of a workspace and publish it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kgrec.data.split import like_weights, split_validation
from kgrec.errors import UserError
from kgrec.models.memory import keep_freed_memory
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.progress import Progress
from kgrec.ranking import tune_stage as tuning
from kgrec.ranking.checkpoint import FitStore
from kgrec.ranking.training import TrainReport
from kgrec.ranking.training import train as fit
from kgrec.ranking.training_inputs import prepare
from kgrec.workspace import package_versions

if TYPE_CHECKING:
    from kgrec.project import Project


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What is asked of a training; see :meth:`kgrec.project.Project.train`."""

    device: str
    only: Sequence[str] | None = None
    tune: float | None = None
    reset_tuning: bool = False
    refit: bool = False


def train(project: Project, order: TrainOptions, progress: Progress) -> TrainReport:
    """Encode texts, fit the scorers, learn the fusion; see :meth:`kgrec.project.Project.train`.

    Fits that are done are kept in the cache until training ends, so an interrupted run goes on where it stopped.
    """
    from kgrec.ranking.text_inputs import encode

    workspace = project.workspace
    config = project.config.model_copy(update={"train": project.config.train.model_copy(update={"refit": order.refit})})
    workspace.info("graph")
    registry = project.manager.registry("scorer")
    for name in order.only or config.train.scorers or ():
        registry[name]  # a misspelt name is an error now, not after the texts are encoded
    if order.tune is not None:
        tuning.check()
    started = time.perf_counter()
    chosen = resolve_device(order.device)
    threads = choose_threads(config.train.threads)
    keep_freed_memory()
    with workspace.locked(), limited_threads(threads.count):
        project.forget()  # another process may have built anew since something was read
        weights = like_weights(project.dataset, config.feedback, project.domain)
        split = split_validation(project.dataset, weights, config.train, config.seed)
        vectors = encode(project, split, progress)
        with workspace.publish("text", "models", seed=config.seed) as (text, models):
            vectors.save(text.folder)
            text.facts["encoder"] = vectors.encoder
            encoded = time.perf_counter()
            text.started, text.ended, models.started = started, encoded, encoded
            material = prepare(
                project.dataset,
                config,
                project.domain,
                triples=project.graph.triples(min_entity_degree=config.graph.min_entity_degree),
                item_text=vectors.items if vectors.items.any() else None,
                user_text=vectors.users if vectors.users.any() else None,
                device=chosen,
            )
            key = _run_key(project, chosen)
            found = tuning.apply(project, config, material, order, made_from=key, progress=progress)
            store = FitStore(workspace.cache / "training", key)
            ranker, report = fit(material, registry, found.config, only=order.only, progress=progress, store=store)
            ranker.save(models.folder)
            facts = {
                "device": chosen,
                "threads": threads.count,
                "threads_because": threads.why,
                "encoder": vectors.encoder,
                "likes": int(material.fit.matrix.nnz),
                "held_out": int(material.held_out.truth.nnz),
                "refit": "yes" if material.everything is not None else "no",
                **({"tuned": ", ".join(found.used)} if found.used else {}),
            }
            models.facts.update({"weights": dict(ranker.weights), **facts})
        store.clear()
    project.forget()
    seconds = {"texts": round(encoded - started, 2), **found.seconds, **report.seconds}
    return replace(report, seconds=seconds, facts=facts, tuned=found.tuned)


def _run_key(project: Project, device: str) -> str:
    """Hash everything that a fit depends on besides scorer and options."""
    manifest = project.workspace.manifest()
    config = project.config
    parts = [
        {name: manifest[name].fingerprint for name in ("dataset", "graph")},
        config.model_dump(mode="json", include={"seed", "feedback", "graph", "text", "recommend", "debias"}),
        config.train.model_dump(mode="json", include={"validation_fraction", "split", "max_validation_users"}),
        config.fusion.metric_k,
        _keywords_hash(project),
        device,
        package_versions(),
    ]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _keywords_hash(project: Project) -> str:
    named = project.config.text.keywords
    file = project.workspace.root / named if named else None
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() if file and file.is_file() else ""


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
