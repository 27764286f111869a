"""GNN: propagation over users, items and entities. Scores and loads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.errors import PluginError
from kgrec.models import recency
from kgrec.models.factors import ByFactor
from kgrec.models.gnn.explanations import Messages, UserParts
from kgrec.models.history import History, UserLikes
from kgrec.models.training_loop import Schedule, fingerprint
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution, EntityContribution, TextShare, Traits
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.progress import SILENT, Progress
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices, Vectors

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Module

    from kgrec.models.gnn.layers import Authored, EdgeType, Metadata

LARGE = 50_000
"""Users and items above which layers and steps are few by default: time grows with both."""

LARGE_STEPS = 160
"""Steps on large graphs; on small ones 240."""

MAX_BATCH = 32_768
"""User-item pairs in a step, by default at most."""


class GraphOptions(Options):
    """Options of every network that is trained on the graph; a scorer of your own adds to them."""

    embedding_size: int = Field(128, ge=1, description="length of a vector")
    n_layers: int = Field(3, ge=1, description="rounds of propagation")
    epochs: int | None = Field(
        None, ge=0, description="at most so many; exactly so many without validation data; None takes 240 steps"
    )
    patience: int = Field(6, ge=1, description="checks on the validation data without a new best before training stops")
    validate_every: int | None = Field(None, ge=1, description="epochs between two checks; None takes 12 steps")
    learning_rate: float | None = Field(
        None, gt=0, description="of Adam; None takes 0.02 for the linear convolution and 0.005 for others"
    )
    l2: float = Field(
        0.3,
        ge=0,
        description="weight of the squared first layer, a like's loss counting 1",
    )
    batch_size: int | None = Field(
        None, ge=1, description="user-item pairs in a step, about; None takes a quarter of all, at most 32,768"
    )
    history_dropout: float = Field(
        0.4, ge=0, le=0.99, description="share of each history that a step hides and asks for; 0 shows and asks for all"
    )
    id_dropout: float = Field(
        0.3, ge=0, le=0.99, description="share of users and items whose id embedding is hidden in a step"
    )
    cold_dropout: float = Field(
        0.3, ge=0, le=0.99, description="share of items that a step treats as new: no id embedding, no interactions"
    )
    cold_steps: float = Field(0.25, ge=0, le=1, description="share of the steps that treat items as new")
    average: float = Field(
        0.95,
        ge=0,
        le=0.9999,
        description="decay, by step, of the kept average of the weights; 0 keeps the last",
    )
    graph_weight: float = Field(
        0.3, ge=0, description="how much a relation counts at the start, an interaction counting 1; 0: no graph"
    )
    use_text: bool = Field(True, description="whether text vectors are used")
    forgetting: recency.Forgetting = None
    threads: int | None = Field(
        None, ge=1, description="for this training; None takes one for small graphs, else what is set"
    )


class GNNOptions(GraphOptions):
    """Options of ``[scorers.gnn]``."""

    conv: Literal["linear", "sage", "gat", "rgcn", "hgt"] = Field(
        "linear",
        description="how a node's vector is made of its neighbours': linear, the default, fastest and best measured, or"
        " a convolution of torch_geometric (docs/training.md)",
    )


class GraphScorer(Configured):
    """A network over users, items and entities; subclass it and give :meth:`convolution`, a module of torch_geometric.

    The loop, hidden histories, negative sampling, validation, early stopping, checkpoints, texts, new users and items,
    explanations and the stored state are here. Vectors are the mean over the layers of what ``n_layers`` modules make
    of id embeddings and texts, one after the other; a user's vector is id embedding and own words, and the weighted sum
    of the vectors of the history's items, so somebody who came after training has one, too. A score is the product of
    two vectors.

    Attributes:
        progress: who is told of the epochs.
        best_epoch: after ``fit``, the epoch whose weights were kept; a refit without validation trains so many.
        best_metric: NDCG@20 of ``best_epoch`` on the validation data, NaN without.
        checkpoint: file that an interrupted training continues from, or None.
        checkpoint_every: epochs between two checkpoints.
    """

    Options: ClassVar[type[Options]] = GraphOptions
    options: Any
    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="fused")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.progress: Progress = SILENT
        self.checkpoint: Path | None = None
        self.checkpoint_every = 10
        self.best_epoch = 0
        self.best_metric = float("nan")

    def convolution(self, size: int, metadata: Metadata) -> Module:  # noqa: ARG002
        """Return the module of one layer; called ``n_layers`` times, with its random start drawn from the seed.

        The module takes ``x``, kind of node (``user``, ``item``, ``entity``) -> vectors of shape ``(n, size)``, and
        ``edges``, type of edge -> pairs of source and target of shape ``(2, e)``, and returns new vectors by kind; what
        it leaves out counts as 0. ``torch_geometric.nn.HeteroConv`` makes one of convolutions that know one kind.

        Args:
            size: length of a vector, :attr:`GraphOptions.embedding_size`.
            metadata: kinds of nodes and types of edges that there are, each direction a type.
        """
        raise PluginError("a GraphScorer gives its module by the method convolution(size, metadata)")

    def sample(self, edges: Mapping[EdgeType, Tensor], generator: Generator) -> Mapping[EdgeType, Tensor]:  # noqa: ARG002
        """Return the edges that a step of the training propagates over; all of them by default."""
        return edges

    def loss(self, scores: Tensor, asked: Tensor) -> Tensor:
        """Return what a step makes smaller; by default the softmax over the candidates, averaged over the hidden likes.

        Args:
            scores: of users and candidates, shape ``(u, c)``; ``-inf`` for likes that were shown.
            asked: 1 for the likes that were hidden, 0 elsewhere, shape ``(u, c)``.
        """
        total = scores.logsumexp(1, keepdim=True)
        return ((total - scores.masked_fill(asked == 0, 0.0)) * asked).sum() / asked.sum().clamp(min=1)

    def _network(self) -> str | Authored:
        from kgrec.models.gnn.layers import Authored

        return Authored(self.convolution, self.sample, self.loss)

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:  # noqa: ARG003
        """Return the options worth trying on validation data: the defaults."""
        return [{}]

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Train; with ``data.validation`` until NDCG@20 no longer grows, keeping the best epoch's weights.

        Raises:
            CorruptArtifactError: the checkpoint is damaged.
        """
        from kgrec.models.gnn.model import NetworkOptions
        from kgrec.models.gnn.training import StepOptions, fit_network

        given, likes = self.options, data.matrix.nnz
        batch_size = given.batch_size or int(np.clip(-(-likes // 4), 1, MAX_BATCH))
        conv = self._network()
        learning_rate = given.learning_rate or (0.02 if conv == "linear" else 0.005)
        chosen = given.model_dump() | {"batch_size": batch_size, "learning_rate": learning_rate, "conv": conv}
        chosen |= {"seed": seed, "device": data.device}
        network = NetworkOptions(**{each.name: chosen[each.name] for each in fields(NetworkOptions)})
        of_step = StepOptions(**{each.name: chosen[each.name] for each in fields(StepOptions)})
        schedule = self._schedule(max(1, -(-likes // batch_size)), fingerprint(given, data, seed))
        fitted = fit_network(data, network, of_step, schedule, threads=given.threads, progress=self.progress)
        self.best_epoch, self.best_metric = fitted.reached.best_epoch, fitted.reached.best_metric
        self._history, self._state = fitted.history, fitted.state
        self._messages = Messages.from_state(self._state)
        self._known = np.asarray(self._state["items"].any(axis=1))
        self._by_factor = ByFactor(self._state["items"])
        self._history, self._power = recency.remembered(self._history, data, given.forgetting, self._score_histories)
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return what a fit on all data needs to know of this one: how long to train, and the forgetting found best."""
        return {"epochs": self.best_epoch, "forgetting": self._power}

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``.

        NaN for users of whom neither history nor own words are known, and for items without likes, text and entities.
        """
        users = np.asarray(users, dtype=np.int64)
        return self._score_histories(self._history.rows(users), users)

    def _score_histories(self, rows: csr_array, users: UserIndices) -> Scores:
        return self._score(self._own(users) + self._from_history(rows))

    def score_new(self, profile: Profile) -> Vectors:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``.

        Liked items count as in a history, the profile's text like one liked item of that text.
        """
        return np.asarray(self._score(self._from_history(self._history.new(profile)) + self._said([profile]))[0])

    def compact(self, users: UserIndices) -> FactorScores:
        """Return the vectors that :meth:`score` multiplies."""
        return self._compact(self._own(np.asarray(users)) + self._from_history(self._history.rows(users)))

    def compact_new(self, profiles: Sequence[Profile]) -> FactorScores:
        """Return the vectors of people who were not there at training."""
        return self._compact(self._from_history(self._history.new_rows(profiles)) + self._said(profiles))

    def _said(self, profiles: Sequence[Profile]) -> Vectors:
        """Return what people's own words give to their vectors, shape ``(u, d)``."""
        if "text_in" not in self._state:
            return np.zeros((len(profiles), self._state["items"].shape[1]), dtype=np.float32)
        width = len(self._state["text_mean"])
        words = [np.zeros(width, np.float32) if p.text_vector is None else p.text_vector for p in profiles]
        return np.asarray(self._centred(np.reshape(words, (len(profiles), width))) @ self._state["text_in"])

    def _compact(self, vectors: Vectors) -> FactorScores:
        items = self._state["items"]
        return FactorScores(vectors, items, np.asarray(vectors.any(axis=1)), self._known)

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores of ``items`` by the items of the history, the user's own words, and the id embedding."""
        return self._parts(user).contributions(self._state["items"][np.asarray(items, dtype=np.int64)])

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        said, items = self._said([profile])[0], np.asarray(items, dtype=np.int64)
        return self._made_of(UserLikes.of(self._history.new(profile)), said, said).contributions(
            self._state["items"][items]
        )

    def not_told(self) -> str:
        """Say what of a score is not told."""
        return (
            "a score is split by items of the history only; what entities of the graph and words of the item's text add"
            " cannot be told"
        )

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what the item's neighbours in the graph give, see :class:`Messages`."""
        return [] if self._messages is None else self._parts(user).through(self._messages, item)

    def by_text(self, user: int, item: int) -> list[TextShare]:  # noqa: ARG002  # the same for every item
        """Say how the score depends on what of the item's text is in its own vector from the first layer on."""
        return self._parts(user).by_text(self._state["text_own"]) if "text_own" in self._state else []

    def _parts(self, user: int) -> UserParts:
        words = self._state.get("words")
        said = None if words is None or user >= len(words) else words[user]
        return self._made_of(self._history.likes(user), self._own(np.array([user]))[0], said)

    def _made_of(self, row: UserLikes, own: Vectors, said: Vectors | None) -> UserParts:
        weights = (row.data / _root(row.data.sum())).astype(np.float32)
        liked = self._state["items_in"][row.indices] * weights[:, None]
        return UserParts.of(row.indices.astype(np.int64), liked, own, said)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return final vectors, history, and what scoring somebody new needs."""
        return {**self._history.state(), **self._state, "best_epoch": np.array([self.best_epoch])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._history = History.from_state(state)
        ours = ("best_epoch", *History(csr_array((0, 0)), 1.0).state())
        self._state = {name: np.asarray(array) for name, array in state.items() if name not in ours}
        self._messages = Messages.from_state(self._state)
        self._known = np.asarray(self._state["items"].any(axis=1))
        self._by_factor = ByFactor(self._state["items"])
        self.best_epoch = int(state["best_epoch"][0])
        return self

    def _schedule(self, n_steps: int, fingerprint: str) -> Schedule:
        """Return how long to train, an epoch having ``n_steps`` steps."""
        given = self.options
        return Schedule(
            epochs=-(-240 // n_steps) if given.epochs is None else given.epochs,
            validate_every=given.validate_every or max(1, 12 // n_steps),
            patience=given.patience,
            checkpoint=self.checkpoint,
            checkpoint_every=self.checkpoint_every,
            fingerprint=fingerprint,
        )

    def _own(self, users: UserIndices) -> Vectors:
        vectors = self._state["users"]
        own = np.zeros((len(users), vectors.shape[1]), dtype=np.float32)
        known = users < len(vectors)
        own[known] = vectors[users[known]]
        return own

    def _from_history(self, rows: csr_array) -> Vectors:
        sums = np.asarray(rows @ self._state["items_in"], dtype=np.float32)
        return sums / _root(rows.sum(axis=1))[:, None]

    def _centred(self, text: Vectors) -> Vectors:
        known = np.any(text != 0, axis=1, keepdims=True)
        return np.where(known, text - self._state["text_mean"], 0).astype(np.float32)

    def _score(self, vectors: Vectors) -> Scores:
        scores = self._by_factor.scores(vectors)
        scores[~vectors.any(axis=1)] = scores[:, ~self._known] = np.nan
        return scores


class GNN(GraphScorer):
    """Graph neural network: LightGCN with relations, entities and texts, started at collective factors.

    Vectors are ``mean_l A^l (E + T W)`` over users, items and entities: id embeddings ``E``, text vectors ``T``, and an
    adjacency ``A`` in which every relation has a learned scalar for each direction. A score is the product of two
    vectors. Trained to predict the hidden part of a history from the rest by a softmax over the catalogue (Liang et
    al., WWW 2018), with id embeddings dropped at random, so that an item without likes is carried by its text and its
    entities, and a user who came after training by the items of the profile: a user's vector is linear in the history.

    With another ``conv`` the layers are convolutions of torch_geometric (:class:`kgrec.models.gnn.layers.ConvStack`).
    A user's vector stays linear in the history: id embedding, own words, and the weighted sum of the vectors of the
    history's items. So new users, new items and the split of a score by items of the history work as before; how much
    of a score comes through entities or words of the item's text can only be told of the linear one.

    Deviations from LightGCN (He et al., SIGIR 2020): the start, the hiding, the softmax instead of BPR, relations,
    texts, averaged weights.
    """

    Options = GNNOptions
    options: GNNOptions

    def _network(self) -> str | Authored:
        return self.options.conv

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Return the options worth trying on validation data: one set, since it is the scorer that costs most.

        On large graphs a step costs most, so fewer, longer steps are made; the last percent is not worth the hour.
        """
        if data.n_users + data.n_items <= LARGE:
            return [{}]
        steps_an_epoch = -(-data.matrix.nnz // MAX_BATCH)
        return [{"n_layers": 2, "epochs": max(1, -(-LARGE_STEPS // steps_an_epoch))}]

    @classmethod
    def space(cls, data: TrainingData) -> Space:
        """Say what may be tuned."""
        span: dict[str, Range] = {
            "learning_rate": Real(0.001, 0.1, log=True),
            "l2": Real(0.01, 3.0, log=True),
            "n_layers": Whole(1, 4),
            "id_dropout": Real(0.0, 0.7),
            "cold_dropout": Real(0.0, 0.3),
        }
        if data.triples is not None and len(data.triples):
            span["graph_weight"] = Real(0.0, 1.0)
        return span

    def not_told(self) -> str:
        """Say what of a score is not told."""
        conv = self.options.conv
        return "" if conv == "linear" else f"with conv = {conv} {super().not_told()}"


def _root(sums: Any) -> Vectors:
    """Return square roots, 1 where there is nothing."""
    return np.sqrt(np.where(np.asarray(sums) > 0, sums, 1.0)).astype(np.float32)
