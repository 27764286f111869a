"""What a user did last says most about what comes next: histories whose older items count less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models.history import History
from kgrec.models.ndcg import discount
from kgrec.types import Events, Scores, TrainingData, UserIndices

Decay = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        description="when a user is scored, an item of the history counts decay ** i if the user turned to i others "
        "since; None, where the data has times: what ranks held-out likes best",
    ),
]
"""The option of scorers whose histories are :func:`remembered`."""
DECAYS = (1.0, 0.85, 0.7, 0.5)
"""What is tried; 1 counts all items alike."""
LEAST_GAIN = 0.005
"""A decay must raise the gain by this share, or all items count alike."""
JUDGED = 1 << 24
"""At most so many scores are looked at for a decay; users beyond are left out."""
LENGTH = 20
"""Length of the lists on which a decay is judged."""


def steps_back(events: Events, matrix: csr_array) -> NDArray[np.int64] | None:
    """Return how many other items each user turned to since the last event on the item, aligned with ``matrix.data``.

    0 is the item touched last. Events of the same time keep their order. None when the data has no times.

    Args:
        events: in the order of time.
        matrix: one entry for each pair of user and item in ``events``, sorted indices, shape ``(n_users, n_items)``.
    """
    if events.times is None:
        return None
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    pairs = users * matrix.shape[1] + matrix.indices
    places = np.searchsorted(pairs, events.users * matrix.shape[1] + events.items)
    last = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(last, places, np.arange(1, len(events) + 1))
    order = np.lexsort((-last, users))
    result = np.empty(len(pairs), dtype=np.int64)
    result[order] = np.arange(len(pairs)) - matrix.indptr[users[order]]
    return result


def decayed(history: csr_array, steps: NDArray[np.int64] | None, decay: float) -> csr_array:
    """Return ``history`` with each entry times ``decay ** steps``; a very old item keeps a trace."""
    if steps is None or decay == 1:
        return history
    factors = np.maximum(np.power(decay, np.minimum(steps, 10_000).astype(np.float64)), 1e-6)
    data = (history.data * factors).astype(np.float32)
    return csr_array((data, history.indices, history.indptr), shape=history.shape)


def remembered(
    history: History,
    data: TrainingData,
    decay: float | None,
    score: Callable[[csr_array, UserIndices], Scores],
    decays: Sequence[float] = DECAYS,
) -> tuple[History, float]:
    """Return the history with less weight on older items, and the decay: ``decay``, or what :func:`choose_decay` finds.

    Args:
        history: of all users, undecayed.
        data: what it was made of.
        decay: None to choose one of ``decays``.
        score: as of :func:`choose_decay`.
        decays: as of :func:`choose_decay`.
    """
    steps = steps_back(data.events, data.matrix)
    if decay is None:
        decay = choose_decay(score, history.matrix, data, steps, decays=decays)
    return History(decayed(history.matrix, steps, decay), history.unit), decay


def choose_decay(
    score: Callable[[csr_array, UserIndices], Scores],
    history: csr_array,
    data: TrainingData,
    steps: NDArray[np.int64] | None,
    *,
    decays: Sequence[float] = DECAYS,
) -> float:
    """Return the decay under which ``score`` ranks the held-out likes best; 1 without times.

    The model is fitted once; only the histories it is asked with change. Items of the history are not ranked.

    Args:
        score: scores all items for histories of shape ``(u, n_items)`` and whose they are, NaN where it cannot.
        history: of all users.
        data: what is held out.
        steps: as of :func:`steps_back`.
        decays: what to try; the first one holds unless another is clearly better, and where nothing is held out.
    """
    if steps is None:
        return 1.0
    if data.validation is None or not data.validation.nnz:
        return decays[0]
    held_out = data.validation
    users = np.flatnonzero((np.diff(held_out.indptr) > 0) & (np.diff(history.indptr) > 1))
    users = users[:: max(-(-len(users) * history.shape[1] // JUDGED), 1)]
    if not len(users):
        return decays[0]
    gains = [_gain(score, decayed(history, steps, decay), held_out, users) for decay in decays]
    best = int(np.argmax(gains))
    return decays[best] if gains[best] > gains[0] * (1 + LEAST_GAIN) else decays[0]


def _gain(
    score: Callable[[csr_array, UserIndices], Scores], history: csr_array, held_out: csr_array, users: NDArray[np.int64]
) -> float:
    """Return the summed discounted gain of the lists of ``users``."""
    total = 0.0
    size = max(min(512, (1 << 24) // max(history.shape[1], 1)), 1)
    for start in range(0, len(users), size):
        block = users[start : start + size]
        rows, truth = csr_array(history[block]), csr_array(held_out[block])
        scores = np.nan_to_num(score(rows, block), nan=-np.inf)
        scores[np.repeat(np.arange(len(block)), np.diff(rows.indptr)), rows.indices] = -np.inf
        whose = np.repeat(np.arange(len(block)), np.diff(truth.indptr))
        reached = np.partition(scores, max(scores.shape[1] - LENGTH, 0), axis=1)[:, -LENGTH:]
        values = scores[whose, truth.indices]
        ranks = (reached[whose] > values[:, None]).sum(axis=1)
        hit = (ranks < reached.shape[1]) & np.isfinite(values) & (values >= reached.min(axis=1)[whose])
        total += float(discount(ranks[hit] + 1, LENGTH).sum())
    return total
