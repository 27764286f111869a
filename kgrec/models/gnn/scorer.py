"""GNN: linear propagation over users, items and entities. Scores and loads without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import options, recency
from kgrec.models.by_factor import ByFactor
from kgrec.models.gnn.messages import Messages
from kgrec.models.gnn.shares import UserParts
from kgrec.models.history import History
from kgrec.plugin.protocols import Contribution, EntityContribution, TextShare, Traits
from kgrec.plugin.space import Range, Real, Space, Whole
from kgrec.progress import SILENT, Progress
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    from kgrec.models.training_loop import Schedule

Floats = NDArray[np.float32]

LARGE = 50_000
"""Users and items above which layers and steps are few by default: time grows with both."""

LARGE_STEPS = 160
"""Steps on large graphs; on small ones 240."""

MAX_BATCH = 32_768
"""User-item pairs in a step, by default at most."""


class GNN:
    """Graph neural network: LightGCN with relations, entities and texts, started at collective factors.

    Vectors are ``mean_l A^l (E + T W)`` over users, items and entities: id embeddings ``E``, text vectors ``T``, and an
    adjacency ``A`` in which every relation has a learned scalar for each direction. A score is the product of two
    vectors. Trained to foretell the hidden part of a history from the rest by a softmax over the catalogue (Liang et
    al., WWW 2018), with id embeddings dropped at random, so that an item without likes is carried by its text and its
    entities, and a user who came after training by the items of the profile: a user's vector is linear in the history.

    Deviations from LightGCN (He et al., SIGIR 2020): the start, the hiding, the softmax instead of BPR, relations,
    texts, averaged weights.

    Attributes:
        progress: who is told of the epochs.
        best_epoch: after ``fit``, the epoch whose weights were kept; a refit without validation trains so many.
        best_metric: NDCG@20 of ``best_epoch`` on the validation data, NaN without.

    Args:
        embedding_size: length of a vector.
        n_layers: rounds of propagation.
        epochs: at most so many; exactly so many without validation data. None takes what makes 240 steps.
        patience: looks at the validation data without a new best before training stops.
        validate_every: epochs between two looks; None takes what makes 12 steps.
        learning_rate: of Adam.
        l2: weight of the summed squares of what goes into the first layer, a like's loss counting 1.
        batch_size: user-item pairs in a step, about; None takes a quarter of all, at most 32,768.
        history_dropout: share of each history that a step hides and asks for; 0 shows all and asks for all.
        id_dropout: share of users and items whose id embedding is hidden in a step.
        cold_dropout: share of items that a step treats as new: no id embedding, no interactions.
        cold_steps: share of the steps that treat items as new.
        average: decay, by step, of the running average of the weights that is kept; 0 keeps the last weights.
        graph_weight: how much a relation counts at the start, an interaction counting 1; 0 leaves the graph out.
        use_text: whether text vectors are used.
        decay: an item of the history counts ``decay ** i`` of its weight if the user turned to ``i`` others since, in
            ``(0, 1]``; only when a user is scored. None, where the data has times: what ranks held-out likes best.
        threads: for this training; None takes one for small graphs, else what is set.
        checkpoint: file that a cut-off training continues from.
        checkpoint_every: epochs between two checkpoints.
    """

    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="fused")

    def __init__(
        self,
        *,
        embedding_size: int = 128,
        n_layers: int = 3,
        epochs: int | None = None,
        patience: int = 6,
        validate_every: int | None = None,
        learning_rate: float = 0.02,
        l2: float = 0.3,
        batch_size: int | None = None,
        history_dropout: float = 0.4,
        id_dropout: float = 0.3,
        cold_dropout: float = 0.3,
        cold_steps: float = 0.25,
        average: float = 0.95,
        graph_weight: float = 0.3,
        use_text: bool = True,
        decay: float | None = None,
        threads: int | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 10,
    ) -> None:
        self.embedding_size = options.integer("embedding_size", embedding_size, low=1)
        self.n_layers = options.integer("n_layers", n_layers, low=1)
        self.epochs = None if epochs is None else options.integer("epochs", epochs, low=0)
        self.patience = options.integer("patience", patience, low=1)
        self.validate_every = (
            None if validate_every is None else options.integer("validate_every", validate_every, low=1)
        )
        self.learning_rate = options.number("learning_rate", learning_rate, low=0, above=True)
        self.l2 = options.number("l2", l2, low=0)
        self.batch_size = None if batch_size is None else options.integer("batch_size", batch_size, low=1)
        self.history_dropout = options.number("history_dropout", history_dropout, low=0, high=0.99)
        self.id_dropout = options.number("id_dropout", id_dropout, low=0, high=0.99)
        self.cold_dropout = options.number("cold_dropout", cold_dropout, low=0, high=0.99)
        self.cold_steps = options.number("cold_steps", cold_steps, low=0, high=1)
        self.average = options.number("average", average, low=0, high=0.9999)
        self.graph_weight = options.number("graph_weight", graph_weight, low=0)
        self.use_text = bool(use_text)
        self.decay = None if decay is None else options.number("decay", decay, low=0, high=1, above=True)
        self.threads = None if threads is None else options.integer("threads", threads, low=1)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_every = options.integer("checkpoint_every", checkpoint_every, low=1)
        self.progress: Progress = SILENT
        self.best_epoch = 0
        self.best_metric = float("nan")

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Return the options worth trying on validation data: one set, it is the dearest scorer.

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

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Train; with ``data.validation`` until NDCG@20 no longer grows, keeping the best epoch's weights.

        Raises:
            CorruptArtifactError: the checkpoint is damaged.
        """
        from kgrec.models.gnn.fitting import fit_network

        fitted = fit_network(self, data, seed)
        self.best_epoch, self.best_metric = fitted.reached.best_epoch, fitted.reached.best_metric
        self._history, self._state = fitted.history, fitted.state
        self._messages = Messages.from_state(self._state)
        self._known = np.asarray(self._state["items"].any(axis=1))
        self._by_factor = ByFactor(self._state["items"])
        whole, steps = self._history.matrix, recency.steps_back(data.events, data.matrix)
        self._decay = self.decay
        if self._decay is None:
            self._decay = recency.choose_decay(self._score_histories, whole, data, steps)
        self._history = self._history.with_matrix(recency.decayed(whole, steps, self._decay))
        return self

    def refit_options(self) -> dict[str, Any]:
        """Return what a fit on all data needs to know of this one: how long to train, and the decay found best."""
        return {"epochs": self.best_epoch, "decay": self._decay}

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``.

        NaN for users of whom neither history nor own words are known, and for items without likes, text and entities.
        """
        users = np.asarray(users, dtype=np.int64)
        return self._score_histories(self._history.rows(users), users)

    def _score_histories(self, rows: csr_array, users: UserIndices) -> Scores:
        return self._score(self._own(users) + self._from_history(rows))

    def score_new(self, profile: Profile) -> Floats:
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

    def _said(self, profiles: Sequence[Profile]) -> Floats:
        """Return what people's own words give to their vectors, shape ``(u, d)``."""
        if "text_in" not in self._state:
            return np.zeros((len(profiles), self._state["items"].shape[1]), dtype=np.float32)
        width = len(self._state["text_mean"])
        words = [np.zeros(width, np.float32) if p.text_vector is None else p.text_vector for p in profiles]
        return np.asarray(self._centred(np.reshape(words, (len(profiles), width))) @ self._state["text_in"])

    def _compact(self, vectors: Floats) -> FactorScores:
        items = self._state["items"]
        return FactorScores(vectors, items, np.asarray(vectors.any(axis=1)), self._known)

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores of ``items`` by the items of the history, the user's own words, and the id embedding."""
        items = np.asarray(items, dtype=np.int64)
        return self._parts(user).contributions(items, self._state["items"][items])

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        said, items = self._said([profile])[0], np.asarray(items, dtype=np.int64)
        return self._made_of(self._history.new(profile), said, said).contributions(items, self._state["items"][items])

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Say what the item's neighbours in the graph give, see :class:`kgrec.models.gnn.messages.Messages`."""
        return [] if self._messages is None else self._parts(user).through(self._messages, item)

    def by_text(self, user: int, item: int) -> list[TextShare]:  # noqa: ARG002  # the same for every item
        """Say how the score depends on what of the item's text is in its own vector from the first layer on."""
        return self._parts(user).by_text(self._state["text_own"]) if "text_own" in self._state else []

    def _parts(self, user: int) -> UserParts:
        words = self._state.get("words")
        said = None if words is None or user >= len(words) else words[user]
        return self._made_of(self._history.rows(np.array([user])), self._own(np.array([user]))[0], said)

    def _made_of(self, row: csr_array, own: Floats, said: Floats | None) -> UserParts:
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

    def schedule(self, n_steps: int, fingerprint: str) -> Schedule:
        """Return how long to train, an epoch having ``n_steps`` steps."""
        from kgrec.models.training_loop import Schedule

        return Schedule(
            epochs=-(-240 // n_steps) if self.epochs is None else self.epochs,
            validate_every=self.validate_every or max(1, 12 // n_steps),
            patience=self.patience,
            checkpoint=self.checkpoint,
            checkpoint_every=self.checkpoint_every,
            fingerprint=fingerprint,
        )

    def _own(self, users: UserIndices) -> Floats:
        vectors = self._state["users"]
        own = np.zeros((len(users), vectors.shape[1]), dtype=np.float32)
        known = users < len(vectors)
        own[known] = vectors[users[known]]
        return own

    def _from_history(self, rows: csr_array) -> Floats:
        sums = np.asarray(rows @ self._state["items_in"], dtype=np.float32)
        return sums / _root(rows.sum(axis=1))[:, None]

    def _centred(self, text: Floats) -> Floats:
        known = np.any(text != 0, axis=1, keepdims=True)
        return np.where(known, text - self._state["text_mean"], 0).astype(np.float32)

    def _score(self, vectors: Floats) -> Scores:
        scores = self._by_factor.scores(vectors)
        scores[~vectors.any(axis=1)] = scores[:, ~self._known] = np.nan
        return scores


def _root(sums: Any) -> Floats:
    """Return square roots, 1 where there is nothing."""
    return np.sqrt(np.where(np.asarray(sums) > 0, sums, 1.0)).astype(np.float32)
