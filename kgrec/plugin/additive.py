"""Scorers that can tell which entities of the graph their scores come through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kgrec.plugin.protocols import AdditiveScorer


@dataclass(frozen=True, slots=True)
class Through:
    """What an item of the history gives to an item by way of an entity; a part of that item's contribution.

    Attributes:
        source: position of the item of the history.
        entity: node of the graph at training, see :class:`kgrec.types.Triples`.
        value: share of the score.
    """

    source: int
    entity: int
    value: float


@runtime_checkable
class EntityScorer(AdditiveScorer, Protocol):
    """An additive scorer that can tell what of its contributions comes through entities."""

    def through_entities(self, user: int, item: int) -> list[Through]:
        """Return it for the entities that matter most; empty where the model cannot tell exactly."""
        ...
