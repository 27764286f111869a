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

Forgetting = Annotated[
    float | None,
    Field(
        ge=0,
        le=10,
        description="when a user is scored, an item of the history counts (1 + i) ** -forgetting if the user turned to "
        "i others since; None, where the data has times: what ranks held-out likes best",
    ),
]
"""The option of scorers whose histories are :func:`remembered`.

A power, not an exponential: what was long ago is not lost. People forget so (Wixted and Ebbesen, On the form of
forgetting, Psychological Science 1991), and it ranks what comes next as well and what lies between far better.
"""
POWERS = (0.0, 0.25, 0.5, 1.0)
"""What is tried; 0 counts all items alike."""
LEAST_GAIN = 0.005
"""A power must raise the gain by this share, or all items count alike."""
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


def faded(history: csr_array, steps: NDArray[np.int64] | None, power: float) -> csr_array:
    """Return ``history`` with each entry times ``(1 + steps) ** -power``."""
    if steps is None or power == 0:
        return history
    data = (history.data * np.power(1.0 + steps, -power)).astype(np.float32)
    return csr_array((np.maximum(data, np.float32(1e-9)), history.indices, history.indptr), shape=history.shape)


def remembered(
    history: History,
    data: TrainingData,
    power: float | None,
    score: Callable[[csr_array, UserIndices], Scores],
    powers: Sequence[float] = POWERS,
) -> tuple[History, float]:
    """Return the history with less weight on older items, and the power: ``power``, or what :func:`choose_power` finds.

    Args:
        history: of all users, as it was.
        data: what it was made of.
        power: None to choose one of ``powers``.
        score: as of :func:`choose_power`.
        powers: as of :func:`choose_power`.
    """
    steps = steps_back(data.events, data.matrix)
    if power is None:
        power = choose_power(score, history.matrix, data, steps, powers=powers)
    return History(faded(history.matrix, steps, power), history.unit), power


def choose_power(
    score: Callable[[csr_array, UserIndices], Scores],
    history: csr_array,
    data: TrainingData,
    steps: NDArray[np.int64] | None,
    *,
    powers: Sequence[float] = POWERS,
) -> float:
    """Return the power of forgetting under which ``score`` ranks the held-out likes best; 0 without times.

    The model is fitted once; only the histories it is asked with change. Items of the history are not ranked.

    Args:
        score: scores all items for histories of shape ``(u, n_items)`` and whose they are, NaN where it cannot.
        history: of all users.
        data: what is held out.
        steps: as of :func:`steps_back`.
        powers: what to try; the first one holds unless another is clearly better, and where nothing is held out.
    """
    if steps is None:
        return 0.0
    if data.validation is None or not data.validation.nnz:
        return powers[0]
    held_out = data.validation
    users = np.flatnonzero((np.diff(held_out.indptr) > 0) & (np.diff(history.indptr) > 1))
    users = users[:: max(-(-len(users) * history.shape[1] // JUDGED), 1)]
    if not len(users):
        return powers[0]
    counts = np.ones(data.n_users) if data.validation_weights is None else data.validation_weights
    gains = [_gain(score, faded(history, steps, power), held_out, users, counts) for power in powers]
    best = int(np.argmax(gains))
    return powers[best] if gains[best] > gains[0] * (1 + LEAST_GAIN) else powers[0]


def _gain(
    score: Callable[[csr_array, UserIndices], Scores],
    history: csr_array,
    held_out: csr_array,
    users: NDArray[np.int64],
    counts: NDArray[np.float64],
) -> float:
    """Return the summed discounted gain of the lists of ``users``, each of whom counts as ``counts`` says."""
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
        total += float((discount(ranks[hit] + 1, LENGTH) * counts[block[whose[hit]]]).sum())
    return total
