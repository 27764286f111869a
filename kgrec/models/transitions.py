"""Transitions: what users turned to soon after the items of the history."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array

from kgrec.models import sparse
from kgrec.models.content import nearest_texts
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemOptions, ItemItemScorer, Weights
from kgrec.plugin.protocols import Traits
from kgrec.plugin.space import Real, Space, Whole
from kgrec.types import Events, TrainingData


class TransitionsOptions(ItemItemOptions):
    """Options of ``[scorers.transitions]``."""

    window: int = Field(5, ge=1, le=100, description="how many items apart two items may be")
    fade: float = Field(0.7, gt=0, le=1, description="what one more item between them leaves of a transition")
    backward: float = Field(0.5, ge=0, le=1, description="weight of a transition in the opposite direction")
    backoff: float = Field(3.0, ge=0, description="how many transitions the texts are worth")
    neighbours: int = Field(50, ge=1, description="how many nearest texts an item keeps")


class Transitions(ItemItemScorer):
    """Scores an item by how often users went to it, soon, from the items of the history, the latest ones first.

    ``count(i, j)`` sums ``fade ** (lag - 1)`` over the places where a user turned to ``j`` at most ``window`` items
    after ``i``, and ``backward`` times that where ``j`` came before ``i``. An item ``i`` that was left ``n_i`` times
    says ``(count(i, j) + backoff * near(i, j)) / (n_i + backoff)`` for item ``j``: a first-order Markov chain smoothed
    by the similarity of the texts, which also speaks for items without transitions. The idea is that of sequential
    rules over sessions (Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018).
    """

    Options = TransitionsOptions
    options: TransitionsOptions
    traits: ClassVar[Traits] = Traits(dated=True)
    powers: ClassVar[tuple[float, ...]] = (1.0, 0.5, 2.0, 0.0)

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.events.times is not None else "the interactions have no times"

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try few and many transitions for the texts' worth; one setting where there are no texts."""
        return [{}, {"backoff": 15.0}] if data.has_texts else [{}]

    @classmethod
    def space(cls, data: TrainingData) -> Space:  # noqa: ARG003
        """Say what may be tuned."""
        return {
            "window": Whole(1, 20, log=True),
            "fade": Real(0.2, 1.0),
            "backward": Real(0.0, 1.0),
            "backoff": Real(0.0, 50.0),
        }

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:
        """Return about how many seconds a fit takes: pairs of events within the window, all pairs of texts."""
        texts = 2.5e-8 * data.n_items**2 if data.item_text is not None and options["backoff"] > 0 else 0.0
        return float(2e-7 * len(data.events) * options["window"] + texts)

    def _learn(
        self,
        history: History,  # noqa: ARG002
        data: TrainingData,
        rng: np.random.Generator,
    ) -> tuple[Weights, NDArray[Any]]:
        given = self.options
        counts = count_transitions(data.events, data.n_items, given.window, given.fade)
        if given.backward > 0:
            counts = counts + np.float32(given.backward) * counts.T
        left = np.asarray(counts.sum(axis=1), dtype=np.float32)
        known = np.asarray(counts.sum(axis=0)) > 0
        if data.item_text is not None and given.backoff > 0:
            near = nearest_texts(data.item_text, given.neighbours, rng)
            sums = np.maximum(np.asarray(near.sum(axis=1), dtype=np.float32), np.float32(1e-6))
            counts = counts + diags_array(np.float32(given.backoff) / sums) @ near
            known |= data.item_text.any(axis=1)
        return sparse.csr(diags_array(1 / (left + np.float32(max(given.backoff, 1e-3)))) @ counts), known


def count_transitions(events: Events, n_items: int, window: int, fade: float) -> csr_array:
    """Return how often users went from the row's item to the column's, shape ``(n_items, n_items)``, diagonal 0.

    Events of one user follow each other in their order; an item that follows itself is one step only.

    Args:
        events: in the order of time.
        n_items: number of items.
        window: how many steps apart two items may be.
        fade: a transition over ``s`` steps counts ``fade ** (s - 1)``.
    """
    order = np.argsort(events.users, kind="stable")
    users, items = events.users[order], events.items[order]
    new = np.ones(len(users), dtype=np.bool_)
    new[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    users, items = users[new], items[new]
    total = csr_array((n_items, n_items), dtype=np.float32)
    for lag in range(1, min(window, len(users) - 1) + 1):
        same = (users[lag:] == users[:-lag]) & (items[lag:] != items[:-lag])
        pairs = (items[:-lag][same], items[lag:][same])
        strengths = np.full(len(pairs[0]), fade ** (lag - 1), dtype=np.float32)
        total = total + csr_array((strengths, pairs), shape=total.shape)
    return sparse.csr(total)
