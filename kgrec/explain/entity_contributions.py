"""What of a score's parts came through entities of the graph or words of a text; the sum stays the score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.explain.decompose import Part, factor
from kgrec.plugin.additive import BEYOND, WORDS, EntityScorer, TextScorer
from kgrec.plugin.protocols import Scorer
from kgrec.types import Scores, Vectors

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker

TERMS = 10
"""Words that are told of each scorer; what others add stays where it is."""


def through_entities(
    ranker: Ranker, user: int, item: int, parts: Mapping[str, Scores], split: Sequence[Part]
) -> list[Part]:
    """Give to entities what came through them, and take it from the parts that it is in.

    Args:
        ranker: whose scores these are.
        user: position at training.
        item: position of the explained item.
        parts: as in :func:`kgrec.explain.decompose.decompose`.
        split: what that found for this item.
    """
    told = list(split)
    for name, scorer in _told_by(ranker, parts, split):
        if not isinstance(scorer, EntityScorer):
            continue
        scale = factor(ranker, scorer, user, item, parts[name])
        told = _moved(
            told,
            name,
            ((share.source, Part(name, "entity", share.entity, scale * share.value))
             for share in scorer.through_entities(user, item)),
        )  # fmt: skip
    return told


def through_terms(
    ranker: Ranker,
    user: int,
    item: int,
    parts: Mapping[str, Scores],
    split: Sequence[Part],
    terms: tuple[Sequence[str], Vectors],
) -> list[Part]:
    """Give to the words of the item's text what came through them, and take it from the parts that it is in.

    Args:
        ranker: whose scores these are.
        user: position at training.
        item: position of the explained item.
        parts: as in :func:`kgrec.explain.decompose.decompose`.
        split: what that found for this item.
        terms: words and their vectors of shape ``(t, dim)``, which sum to the vector that the scorers were trained on.
    """
    words, vectors = terms
    told = list(split)
    for name, scorer in _told_by(ranker, parts, split) if len(words) else ():
        if not isinstance(scorer, TextScorer) or not (shares := scorer.by_text(user, item)):
            continue
        scale = factor(ranker, scorer, user, item, parts[name])
        values = scale * (np.stack([share.weights for share in shares]).astype(np.float64) @ vectors.T)  # (s, t)
        strongest = np.argsort(-np.abs(values.sum(axis=0)), kind="stable")[:TERMS]
        told = _moved(
            told,
            name,
            ((share.source, Part(name, "text", -1, float(value), words[term]))
             for term in strongest
             for share, value in zip(shares, values[:, term], strict=True)),
        )  # fmt: skip
    return told


def _told_by(ranker: Ranker, parts: Mapping[str, Scores], split: Sequence[Part]) -> Iterator[tuple[str, Scorer]]:
    """Yield the scorers whose share was split into what comes from the user."""
    split_up = {part.scorer for part in split if part.kind in ("item", "bias", "text")}
    for name in parts:
        scorer = ranker.scorers.get(name)
        if scorer is not None and name in split_up:
            yield name, scorer


def _moved(split: Sequence[Part], name: str, moved: Iterable[tuple[int, Part]]) -> list[Part]:
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
    told += [Part(name, kind, source, -value) for (kind, source), value in taken.items()]
    return told + [Part(name, kind, source, value, label) for (kind, source, label), value in given.items() if value]


def _giver(source: int) -> tuple[str, int]:
    return {BEYOND: ("bias", -1), WORDS: ("text", -1)}.get(source, ("item", source))


def same(vectors: Vectors, whole: NDArray[np.floating], tolerance: float = 1e-4) -> bool:
    """Say whether the vectors of terms, shape ``(t, dim)``, sum to that of the text, shape ``(dim,)``."""
    return bool(np.abs(vectors.sum(axis=0) - whole).max(initial=0.0) <= tolerance)
