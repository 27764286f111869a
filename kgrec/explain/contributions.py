"""The fused score, split into what caused it; the parts sum to it.

A scorer's share of the fused score is ``weight * (score - mean) / deviation``: affine in its own score. So each of its
contributions counts with the same factor, and what the average item would get is a part of its own, ``"baseline"``.
What came through entities of the graph or words of a text is taken from the parts that it is in; the sum stays the
score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import (
    BEYOND,
    WORDS,
    AdditiveScorer,
    Contribution,
    EntityScorer,
    LinearEncoder,
    NewUserAdditiveScorer,
    Scorer,
    TextScorer,
)
from kgrec.types import ItemIndices, Profile, Scores, Vectors

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager
    from kgrec.ranking.ranker import Ranker
    from kgrec.text.vectors import TextVectors

TOLERANCE = 1e-4
"""Contributions farther from their score, relative to it where it is above 1, are not believed."""

BASELINE = "baseline"
"""Kind of the part that belongs to the average item."""

WHOLE = "whole"
"""Kind of a scorer's share that cannot be split."""

TERMS = 10
"""Words that are told of each scorer; what others add stays where it is."""


@dataclass(frozen=True, slots=True)
class ScorePart:
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
) -> list[list[ScorePart]]:
    """Split the fused scores of ``items`` for one user.

    Args:
        ranker: whose scores these are.
        user: position at training, or None for somebody who was not there.
        items: positions at training, shape ``(i,)``.
        parts: of :meth:`kgrec.ranking.ranker.Ranker.split`, each of shape ``(1, n_items)``.
        profile: of somebody who was not there; without it nothing can be split for them.

    Returns:
        For each item its parts. They sum to the fused score up to rounding; a scorer that says nothing has none.
    """
    found: list[list[ScorePart]] = [[] for _ in items]
    for name, part in parts.items():
        scorer = ranker.scorers.get(name)  # none stands behind what the second stage adds: it is one part, whole
        share = part[0].astype(np.float64)
        split = _split(scorer, user, profile, items)
        if split is None:
            for own, value in zip(found, share[items], strict=True):
                own.extend([ScorePart(name, WHOLE, -1, float(value))] if value else [])
            continue
        raw = split[0].astype(np.float64)
        for k, (own, item) in enumerate(zip(found, items.tolist(), strict=True)):
            own.extend(_scaled(name, split[1], k, (raw, share), item, _peers(ranker, item)))
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


def _scaled(
    name: str,
    given: Sequence[Contribution],
    row: int,
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    item: int,
    peers: NDArray[np.bool_],
) -> list[ScorePart]:
    """Return the parts of the item in a row of ``given``.

    Args:
        name: of the scorer.
        given: what the scorer splits its scores into.
        row: of the item in these.
        scores: the scorer's own of all items, and its share of the fused ones.
        item: position at training.
        peers: items that are standardised together with it.
    """
    raw, share = scores
    value = float(share[item])
    if not np.isfinite(raw[item]):
        return [ScorePart(name, BASELINE, -1, value)] if value else []
    total = sum(float(part.values[row].sum(dtype=np.float64)) for part in given)
    if abs(total - raw[item]) > TOLERANCE * max(1.0, abs(raw[item])):
        return [ScorePart(name, WHOLE, -1, value)]
    factor = _factor(raw, share, peers)
    scaled = [
        ScorePart(name, part.kind, int(source), factor * float(one))
        for part in given
        for source, one in zip(part.sources, part.values[row], strict=True)
        if factor * one
    ]
    rest = value - factor * total
    return [*scaled, ScorePart(name, BASELINE, -1, rest)] if rest else scaled


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


def by_history(parts: list[ScorePart], n_items: int) -> NDArray[np.float64]:
    """Sum up what each item of the history contributes, over all scorers, shape ``(n_items,)``."""
    own = [part for part in parts if part.kind == "item"]
    sources = np.array([part.source for part in own], dtype=np.int64)
    return np.bincount(sources, np.array([part.value for part in own]), minlength=n_items).astype(np.float64)


def through_entities(
    ranker: Ranker, user: int, item: int, parts: Mapping[str, Scores], split: Sequence[ScorePart]
) -> list[ScorePart]:
    """Give to entities what came through them, and take it from the parts that it is in.

    Args:
        ranker: whose scores these are.
        user: position at training.
        item: position of the explained item.
        parts: as in :func:`kgrec.explain.contributions.decompose`.
        split: what that found for this item.
    """
    told = list(split)
    for name, scorer in _told_by(ranker, parts, split):
        if not isinstance(scorer, EntityScorer):
            continue
        scale = _scale(ranker, scorer, user, item, parts[name])
        told = _moved(
            told,
            name,
            ((share.source, ScorePart(name, "entity", share.entity, scale * share.value))
             for share in scorer.through_entities(user, item)),
        )  # fmt: skip
    return told


def through_terms(
    ranker: Ranker,
    user: int,
    item: int,
    parts: Mapping[str, Scores],
    split: Sequence[ScorePart],
    terms: tuple[Sequence[str], Vectors],
) -> list[ScorePart]:
    """Give to the words of the item's text what came through them, and take it from the parts that it is in.

    Args:
        ranker: whose scores these are.
        user: position at training.
        item: position of the explained item.
        parts: as in :func:`kgrec.explain.contributions.decompose`.
        split: what that found for this item.
        terms: words and their vectors of shape ``(t, dim)``, which sum to the vector that the scorers were trained on.
    """
    words, vectors = terms
    told = list(split)
    for name, scorer in _told_by(ranker, parts, split) if len(words) else ():
        if not isinstance(scorer, TextScorer) or not (shares := scorer.by_text(user, item)):
            continue
        scale = _scale(ranker, scorer, user, item, parts[name])
        values = scale * (np.stack([share.weights for share in shares]).astype(np.float64) @ vectors.T)  # (s, t)
        strongest = np.argsort(-np.abs(values.sum(axis=0)), kind="stable")[:TERMS]
        told = _moved(
            told,
            name,
            ((share.source, ScorePart(name, "text", -1, float(value), words[term]))
             for term in strongest
             for share, value in zip(shares, values[:, term], strict=True)),
        )  # fmt: skip
    return told


def _scale(ranker: Ranker, scorer: Scorer, user: int, item: int, part: Scores) -> float:
    """Return how much a scorer's share of the fused score of ``item`` grows with its own score."""
    raw = np.asarray(scorer.score(np.array([user]))[0], dtype=np.float64)
    return _factor(raw, part[0].astype(np.float64), _peers(ranker, item))


def _told_by(ranker: Ranker, parts: Mapping[str, Scores], split: Sequence[ScorePart]) -> Iterator[tuple[str, Scorer]]:
    """Yield the scorers whose share was split into what comes from the user."""
    split_up = {part.scorer for part in split if part.kind in ("item", "bias", "text")}
    for name in parts:
        scorer = ranker.scorers.get(name)
        if scorer is not None and name in split_up:
            yield name, scorer


def _moved(split: Sequence[ScorePart], name: str, moved: Iterable[tuple[int, ScorePart]]) -> list[ScorePart]:
    """Add new parts of a scorer and take their values from the parts with these sources."""
    taken: dict[tuple[str, int], float] = {}
    given: dict[tuple[str, int, str], float] = {}
    for source, part in moved:
        giver = _giver(source)
        taken[giver] = taken.get(giver, 0.0) + part.value
        key = (part.kind, part.source, part.label)
        given[key] = given.get(key, 0.0) + part.value
    told = []
    for part in split:
        mine = part.scorer == name and not part.label
        less = taken.pop((part.kind, part.source), 0.0) if mine else 0.0
        told.append(replace(part, value=part.value - less) if less else part)
    told += [ScorePart(name, kind, source, -value) for (kind, source), value in taken.items()]
    return told + [
        ScorePart(name, kind, source, value, label) for (kind, source, label), value in given.items() if value
    ]


def _giver(source: int) -> tuple[str, int]:
    return {BEYOND: ("bias", -1), WORDS: ("text", -1)}.get(source, ("item", source))


class ItemTerms:
    """The words of items' texts, with vectors that sum to those that the models were trained on."""

    def __init__(self, vectors: Callable[[], TextVectors], manager: PluginManager) -> None:
        """Take what words come from; it is asked for when it is needed.

        Args:
            vectors: returns those of the training.
            manager: knows the encoder.
        """
        self._vectors = vectors
        self._manager = manager

    def of(self, place: int) -> tuple[Sequence[str], Vectors] | None:
        """Return the words of an item's text and their vectors, shape ``(t, dim)``.

        None where the text is no sum over its words for this encoder.

        Args:
            place: position of the item at training.
        """
        vectors, offered = self._vectors(), self._manager.registry("text encoder")
        if vectors.encoder not in offered:
            return None
        made = offered[vectors.encoder].load()
        if not (isinstance(made, type) and issubclass(made, LinearEncoder)):  # asked of the class: no model is loaded
            return None
        encoder = vectors.make_encoder(self._manager)
        assert isinstance(encoder, LinearEncoder)
        words, found = encoder.terms(vectors.text_of(place))
        return (words, found) if same(found, vectors.items[place]) else None


def same(vectors: Vectors, whole: NDArray[np.floating], tolerance: float = 1e-4) -> bool:
    """Say whether the vectors of terms, shape ``(t, dim)``, sum to that of the text, shape ``(dim,)``."""
    return bool(np.abs(vectors.sum(axis=0) - whole).max(initial=0.0) <= tolerance)
