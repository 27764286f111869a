"""The fused score, split into what caused it; the parts sum to it.

A scorer's share of the fused score is ``weight * (score - mean) / deviation``: affine in its own score. So each of its
contributions counts with the same factor, and what the average item would get is a part of its own, ``"baseline"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.additive import NewUserAdditiveScorer
from kgrec.plugin.protocols import AdditiveScorer, Contribution, Scorer
from kgrec.types import ItemIndices, Profile, Scores

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker

TOLERANCE = 1e-4
"""Contributions farther from their score, relative to it where it is above 1, are not believed."""

BASELINE = "baseline"
"""Kind of the part that belongs to the average item."""

WHOLE = "whole"
"""Kind of a scorer's share that cannot be split."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a fused score.

    Attributes:
        scorer: whose.
        kind: a kind of :class:`kgrec.plugin.protocols.Contribution`, or :data:`BASELINE`, or :data:`WHOLE`.
        source: position at training of the item that caused it (for ``"entity"`` the node of the graph), -1 where there
            is none.
        value: share of the fused score.
        label: of a word of the item's text that adds it; else empty.
    """

    scorer: str
    kind: str
    source: int
    value: float
    label: str = ""


def decompose(
    ranker: Ranker, user: int | None, items: ItemIndices, parts: dict[str, Scores], profile: Profile | None = None
) -> list[list[Part]]:
    """Split the fused scores of ``items`` for one user.

    Args:
        ranker: whose scores these are.
        user: position at training, or None for somebody who was not there.
        items: positions at training, shape ``(i,)``.
        parts: of :meth:`Ranker.parts` or :meth:`Ranker.parts_new` after :meth:`Ranker.fused`, shape ``(1, n_items)``.
        profile: of somebody who was not there; without it nothing can be split for them.

    Returns:
        For each item its parts. They sum to the fused score up to rounding; a scorer that says nothing has none.
    """
    found: list[list[Part]] = [[] for _ in items]
    for name, part in parts.items():
        scorer = ranker.scorers.get(name)  # none stands behind what the second stage adds: it is one part, whole
        share = part[0].astype(np.float64)
        split = _split(scorer, user, profile, items)
        if split is None:
            for own, value in zip(found, share[items], strict=True):
                own.extend([Part(name, WHOLE, -1, float(value))] if value else [])
            continue
        raw = split[0].astype(np.float64)
        given: dict[int, list[Contribution]] = {int(item): [] for item in items}
        for contribution in split[1]:
            given[contribution.item].append(contribution)
        for own, item in zip(found, items.tolist(), strict=True):
            own.extend(_scaled(name, given[item], raw, share, item, _peers(ranker, item)))
    return found


def _split(
    scorer: Scorer | None, user: int | None, profile: Profile | None, items: ItemIndices
) -> tuple[NDArray[np.floating], list[Contribution]] | None:
    """Return a scorer's own scores of all items and what those of ``items`` split into; None where it cannot tell."""
    if user is None:
        if profile is None or not isinstance(scorer, NewUserAdditiveScorer):
            return None
        return scorer.score_new(profile), scorer.contributions_new(profile, items)
    if not isinstance(scorer, AdditiveScorer):
        return None
    return scorer.score(np.array([user]))[0], scorer.contributions(user, items)


def factor(ranker: Ranker, scorer: Scorer, user: int, item: int, part: Scores) -> float:
    """Return how much a scorer's share of the fused score of ``item`` grows with its own score.

    Args:
        ranker: whose scores these are.
        scorer: one of it.
        user: position at training.
        item: position of the explained item.
        part: the scorer's shares, shape ``(1, n_items)``.
    """
    raw = np.asarray(scorer.score(np.array([user]))[0], dtype=np.float64)
    return _factor(raw, part[0].astype(np.float64), _peers(ranker, item))


def _scaled(
    name: str,
    given: list[Contribution],
    raw: NDArray[np.float64],
    share: NDArray[np.float64],
    item: int,
    peers: NDArray[np.bool_],
) -> list[Part]:
    value = float(share[item])
    if not np.isfinite(raw[item]):
        return [Part(name, BASELINE, -1, value)] if value else []
    total = sum(c.value for c in given)
    if abs(total - raw[item]) > TOLERANCE * max(1.0, abs(raw[item])):
        return [Part(name, WHOLE, -1, value)]
    factor = _factor(raw, share, peers)
    scaled = [Part(name, c.kind, c.source, factor * c.value) for c in given if factor * c.value]
    rest = value - factor * total
    return [*scaled, Part(name, BASELINE, -1, rest)] if rest else scaled


def _factor(raw: NDArray[np.float64], share: NDArray[np.float64], peers: NDArray[np.bool_]) -> float:
    """Return ``weight / deviation``: how much a scorer's share grows with its score."""
    known = np.flatnonzero(peers & np.isfinite(raw))
    if not len(known):
        return 0.0
    low, high = known[np.argmin(raw[known])], known[np.argmax(raw[known])]
    span = raw[high] - raw[low]
    return float((share[high] - share[low]) / span) if span > 0 else 0.0


def _peers(ranker: Ranker, item: int) -> NDArray[np.bool_]:
    """Return the items that are standardised together with ``item``: cold items are among themselves."""
    cold = np.zeros(len(ranker.item_ids), dtype=np.bool_)
    if ranker.cold is not None:
        cold[ranker.cold.items] = True
    peers: NDArray[np.bool_] = cold == cold[item]
    return peers


def by_history(parts: list[Part], n_items: int) -> NDArray[np.float64]:
    """Sum up what each item of the history contributes, over all scorers, shape ``(n_items,)``."""
    own = [part for part in parts if part.kind == "item"]
    sources = np.array([part.source for part in own], dtype=np.int64)
    return np.bincount(sources, np.array([part.value for part in own]), minlength=n_items).astype(np.float64)
