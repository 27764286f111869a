"""What training works on: texts as models see them, the split, the matrices, what is held out to judge by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION, debiased, rejected_matrix, times_shown
from kgrec.data.split import (
    Split,
    interaction_matrix,
    like_threshold,
    like_weights,
    seen_matrix,
    share_of_returns,
    split_validation,
    to_events,
)
from kgrec.errors import DataError
from kgrec.graph.item_entities import item_labels
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.top_k import mask_seen, top_k
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import Progress
from kgrec.text.cache import EncodingEffort
from kgrec.text.item_text import item_texts, read_keywords
from kgrec.text.terms import TermIndex
from kgrec.text.vectors import TextVectors, encode_dataset
from kgrec.types import Mask, TrainingData, Triples, UserIndices, Vectors
from kgrec.workers import HERE, Workers
from kgrec.workspace import Workspace

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RARE_RETURNS = 0.02
"""Where a smaller share of the events returns to an item, what a user knows comes after all else, not just anywhere."""


LISTED, DRAWN = 20, 20
"""Length of the lists that tell which likes are harder to find; users of whom the mean of all counts as much."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What is asked of a training; see :meth:`kgrec.project.Project.train`."""

    device: str
    only: Sequence[str] | None = None
    tune: float | None = None
    reset_tuning: bool = False
    refit: bool = False
    workers: Workers = HERE


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the scorers are judged on.

    Attributes:
        users: positions of the users with held-out likes, shape ``(u,)``.
        truth: their held-out likes, CSR of shape ``(u, n_items)``.
        masked: what they are known to have seen, CSR of the same shape; never ranked.
        weights: where likes were held out in two ways, how much each user counts, so that both ways count alike, shape
            ``(u,)``, 1 in the mean; None: all count alike.
    """

    users: UserIndices
    truth: csr_array
    masked: csr_array
    weights: NDArray[np.float64] | None = None

    def blocks(self, size: int) -> Iterator[slice]:
        """Iterate over slices of at most ``size`` users."""
        return (slice(start, start + size) for start in range(0, len(self.users), size))

    def sample(self, most: int) -> HeldOut:
        """Return the likes of at most ``most`` of the users, evenly spread over the numbering, which is random."""
        if len(self.users) <= most:
            return self
        rows = np.linspace(0, len(self.users) - 1, most).astype(np.int64)
        weights = None if self.weights is None else self.weights[rows]
        return HeldOut(self.users[rows], self.truth[rows], self.masked[rows], weights)


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """What training works on.

    Attributes:
        fit: the fit part.
        everything: fit part and held-out likes together, or None when the held-out part must stay unseen (because the
            files themselves mark it).
        held_out: what the scorers are judged on.
        seen: every interaction, CSR of shape ``(n_users, n_items)``.
        user_ids, item_ids: the numbering.
        seen_last: users hardly ever return to an item, so what they know comes last where it is recommended at all.
    """

    fit: TrainingData
    everything: TrainingData | None
    held_out: HeldOut
    seen: csr_array
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    seen_last: bool = False


@dataclass(frozen=True)
class TextInputs:
    """What is encoded of items and users.

    Attributes:
        workspace: holds the cache of vectors and the file of keywords.
        config: settings; ``text`` is read.
        manager: knows the encoders.
        domain: the domain in force; brings the template of item texts.
        graph: loads the knowledge graph, which names the items' entities.
        workers: who encodes.
    """

    workspace: Workspace
    config: Config
    manager: PluginManager
    domain: Domain
    graph: Callable[[], KnowledgeGraph]
    workers: Workers = HERE

    def encode(self, dataset: Dataset, split: Split, progress: Progress, *, entity_names: bool = True) -> TextVectors:
        """Encode all items, and the users' own words as far as the fit part holds them.

        Args:
            dataset: the tables, or a part of them.
            split: of the rows of ``dataset``.
            progress: told where it is.
            entity_names: items' texts may name the entities that the graph connects them with.
        """
        return encode_dataset(
            dataset,
            self.config.text,
            self.manager,
            self.domain,
            entity_labels=item_labels(self.graph()) if entity_names else None,
            keywords=self._keywords(dataset),
            rows=pl.Series(split.fit),
            effort=EncodingEffort(self.workspace.cache / "text", progress, self.workers),
        )

    def _keywords(self, dataset: Dataset) -> list[str]:
        named = self.config.text.keywords
        return read_keywords(self.workspace.root / named, dataset.items["item_id"]) if named else []


def prepare(
    dataset: Dataset,
    config: Config,
    domain: Domain,
    *,
    triples: Triples | None,
    item_text: Vectors | None,
    user_text: Vectors | None,
    device: str,
    split: Split | None = None,
) -> TrainingInputs:
    """Hold out some likes and arrange the rest for the scorers.

    Args:
        dataset: the cleaned tables.
        config: settings; ``feedback``, ``train``, ``debias``, ``recommend`` and ``seed`` are read.
        domain: the domain in force.
        triples: the knowledge graph without users and interactions: it cannot leak what is held out.
        item_text: text vectors of the items, shape ``(n_items, dim)``.
        user_text: vectors of the users' own words, shape ``(n_users, dim)``.
        device: ``"cpu"`` or ``"cuda"``.
        split: of the rows, where it is known already; None: made here.

    Raises:
        DataError: nothing counts as a like.
    """
    if split is None:
        weights = like_weights(dataset, config.feedback, domain)
        split = split_validation(dataset, weights, config.train, config.seed)
    weights = split.weights
    marked = bool((dataset.interactions["split"] == "validation").any())
    threshold = like_threshold(dataset, config.feedback)
    may_reject = config.feedback.low_ratings_reject or bool((dataset.interactions["action"] == IMPRESSION).any())
    terms = None  # what users turned down is learned from words, too
    if item_text is not None and may_reject:
        words = item_texts(dataset, None, config.text.item_template, domain)
        terms = TermIndex.build(words, min_items=2).matrix

    def arranged(rows: Mask) -> TrainingData:
        events = to_events(dataset, rows, weights)
        matrix = interaction_matrix(events, dataset.n_users, dataset.n_items)
        data = TrainingData(matrix, events, triples, item_text, user_text, None, device)
        data = debiased(data, config.debias, times_shown(dataset, rows))
        rejected = rejected_matrix(dataset, rows, weights, config.feedback, threshold)
        return replace(data, rejected=rejected, item_terms=terms) if rejected.nnz else data

    fit = arranged(split.fit)
    if fit.matrix.nnz == 0:
        raise DataError(
            "no interaction counts as a like, so there is nothing to learn from",
            hint="look at feedback.like_threshold and feedback.action_weights (`kgrec info --config`)",
        )
    seen_last = share_of_returns(dataset) < RARE_RETURNS
    include_seen = config.recommend.include_seen and not seen_last
    held_out, validation = _held_out(dataset, split, include_seen=include_seen)
    counts = None
    if split.latest is not None and len(held_out.users):
        each = balanced(held_out, split.latest[held_out.users], np.bincount(fit.matrix.indices, minlength=fit.n_items))
        held_out, counts = replace(held_out, weights=each), np.ones(dataset.n_users)
        counts[held_out.users] = each
    refit = not marked or config.train.refit
    return TrainingInputs(
        fit=replace(fit, validation=validation, validation_weights=counts),
        everything=arranged(np.ones(dataset.interactions.height, dtype=np.bool_)) if refit else None,
        held_out=held_out,
        seen=seen_matrix(dataset),
        user_ids=dataset.users["user_id"].to_list(),
        item_ids=dataset.items["item_id"].to_list(),
        seen_last=seen_last,
    )


def balanced(held_out: HeldOut, latest: Mask, popularity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each user counts, so that a per cent more of one kind of user is worth one of the other.

    What comes next is harder to tell than what lies between known likes; how much harder is told by how well
    popularity ranks either. Few users are drawn to the mean of all.

    Args:
        held_out: users and likes.
        latest: whether a user's latest likes were held out, rather than drawn ones, shape ``(u,)``.
        popularity: how many like each item, shape ``(n_items,)``.
    """
    figures = np.zeros(len(latest))
    for block in held_out.blocks(512):
        scores = np.tile(popularity.astype(np.float32), (len(held_out.users[block]), 1))
        mask_seen(scores, held_out.masked[block])
        figures[block] = recall_ndcg(top_k(scores, LISTED)[0], held_out.truth[block])[1]
    mean = max(float(figures.mean()), 1e-6)
    level = [(figures[kind].sum() + DRAWN * mean) / (kind.sum() + DRAWN) for kind in (latest, ~latest)]
    weights = np.where(latest, 1 / level[0], 1 / level[1])
    return np.asarray(weights / weights.mean())


def _held_out(dataset: Dataset, split: Split, *, include_seen: bool) -> tuple[HeldOut, csr_array]:
    """Return what is held out, and the same likes as a matrix of all users."""
    from scipy.sparse import csr_array

    truth = interaction_matrix(to_events(dataset, split.validation, split.weights), dataset.n_users, dataset.n_items)
    users = np.flatnonzero(np.diff(truth.indptr)).astype(np.int64)
    if include_seen:
        masked = csr_array(truth.shape, dtype=np.bool_)
    else:
        known = ~split.validation & (dataset.interactions["split"] == "train").to_numpy()
        masked = seen_matrix(replace(dataset, interactions=dataset.interactions.filter(pl.Series(known))))
    return HeldOut(users, csr_array(truth[users]), csr_array(masked[users])), truth
