"""From training data to the arrays that the GNN scores with: graph, start, training, final vectors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from kgrec.models.fingerprint import fingerprint
from kgrec.models.gnn.graph import Floats, Graph, build_graph
from kgrec.models.gnn.messages import Messages
from kgrec.models.gnn.model import Network, ridge
from kgrec.models.gnn.scorer import MAX_BATCH
from kgrec.models.gnn.start import collective_start
from kgrec.models.gnn.training import GNNTraining, StepOptions
from kgrec.models.gnn.validation import Validation
from kgrec.models.history import History
from kgrec.models.threads import limited_threads
from kgrec.models.training_loop import Arrays, TrainingState, run
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.gnn.scorer import GNN

SMALL = 1_000_000
"""Entries of the graph below which a second thread costs more than it gives."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training left: how it went, the likes, and the arrays to score with.

    ``users``: what the user's own id embedding and words give, shape ``(n_users, d)``; ``items``: final vectors,
    ``(n_items, d)``; ``items_in``: what a liked item of strength 1 gives to a user, ``(n_items, d)``; ``text_in``: the
    same predicted from a centred text, ``(t, d)``; ``text_mean``: ``(t,)``; ``text_own``: what a centred text gives to
    its own item's final vector at once, ``(t, d)``; ``words``: what the own words give to ``users``,
    ``(n_users, d)``; and what :class:`Messages` keeps.
    """

    reached: TrainingState
    history: History
    state: Arrays


def fit_network(options: GNN, data: TrainingData, seed: int) -> Fitted:
    """Train a network on ``data``."""
    history = History.of(data.matrix)
    graph = build_graph(history.matrix, data.triples if options.graph_weight > 0 else None)
    mean, item_text, user_text = _centred(data) if options.use_text else (None, None, None)
    with _threads(options.threads, graph):
        rng = np.random.default_rng(seed)
        start = collective_start(graph, history.matrix, options.embedding_size, rng, graph_weight=options.graph_weight)
        network = Network(
            graph,
            start,
            user_text=user_text,
            item_text=item_text,
            n_layers=options.n_layers,
            graph_weight=options.graph_weight,
            device=data.device,
        )
        validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
        training = GNNTraining(network, graph, history.matrix, validation, _step_options(options, data), seed)
        reached = TrainingState()
        if data.matrix.nnz:
            schedule = options.schedule(training.n_steps, fingerprint(options, data, seed))
            reached = run(training, schedule, progress=options.progress)
        return Fitted(reached, history, _state(network, graph, history, mean, item_text))


def _threads(threads: int | None, graph: Graph) -> AbstractContextManager[None]:
    if threads is None and len(graph.indices) < SMALL:
        threads = 1
    return nullcontext() if threads is None else limited_threads(threads)


def _step_options(options: GNN, data: TrainingData) -> StepOptions:
    return StepOptions(
        learning_rate=options.learning_rate,
        l2=options.l2,
        batch_size=options.batch_size or int(np.clip(-(-data.matrix.nnz // 4), 1, MAX_BATCH)),
        history_dropout=options.history_dropout,
        id_dropout=options.id_dropout,
        cold_dropout=options.cold_dropout,
        cold_steps=options.cold_steps,
        average=options.average,
    )


def _centred(data: TrainingData) -> tuple[Floats | None, Floats | None, Floats | None]:
    """Return the items' mean text vector, and both kinds of texts less that mean; rows without text stay zero.

    An encoder gives every text a large common part, which says nothing and drowns what differs.
    """
    if data.item_text is None:
        return None, None, None
    known = np.any(data.item_text != 0, axis=1)
    mean = data.item_text[known].mean(axis=0) if known.any() else np.zeros(data.item_text.shape[1], dtype=np.float32)
    texts = [
        None if text is None else np.where(np.any(text != 0, axis=1, keepdims=True), text - mean, 0).astype(np.float32)
        for text in (data.item_text, data.user_text)
    ]
    return mean, texts[0], texts[1]


@torch.no_grad()
def _state(network: Network, graph: Graph, history: History, mean: Floats | None, item_text: Floats | None) -> Arrays:
    layers, n_users = network.propagate(), history.matrix.shape[0]
    own = layers.first[:n_users] / (network.n_layers + 1)
    items = layers.mean[n_users:].cpu().numpy()
    # A like of strength s weighs s / sqrt(d_user d_item); the user's part is known only when a user is scored.
    degree = history.matrix.sum(axis=0)
    scale = np.sqrt(np.where(degree > 0, degree, 1.0)).astype(np.float32)
    items_in = layers.passed[n_users:].cpu().numpy().astype(np.float32) / scale[:, None]
    state: Arrays = {"users": own.cpu().numpy(), "items": items, "items_in": items_in}
    weights = network.adjacency.weights(network.scales).forward
    messages = Messages.of(graph, weights.cpu().numpy(), network.passed_by_all().cpu().numpy())
    state |= {} if messages is None else messages.state()
    n = network.n_layers + 1
    if network.user_text is not None and network.user_projection is not None and bool(network.user_text.any()):
        state["words"] = (network.user_text @ network.user_projection / n).cpu().numpy()
    if mean is not None and item_text is not None and network.item_projection is not None:
        known = np.any(item_text != 0, axis=1)
        state |= {"text_mean": mean, "text_in": ridge(item_text[known], items_in[known])}
        state["text_own"] = (network.item_projection / n).cpu().numpy()
    return state
