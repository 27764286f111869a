"""Topics: what the latent generator expects a user to turn to, as interests, and which facts a text then dwells on.

Steering chooses among facts and never adds one: the guards judge the text as they judge any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import UserError
from kgrec.models.features import unit_rows
from kgrec.plugin.generation import Fact, Interest
from kgrec.text.profile import N_INTERESTS, Profiler
from kgrec.text.tokens import tokenize
from kgrec.types import ItemIndices, Vectors

if TYPE_CHECKING:
    from kgrec.models.latent import Latent
    from kgrec.ranking.users import UserLookup

SCORER = "latent"

SAMPLES = 32
"""Drawn for a user."""

NEAREST = 3
"""Real items that a sample is decoded to."""

FORESEEN = 0.5
"""How much what is foreseen counts beside what the history says."""

TOPICS = 4
"""Facts of an item that a text is told to dwell on."""

STRESSED = ("entity", "attribute")
"""Types of facts that can be dwelt on."""


class Steering:
    """Turns samples of what a user may turn to next into interests.

    Args:
        users: finds users in the numbering of the trained hybrid.
        profiler: knows what items have in common.
        seed: of the samples.

    Raises:
        UserError: the hybrid was trained without the latent generator.
    """

    def __init__(self, users: UserLookup, profiler: Profiler, seed: int) -> None:
        scorer = users.ranker.scorers.get(SCORER)
        if scorer is None:
            raise UserError(
                "the workspace has no latent generator",
                hint="`kgrec train --set generate.steer=latent`; it needs items with texts",
            )
        self._generator: Latent = scorer  # type: ignore[assignment]
        self._users, self._profiler, self._seed = users, profiler, seed
        self._rows = users.item_rows()

    def interests(self, user_id: str, *, limit: int = N_INTERESTS) -> tuple[Interest, ...]:
        """Return what the items near the samples have in common, strongest first; empty where there are none."""
        items, cosines = self._nearest(user_id)
        kept = cosines > 0
        if not kept.any():
            return ()
        places, whose = np.unique(items[kept], return_inverse=True)
        weights: NDArray[np.float64] = np.bincount(whose, weights=cosines[kept]).astype(np.float64)
        return tuple(self._profiler.shared(places, weights, limit=limit)[:limit])

    def _nearest(self, user_id: str) -> tuple[ItemIndices, NDArray[np.float64]]:
        """Return the items that samples of a user lie near: positions in the dataset, repeats allowed, and cosines."""
        ranker, generator = self._users.ranker, self._generator
        position = ranker.user_positions.get(user_id)
        if position is None:
            (profile,), seen = self._users.newcomers([user_id])
            samples, known = generator.sample_new(profile, SAMPLES, seed=self._seed), seen.indices
        else:
            samples = generator.sample(np.array([position]), SAMPLES, seed=self._seed)[0]
            known = ranker.seen[[position]].indices
        without = np.concatenate([known, np.flatnonzero(self._rows < 0)])
        items, cosines = decode(
            unit_rows(samples), lambda s: generator.nearest(s, NEAREST, without=without), generator.item_vectors
        )
        return self._rows[items], cosines


def decode(
    samples: Vectors, nearest: Callable[[Vectors], ItemIndices], vectors: Vectors
) -> tuple[ItemIndices, NDArray[np.float64]]:
    """Return the real items nearest to each sample and their cosines, both flat, shape ``(m * k,)``.

    Args:
        samples: unit rows, shape ``(m, d)``; zero rows are nobody's.
        nearest: samples -> items, shape ``(m, k)``.
        vectors: of the items, unit rows, shape ``(n_items, d)``.
    """
    items = nearest(samples)
    cosines = np.einsum("mkd,md->mk", vectors[items], samples)
    return items.ravel(), cosines.ravel().astype(np.float64)


def merged(own: Sequence[Interest], foreseen: Sequence[Interest]) -> tuple[Interest, ...]:
    """Return interests of the history and foreseen ones together, strongest first.

    The weight of an interest is ``(1 - FORESEEN)`` times that in the history plus ``FORESEEN`` times the foreseen one;
    how often it was met stays what the history says.
    """
    found = {(i.kind, i.key or i.name): replace(i, weight=(1 - FORESEEN) * i.weight) for i in own}
    for interest in foreseen:
        key = (interest.kind, interest.key or interest.name)
        known = found.get(key, replace(interest, weight=0.0, count=0))
        found[key] = replace(known, weight=known.weight + FORESEEN * interest.weight)
    return tuple(sorted(found.values(), key=lambda interest: -interest.weight))


def stressed(facts: Sequence[Fact], interests: Sequence[Interest]) -> tuple[list[Fact], tuple[str, ...]]:
    """Put the facts that interests speak of before others of the same name, and return which values these are.

    A fact is spoken of by an interest of its name, and by a term that is among its words. Facts change places only with
    facts of the same item, type and name; none is added, changed or dropped.

    Args:
        facts: in their order.
        interests: whose weights decide.
    """
    weights = _weights(interests)
    worth = [_worth(fact, weights) if fact.type in STRESSED else 0.0 for fact in facts]
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, fact in enumerate(facts):
        if fact.type in STRESSED:
            groups.setdefault((fact.subject, fact.type, fact.name), []).append(place)
    order = list(range(len(facts)))
    for places in groups.values():
        for place, taken in zip(places, sorted(places, key=lambda k: -worth[k]), strict=True):
            order[place] = taken
    best = sorted((place for place in range(len(facts)) if worth[place] > 0), key=lambda k: -worth[k])
    topics = tuple(dict.fromkeys(facts[place].value for place in best))[:TOPICS]
    return [facts[place] for place in order], topics


def _weights(interests: Sequence[Interest]) -> dict[frozenset[str], float]:
    found: dict[frozenset[str], float] = {}
    for interest in interests:
        words = frozenset(tokenize(interest.name).folded)
        if words and interest.kind != "words":
            found[words] = found.get(words, 0.0) + interest.weight
    return found


def _worth(fact: Fact, weights: dict[frozenset[str], float]) -> float:
    words = frozenset(tokenize(fact.value).folded)
    return sum(weight for wanted, weight in weights.items() if wanted <= words)
