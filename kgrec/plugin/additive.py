"""Scorers that tell more of what caused a score: for newcomers, by entities of the graph, by words of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import AdditiveScorer, Contribution, NewUserScorer
from kgrec.types import ItemIndices, Profile, Vectors

BEYOND = -1
"""Source of what training learned of the user beyond the history: contributions of kind ``"bias"``."""

WORDS = -2
"""Source of what the user's own words add: contributions of kind ``"text"``."""


@dataclass(frozen=True, slots=True)
class EntityContribution:
    """What an item of the history gives to an item by way of an entity; a part of that item's contribution.

    Attributes:
        source: position of the item of the history, or :data:`BEYOND`, or :data:`WORDS`.
        entity: node of the graph at training, see :class:`kgrec.types.Triples`.
        value: share of the score.
    """

    source: int
    entity: int
    value: float


@runtime_checkable
class NewUserAdditiveScorer(AdditiveScorer, NewUserScorer, Protocol):
    """An additive scorer whose scores for somebody who was not there at training split, too."""

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Split ``score_new(profile)[items]``; for each item the values sum to its score within 1e-4."""
        ...


@runtime_checkable
class EntityScorer(AdditiveScorer, Protocol):
    """An additive scorer that can tell what of its contributions comes through entities."""

    def through_entities(self, user: int, item: int) -> list[EntityContribution]:
        """Return it for the entities that matter most; empty where the model cannot tell exactly."""
        ...


@dataclass(frozen=True, slots=True)
class TextShare:
    """How a contribution depends on the text of the scored item: a part of it is the product with the text's vector.

    Attributes:
        source: as in :class:`EntityContribution`.
        weights: shape ``(dim,)``; times the item's vector as the encoder gives it, before anything is subtracted.
    """

    source: int
    weights: NDArray[np.floating]


@runtime_checkable
class TextScorer(AdditiveScorer, Protocol):
    """An additive scorer that can tell how its contributions depend on the text of the scored item."""

    def by_text(self, user: int, item: int) -> list[TextShare]:
        """Return it for everything that contributes; empty where the text has no say."""
        ...


@runtime_checkable
class LinearEncoder(Protocol):
    """A text encoder whose vectors are sums over the terms of a text; asked of the class, before a model is loaded."""

    def terms(self, text: str) -> tuple[Sequence[str], Vectors]:
        """Return the terms of a text, each once, and vectors of shape ``(t, dim)`` that sum to its vector."""
        ...
