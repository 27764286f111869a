"""Training of the network: from a part of each history it predicts the rest, by a softmax over the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models.gnn.explanations import Messages
from kgrec.models.gnn.graph import Graph, training_graph
from kgrec.models.gnn.layers import ConvStack, Layers, csr_matrix
from kgrec.models.gnn.model import Masks, Network, NetworkOptions, collective_start, ridge
from kgrec.models.history import History
from kgrec.models.threads import limited_threads
from kgrec.models.training_loop import AdamTraining, Arrays, Schedule, TrainingState, run
from kgrec.models.validation import Validation
from kgrec.progress import SILENT, Progress
from kgrec.types import TrainingData, Vectors

MAX_CANDIDATES = 4096
"""Catalogues up to this size are scored whole; larger ones by a sample of so many items."""

SMALL = 1_000_000
"""Entries of the graph below which a second thread costs more than it gives."""


class SplitHistories:
    """Who liked what, on a device.

    Args:
        likes: strength of each like, shape ``(n_users, n_items)``.
        device: where to.

    Attributes:
        items: item of each like, user by user, shape ``(nnz,)``.
    """

    def __init__(self, likes: csr_array, device: torch.device) -> None:
        self.n_items = likes.shape[1]
        self.items = torch.from_numpy(likes.indices.astype(np.int64)).to(device)
        self._indptr = torch.from_numpy(likes.indptr.astype(np.int64)).to(device)
        self._strengths = torch.from_numpy(likes.data.astype(np.float32)).to(device)
        degree = likes.sum(axis=0)
        # As in the graph, a like of strength s weighs s / sqrt(d_user d_item).
        scale = 1 / np.sqrt(np.where(degree > 0, degree, 1.0))
        self._scale = torch.from_numpy(scale.astype(np.float32)).to(device)

    def split(
        self, users: Tensor, share: float, warm: Tensor | None, generator: torch.Generator
    ) -> tuple[Selection, Selection]:
        """Return what is shown of the histories of ``users`` ``(b,)`` and what is asked for.

        Args:
            users: whose.
            share: probability of each like to be hidden; 0 shows and asks for everything.
            warm: items that are not treated as new, shape ``(n_items,)``, or None for all; the others are never shown.
            generator: what is drawn from.
        """
        counts = self._indptr[users + 1] - self._indptr[users]
        rows = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        starts = torch.repeat_interleave(self._indptr[users] - counts.cumsum(0) + counts, counts)
        likes = starts + torch.arange(len(starts), device=users.device)
        items = self.items[likes]
        shown = torch.rand(len(likes), generator=generator, device=users.device) >= share
        asked = ~shown if share else shown
        if warm is not None:
            shown, asked = shown & warm[items], (asked | ~warm[items])
        shape, strengths = (len(users), self.n_items), self._strengths[likes]
        return (
            Selection(likes, rows, items, strengths * shown, self._scale, shape),
            Selection(likes, rows, items, asked.float(), self._scale, shape),
        )


class Selection:
    """Likes of a block of users, as weights; a like that is not selected weighs 0, so that no shape depends on chance.

    Args:
        likes: position of each like in the matrix, shape ``(k,)``.
        rows: place in the block of each like's user, rising, shape ``(k,)``.
        items: item of each like, shape ``(k,)``.
        weights: weight of each like, shape ``(k,)``.
        scale: factor of each item in :meth:`mixed`, shape ``(n_items,)``.
        shape: users in the block, items.

    Attributes:
        likes, items, weights: as given.
        counts: sum of the weights by user, shape ``(b,)``.
    """

    def __init__(
        self,
        likes: Tensor,
        rows: Tensor,
        items: Tensor,
        weights: Tensor,
        scale: Tensor,
        shape: tuple[int, int],
    ) -> None:
        self.likes, self._rows, self.items, self.weights, self._scale, self._shape = (
            likes,
            rows,
            items,
            weights,
            scale,
            shape,
        )
        self.counts = torch.zeros(shape[0], device=rows.device).index_add_(0, rows, weights)

    def mixed(self, vectors: Tensor) -> Tensor:
        """Return the users' share of a propagation of item vectors ``(n_items, d)`` -> ``(b, d)``."""
        root = self.counts.clamp(min=1e-12).rsqrt()
        return self._product(self.weights * self._scale[self.items] * root[self._rows], vectors)

    def summed(self, vectors: Tensor) -> Tensor:
        """Return the weighted sum of item vectors ``(n_items, d)`` by user -> ``(b, d)``."""
        return self._product(self.weights, vectors)

    def among(self, candidates: Tensor) -> Tensor:
        """Return which of ``candidates`` ``(c,)``, all different, are selected -> ``(b, c)``."""
        place = torch.full((self._shape[1],), -1, device=candidates.device)
        place[candidates] = torch.arange(len(candidates), device=candidates.device)
        # One more column takes what is not selected or no candidate.
        column = torch.where(self.weights > 0, place[self.items], -1) % (len(candidates) + 1)
        found = torch.zeros((self._shape[0], len(candidates) + 1), dtype=torch.bool, device=candidates.device)
        found[self._rows, column] = True
        return found[:, :-1]

    def _product(self, weights: Tensor, vectors: Tensor) -> Tensor:
        pointers = torch.searchsorted(self._rows, torch.arange(self._shape[0] + 1, device=self._rows.device))
        product: Tensor = csr_matrix(pointers, self.items, weights, self._shape) @ vectors
        return product


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is made; :class:`kgrec.models.gnn.scorer.GNNOptions` says what each option means."""

    learning_rate: float
    l2: float
    batch_size: int
    history_dropout: float
    id_dropout: float
    cold_dropout: float
    cold_steps: float
    average: float


class GNNTraining(AdamTraining):
    """A network under training, for :func:`kgrec.models.training_loop.run`.

    A step hides a part of each history of a block of users and asks for it: ``- sum_i log softmax(u . y)_i`` over the
    hidden items, ``u`` made of what is left and the softmax over what is not shown. The loss is the multinomial one
    of Liang et al. (Variational Autoencoders for Collaborative Filtering, WWW 2018), the hiding that of denoising
    autoencoders (Wu et al., WSDM 2016; Steck, NeurIPS 2020): a network that sees what it is asked for learns to
    repeat it. The whole graph is propagated once a step, so blocks are large.

    Args:
        network: what is trained.
        graph: what it propagates over.
        likes: strength of each like, shape ``(n_users, n_items)``.
        validation: how it is judged, or None.
        options: how a step is made.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        likes: csr_array,
        validation: Validation | None,
        options: StepOptions,
        seed: int,
    ) -> None:
        users = torch.from_numpy(np.flatnonzero(np.diff(likes.indptr))).to(network.ids.device)
        n_steps = math.ceil(likes.nnz / options.batch_size)
        own = network.conv.own if isinstance(network.conv, ConvStack) else None
        self._loss = None if own is None else own.loss
        super().__init__(
            {**dict(network.named_parameters()), **dict(network.named_buffers())},
            users,
            n_steps,
            options.learning_rate,
            seed,
            average=options.average,
        )
        self.network, self.validation, self.options = network, validation, options
        self.histories = SplitHistories(likes, self.device)
        entries = torch.from_numpy(graph.interactions).to(self.device)
        self._entries = torch.stack([entries, torch.from_numpy(graph.mirror).to(self.device)[entries]])
        self._liked = torch.unique(self.histories.items)

    def loss(self, users: Tensor) -> Tensor:
        """Return the mean loss over the hidden likes of ``users`` and the penalty."""
        masks, warm = self._draw_masks()
        shown, asked = self.histories.split(users, self.options.history_dropout, warm, self._generator)
        if self.network.linear is None and self.options.history_dropout:
            masks = self._without(masks, asked)
        layers: Layers = self.network.train()(masks, self._generator)
        chosen = self._chosen(layers, users, shown)
        items = layers.mean[self.network.sizes[0] :]
        if self._loss is not None:
            loss = self._own_loss(self._loss, chosen, items, shown, asked)
            return loss + self.options.l2 * layers.energy / len(self.histories.items)
        candidates, correction = self._candidates()
        with self._autocast():
            logits = chosen @ items[candidates].T
        if self.options.history_dropout:
            logits = logits.masked_fill(shown.among(candidates), -torch.inf)
        total = torch.logsumexp(logits.float(), 1) + correction
        # The sum of the asked items' scores is the product with the sum of their vectors: no (likes, d) array.
        misfit = asked.counts @ total - (chosen * asked.summed(items)).sum()
        loss = misfit / asked.counts.sum().clamp(min=1)
        return loss + self.options.l2 * layers.energy / len(self.histories.items)

    def _own_loss(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        chosen: Tensor,
        items: Tensor,
        shown: Selection,
        asked: Selection,
    ) -> Tensor:
        """Return an author's loss: of all liked items, or of those asked for and a sample of the others."""
        candidates, _ = self._candidates()
        candidates = torch.unique(torch.cat([candidates, asked.items[asked.weights > 0]]))
        scores = chosen @ items[candidates].T
        if self.options.history_dropout:
            scores = scores.masked_fill(shown.among(candidates), -torch.inf)
        return loss(scores, asked.among(candidates).float())

    def metric(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        layers = self.network.eval()()
        users, items = layers.mean.split(self.network.sizes[:2])
        if self.network.linear is None:  # a user's vector is not what a convolution makes of the user's node
            everybody = torch.arange(len(users), device=self.device)
            shown, _ = self.histories.split(everybody, 0.0, None, torch.Generator(self.device))
            users = self._chosen(layers, everybody, shown)
        return self.validation.ndcg(users, items)

    def _chosen(self, layers: Layers, users: Tensor, shown: Selection) -> Tensor:
        """Return the vectors of ``users`` ``(b,)`` with the histories ``shown`` -> ``(b, d)``."""
        own: Tensor = layers.first[users] / (self.network.n_layers + 1)
        return own + shown.mixed(layers.passed[self.network.sizes[0] :])

    def _draw_masks(self) -> tuple[Masks, Tensor | None]:
        """Return what the step hides of the graph, and which items it does not treat as new, or None."""
        n_users, n_items = self.network.sizes[:2]
        options, nodes = self.options, None
        if options.id_dropout:
            kept = torch.rand(n_users + n_items, generator=self._generator, device=self.device) >= options.id_dropout
            nodes = kept.float()
        if not options.cold_dropout or not self._is_cold_step():
            return Masks(None if nodes is None else nodes.unsqueeze(1)), None
        warm = torch.rand(n_items, generator=self._generator, device=self.device) >= options.cold_dropout
        nodes = torch.ones(n_users + n_items, device=self.device) if nodes is None else nodes
        nodes[n_users:] *= warm
        entries = torch.ones_like(self.network.adjacency.values)
        entries[self._entries] = warm[self.histories.items].float()
        return Masks(nodes.unsqueeze(1), entries), warm

    def _without(self, masks: Masks, asked: Selection) -> Masks:
        """Hide what is asked for from the graph, too: what a convolution sees it learns to repeat."""
        entries = torch.ones_like(self.network.adjacency.values) if masks.entries is None else masks.entries
        entries[self._entries[:, asked.likes]] *= 1 - asked.weights
        return Masks(masks.nodes, entries)

    def _is_cold_step(self) -> bool:
        """Spread the cold steps evenly; told by the number of steps, so that nothing is asked of the device."""
        share = self.options.cold_steps
        return math.floor((self.steps_done + 1) * share) > math.floor(self.steps_done * share)

    def _candidates(self) -> tuple[Tensor, float]:
        """Return the items to compare with and what their number adds to the log-sum: ``log(all / drawn)``."""
        n = len(self._liked)
        if n <= MAX_CANDIDATES:
            return self._liked, 0.0
        drawn = torch.randperm(n, generator=self._generator, device=self.device)[:MAX_CANDIDATES]
        return self._liked[drawn], math.log(n / MAX_CANDIDATES)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else nullcontext()


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


def fit_network(
    data: TrainingData,
    options: NetworkOptions,
    steps: StepOptions,
    schedule: Schedule,
    *,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Fitted:
    """Train a network.

    Args:
        data: what on.
        options: how the network is made.
        steps: how a step is made.
        schedule: how long to train.
        threads: None takes one for small graphs, else what is set.
        progress: told of the epochs.
    """
    history = History.of(data.matrix)
    mean, item_text, user_text = _centred(data) if options.use_text else (None, None, None)
    triples = data.triples if options.graph_weight > 0 else None
    tensors = training_graph(history.matrix, triples, user_text=user_text, item_text=item_text)
    graph = Graph.of(tensors)
    if threads is None and len(graph.indices) < SMALL:
        threads = 1
    with nullcontext() if threads is None else limited_threads(threads):
        rng = np.random.default_rng(options.seed)
        start = collective_start(graph, history.matrix, options.embedding_size, rng, graph_weight=options.graph_weight)
        network = Network(tensors, graph, start, options)
        validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
        training = GNNTraining(network, graph, history.matrix, validation, steps, options.seed)
        reached = run(training, schedule, progress=progress) if data.matrix.nnz else TrainingState()
        return Fitted(reached, history, scoring_arrays(network, graph, history, mean, item_text))


def _centred(data: TrainingData) -> tuple[Vectors | None, Vectors | None, Vectors | None]:
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
def scoring_arrays(
    network: Network, graph: Graph, history: History, mean: Vectors | None = None, item_text: Vectors | None = None
) -> Arrays:
    """Return :attr:`Fitted.state` of a network.

    Args:
        network: as trained.
        graph: what it propagates over.
        history: the likes.
        mean: mean text vector of the items, shape ``(t,)``, or None without texts.
        item_text: text vectors less the mean, shape ``(n_items, t)``, or None.
    """
    layers, n_users = network.eval()(), history.matrix.shape[0]
    own = layers.first[:n_users] / (network.n_layers + 1)
    items = layers.mean[n_users:].cpu().numpy()
    # A like of strength s weighs s / sqrt(d_user d_item); the user's part is known only when a user is scored.
    degree = history.matrix.sum(axis=0)
    scale = np.sqrt(np.where(degree > 0, degree, 1.0)).astype(np.float32)
    items_in = layers.passed[n_users:].cpu().numpy().astype(np.float32) / scale[:, None]
    state: Arrays = {"users": own.cpu().numpy(), "items": items, "items_in": items_in}
    if network.linear is not None:
        weights = network.adjacency.weights(network.linear.scales).forward
        passed = network.linear.passed_by_all(network.start())
        messages = Messages.of(graph, weights.cpu().numpy(), passed.cpu().numpy())
        state |= {} if messages is None else messages.state()
    else:
        items[~_reached(network, graph)] = 0  # a convolution may make something of nothing
    n = network.n_layers + 1
    if network.user_text is not None and network.user_projection is not None and bool(network.user_text.any()):
        state["words"] = (network.user_text @ network.user_projection / n).cpu().numpy()
    if mean is not None and item_text is not None and network.item_projection is not None:
        known = np.any(item_text != 0, axis=1)
        state |= {"text_mean": mean, "text_in": ridge(item_text[known], items_in[known])}
        if network.linear is not None:
            state["text_own"] = (network.item_projection / n).cpu().numpy()
    return state


def _reached(network: Network, graph: Graph) -> NDArray[np.bool_]:
    """Return which items have an edge or a text, shape ``(n_items,)``."""
    joined = np.diff(graph.indptr)[graph.n_users : graph.n_users + graph.n_items] > 0
    return joined if network.item_text is None else joined | network.item_text.cpu().numpy().any(axis=1)
