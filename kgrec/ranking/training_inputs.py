"""From tables, graph and text vectors to what training works on: the split, the matrices, who is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

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
from kgrec.plugin.domain import Domain
from kgrec.ranking.selection import HeldOut
from kgrec.text.item_text import item_texts
from kgrec.text.terms import TermIndex
from kgrec.types import TrainingData, Triples, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RARE_RETURNS = 0.02
"""Where a smaller share of the events returns to an item, what a user knows comes after all else, not just anywhere."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What is asked of a training; see :meth:`kgrec.project.Project.train`."""

    device: str
    only: Sequence[str] | None = None
    tune: float | None = None
    reset_tuning: bool = False
    refit: bool = False


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """What training works on.

    Attributes:
        fit: the fit part.
        everything: fit part and held-out likes together, or None when the held-out part must stay unseen (because the
            files themselves mark it).
        held_out: whom the scorers are judged on.
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


def prepare(
    dataset: Dataset,
    config: Config,
    domain: Domain,
    *,
    triples: Triples | None,
    item_text: Vectors | None,
    user_text: Vectors | None,
    device: str,
) -> TrainingInputs:
    """Cut off the held-out likes and arrange the rest for the scorers.

    Args:
        dataset: the cleaned tables.
        config: settings; ``feedback``, ``train``, ``debias``, ``recommend`` and ``seed`` are read.
        domain: the domain in force.
        triples: the knowledge graph without users and interactions: it cannot leak what is held out.
        item_text: text vectors of the items, shape ``(n_items, dim)``.
        user_text: vectors of the users' own words, shape ``(n_users, dim)``.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        DataError: nobody likes anything.
    """
    weights = like_weights(dataset, config.feedback, domain)
    split = split_validation(dataset, weights, config.train, config.seed)
    marked = bool((dataset.interactions["split"] == "validation").any())
    rejections = _Rejections.of(dataset, config, domain, texts=item_text is not None)
    fit = _training_data(dataset, split.fit, weights, triples, item_text, user_text, device, rejections)
    if fit.matrix.nnz == 0:
        raise DataError(
            "no interaction counts as a like, so there is nothing to learn from",
            hint="look at feedback.like_threshold and feedback.action_weights (`kgrec info --config`)",
        )
    seen_last = share_of_returns(dataset) < RARE_RETURNS
    held_out = _held_out(dataset, split, weights, include_seen=config.recommend.include_seen and not seen_last)
    everything = None
    if not marked or config.train.refit:
        rows = np.ones(dataset.interactions.height, dtype=np.bool_)
        everything = _training_data(dataset, rows, weights, triples, item_text, user_text, device, rejections)
    return TrainingInputs(
        fit=replace(fit, validation=_spread(held_out, fit.matrix.shape)),
        everything=everything,
        held_out=held_out,
        seen=seen_matrix(dataset),
        user_ids=dataset.users["user_id"].to_list(),
        item_ids=dataset.items["item_id"].to_list(),
        seen_last=seen_last,
    )


def _training_data(
    dataset: Dataset,
    rows: np.ndarray[tuple[int], np.dtype[np.bool_]],
    weights: np.ndarray[tuple[int], np.dtype[np.float32]],
    triples: Triples | None,
    item_text: Vectors | None,
    user_text: Vectors | None,
    device: str,
    rejections: _Rejections,
) -> TrainingData:
    events = to_events(dataset, rows, weights)
    matrix = interaction_matrix(events, dataset.n_users, dataset.n_items)
    data = TrainingData(matrix, events, triples, item_text, user_text, None, device)
    data = debiased(data, rejections.config.debias, times_shown(dataset, rows))
    rejected = rejected_matrix(dataset, rows, weights, rejections.config.feedback, rejections.threshold)
    return replace(data, rejected=rejected, item_terms=rejections.terms) if rejected.nnz else data


@dataclass(frozen=True, slots=True)
class _Rejections:
    """What is needed to know what users turned down, and to learn from it."""

    config: Config
    threshold: float | None
    terms: csr_array | None

    @classmethod
    def of(cls, dataset: Dataset, config: Config, domain: Domain, *, texts: bool) -> _Rejections:
        """Index the words of the items where there are texts and something may have been rejected."""
        marked = config.feedback.low_ratings_reject or bool((dataset.interactions["action"] == IMPRESSION).any())
        terms = None
        if texts and marked:
            words = item_texts(dataset, None, config.text.item_template, domain)
            terms = TermIndex.build(words, min_items=2).matrix
        return cls(config, like_threshold(dataset, config.feedback), terms)


def _held_out(
    dataset: Dataset, split: Split, weights: np.ndarray[tuple[int], np.dtype[np.float32]], *, include_seen: bool
) -> HeldOut:
    from scipy.sparse import csr_array

    truth = interaction_matrix(to_events(dataset, split.validation, weights), dataset.n_users, dataset.n_items)
    users = np.flatnonzero(np.diff(truth.indptr)).astype(np.int64)
    if include_seen:
        masked = csr_array(truth.shape, dtype=np.bool_)
    else:
        known = ~split.validation & (dataset.interactions["split"] == "train").to_numpy()
        masked = seen_matrix(replace(dataset, interactions=dataset.interactions.filter(pl.Series(known))))
    return HeldOut(users, csr_array(truth[users]), csr_array(masked[users]))


def _spread(held_out: HeldOut, shape: tuple[int, int]) -> csr_array:
    """Return the held-out likes as a matrix of all users."""
    from scipy.sparse import csr_array

    counts = np.zeros(shape[0], dtype=np.int64)
    counts[held_out.users] = np.diff(held_out.truth.indptr)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return csr_array((held_out.truth.data, held_out.truth.indices, indptr), shape=shape)
