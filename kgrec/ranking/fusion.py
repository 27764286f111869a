"""One score out of many: each scorer standardised for each user, weighed, nudged by trees, cold items put in place."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import CompactScorer, NewUserScorer, Scorer
from kgrec.ranking.score_stats import Entries, Product, SeenPlaces, is_flat, product_statistics, standardise
from kgrec.ranking.second_stage import PART, SecondStage, add_at
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, SparseScores, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.ranking.cold import ColdPlacement

FALLBACK = "popularity"
"""Scores for users about whom nothing is known."""

FARTHEST = 2.5
"""Levels end here: beyond, a straight line is a guess."""

Asked = UserIndices | Sequence[Profile]
"""Positions of users at training, or the profiles of people who came later."""

Given = FactorScores | SparseScores | Scores
"""What a scorer says of a block of users."""

Level = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and inverse deviation of a scorer's scores of each user, both 0 where it has nothing to say; shapes ``(u,)``."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How the weight of a scorer depends on the user: ``weight + slope * level``.

    The level of a user is the logarithm of one more than the number of items seen, standardised.

    Attributes:
        centre, spread: mean and standard deviation of the logarithm, over the users learned from.
        slopes: change of each scorer's weight a level; absent ones have none.
    """

    centre: float = 0.0
    spread: float = 1.0
    slopes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Gate:
        """Return a gate without slopes for users who have seen so many items, shape ``(u,)``."""
        logs = np.log1p(counts) if len(counts) else np.zeros(1)
        return cls(float(logs.mean()), float(max(logs.std(), 1e-6)))

    def levels(self, counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the levels of users who have seen so many items, shape ``(u,)``."""
        levels = (np.log1p(counts) - self.centre) / self.spread
        return np.clip(levels, -FARTHEST, FARTHEST).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"centre": self.centre, "spread": self.spread, "slopes": dict(self.slopes)}


def by_user(
    names: Sequence[str], weights: Mapping[str, float], gate: Gate, counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the weight of each scorer for each user, shape ``(s, u)``."""
    base = np.array([weights.get(name, 0.0) for name in names], dtype=np.float32)
    slopes = np.array([gate.slopes.get(name, 0.0) for name in names], dtype=np.float32)
    return np.asarray(base[:, None] + slopes[:, None] * gate.levels(counts), dtype=np.float32)


class Fusion:
    """Fuses the scorers of a ranker, block by block.

    The fused score is ``sum_s w_s (score_s - mean_s) / deviation_s``; the weights of scorers that cannot score go to
    the others. Where scores are products of vectors (see :class:`kgrec.types.FactorScores`), mean and deviation follow
    from the vectors: the sum of squares over all items is a quadratic form in the user's vector. So all such scorers
    together are one product of matrices, the vectors of the scorers side by side, and one array of scores is written
    instead of several arrays a scorer. Sparse scores (see :class:`kgrec.types.SparseScores`) are added where they are
    not 0. The others are standardised as a whole. May be used by several threads.

    Args:
        scorers: fitted, by name: those with a weight, the fallback, and the members of ``cold`` and ``stage``.
        weights: of the scorers.
        n_items: length of a row.
        gate: how weights move with the user, or None.
        cold: how cold items stand beside the others, or None.
        stage: puts the best of the fused list into a new order, or None.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        weights: Mapping[str, float],
        n_items: int,
        *,
        gate: Gate | None = None,
        cold: ColdPlacement | None = None,
        stage: SecondStage | None = None,
    ) -> None:
        self._scorers, self._weights, self._gate, self._n_items = scorers, weights, gate or Gate(), n_items
        self._cold, self._stage = cold, stage
        others = [*(cold.members if cold else ()), *(stage.members if stage else ())]
        self._names = list(dict.fromkeys([*weights, *others]))
        self._lock = threading.Lock()  # of scorers that promise nothing about threads
        self._products: dict[str, Product] | None = None
        self._columns: dict[str, slice] = {}  # of the scorer's vectors in the joint matrix, the last one for its mean
        self._items = np.zeros((n_items, 0), dtype=np.float32)

    def prepare(self) -> dict[str, Product]:
        """Put the vectors of all scorers side by side, for :meth:`fuse`; done once, before threads start."""
        if self._products is not None:
            return self._products
        products: dict[str, Product] = {}
        parts: list[NDArray[np.float32]] = []
        width = 0
        for name in dict.fromkeys([*self._weights, *(self._stage.members if self._stage else ())]):
            form = self._compact(name, np.zeros(0, dtype=np.int64))
            if isinstance(form, FactorScores):
                products[name] = Product.of(form.items, form.known_items)
            if form is None or name not in self._weights:
                continue
            own = [products[name].items] if isinstance(form, FactorScores) else []
            own.append(form.known_items.astype(np.float32)[:, None])
            self._columns[name] = slice(width, width + sum(part.shape[1] for part in own))
            width = self._columns[name].stop
            parts += own
        if parts:
            self._items = np.concatenate(parts, axis=1)
        self._products = products
        return products

    def fuse(self, asked: Asked, seen: csr_array, out: Scores) -> None:
        """Write the fused scores of users who have seen ``seen`` into ``out`` of shape ``(u, n_items)``.

        The same as :meth:`split` finds, up to rounding, without writing down the scores of every scorer.
        """
        self.prepare()
        self._fuse(asked, self._ask(asked, compact=True), seen, out, None)

    def split(self, asked: Asked, seen: csr_array) -> tuple[dict[str, Scores], Scores]:
        """Return each scorer's share of the fused score by its name, and their sum; each of shape ``(u, n_items)``.

        What the second stage adds is a part of its own, :data:`kgrec.ranking.second_stage.PART`.
        """
        parts: dict[str, Scores] = {}
        out = np.zeros((len(asked), self._n_items), dtype=np.float32)
        self._fuse(asked, self._ask(asked, compact=False), seen, out, parts)
        return parts, out

    def _ask(self, asked: Asked, *, compact: bool) -> dict[str, Given]:
        given = {name: self._form(name, asked, compact=compact) for name in self._names}
        return {name: form for name, form in given.items() if form is not None}

    def _form(self, name: str, asked: Asked, *, compact: bool) -> Given | None:
        """Return what a scorer says of users; None where it knows nothing of people who came after training."""
        scorer = self._scorers[name]
        form = self._compact(name, asked) if compact else None
        if form is None and (isinstance(asked, np.ndarray) or isinstance(scorer, NewUserScorer)):
            with self._lock:
                return _dense(scorer, asked, self._n_items)
        return form

    def _compact(self, name: str, asked: Asked) -> FactorScores | SparseScores | None:
        scorer = self._scorers[name]
        if not isinstance(scorer, CompactScorer):
            return None
        return scorer.compact(asked) if isinstance(asked, np.ndarray) else scorer.compact_new(asked)

    def _fuse(
        self, asked: Asked, given: Mapping[str, Given], seen: csr_array, out: Scores, parts: dict[str, Scores] | None
    ) -> None:
        """Fuse into ``out``; write each scorer's share into ``parts``, for which all that is given must be dense."""
        names, counts = [name for name in self._weights if name in given], np.diff(seen.indptr)
        weights = by_user(names, self._weights, self._gate, counts)
        weights = weights / np.float32(sum(self._weights[name] for name in names))
        entries = {name: Entries.of(form) for name, form in given.items() if isinstance(form, SparseScores)}
        levels = self._levels(given, entries, SeenPlaces.of(seen), out)
        left = np.zeros((len(out), self._items.shape[1]), dtype=np.float32)
        alive = np.zeros(len(out), dtype=np.bool_)
        scales = {}
        for name, weight in zip(names, weights, strict=True):
            if name in levels:
                mean, inverse = levels[name]
                form, columns = given[name], self._columns[name]
                scales[name] = scale = (weight * inverse).astype(np.float32)
                if isinstance(form, FactorScores):
                    left[:, columns.start : columns.stop - 1] = form.users * scale[:, None]
                left[:, columns.stop - 1] = -scale * mean
                alive |= inverse > 0
        if scales:
            np.dot(left, self._items.T, out=out)
        else:
            out[:] = 0
        for name, sparse in entries.items():
            if name in scales:
                sparse.add_to(out, scales[name])
        for name, weight in zip(names, weights, strict=True):
            form = given[name]
            if isinstance(form, np.ndarray):
                standard = standardise(form, seen)
                alive |= standard.any(axis=1)
                standard *= weight[:, None]
                out += standard
                if parts is not None:
                    parts[name] = standard
        if self._stage is not None:
            items, best = self._stage.candidates(out, seen)
            members = [name for name in self._stage.members if name in given]
            standing = {name: _standard_at(given[name], items, seen, levels.get(name)) for name in members}
            rise = self._stage.rise(items, best, standing, counts)
            add_at(out, items, rise)
            if parts is not None:
                parts[PART] = np.zeros_like(out)
                add_at(parts[PART], items, rise)
        if self._cold is not None:
            raw = {name: _at(given[name], self._cold.items) for name in self._cold.members if name in given}
            self._cold.place(out, raw, parts)
        if not alive.all():
            self._fall_back(asked, np.flatnonzero(~alive), out, parts)

    def _fall_back(self, asked: Asked, silent: NDArray[np.int64], out: Scores, parts: dict[str, Scores] | None) -> None:
        """Give the fallback's scores to rows in which no scorer has anything to say."""
        users = asked[silent] if isinstance(asked, np.ndarray) else [Profile()] * len(silent)
        with self._lock:
            scores = standardise(_dense(self._scorers[FALLBACK], users, self._n_items))
        out[silent] = scores
        if parts is not None:
            parts.setdefault(FALLBACK, np.zeros_like(out))[silent] += scores

    def _levels(
        self, given: Mapping[str, Given], entries: Mapping[str, Entries], places: SeenPlaces, scratch: Scores
    ) -> dict[str, Level]:
        """Return the level of each compact scorer that is fused, or that the second stage looks at."""
        found: dict[str, Level] = {}
        for name in dict.fromkeys([*self._weights, *(self._stage.members if self._stage else ())]):
            form = given.get(name)
            if isinstance(form, FactorScores):
                mean, deviation = product_statistics(self.prepare()[name], form, places)
            elif isinstance(form, SparseScores):
                mean, deviation = entries[name].statistics(form, places, scratch)
            else:
                continue
            silent = is_flat(mean, deviation) | ~form.known_users
            found[name] = np.where(silent, 0, mean), np.where(silent, 0, 1 / np.where(silent, 1, deviation))
        return found


def _dense(scorer: Scorer, asked: Asked, n_items: int) -> Scores:
    if isinstance(asked, np.ndarray):
        return np.asarray(scorer.score(asked), dtype=np.float32)
    assert isinstance(scorer, NewUserScorer)
    rows = [np.asarray(scorer.score_new(profile), dtype=np.float32) for profile in asked]
    return np.reshape(rows, (len(asked), n_items))


def _standard_at(form: Given, items: NDArray[np.int64], seen: csr_array, level: Level | None) -> NDArray[np.float32]:
    """Return the standard scores of each user's own ``items`` of shape ``(u, c)``; 0 where they are not known."""
    at = np.maximum(items, 0)
    if isinstance(form, np.ndarray) or level is None:
        return np.take_along_axis(standardise(np.asarray(form), seen), at, axis=1)
    mean, inverse = level
    if isinstance(form, FactorScores):
        raw = (form.items[at] @ form.users[:, :, None])[:, :, 0]
    else:
        rows = np.broadcast_to(np.arange(len(at))[:, None], at.shape)
        raw = np.asarray(form.matrix[rows.ravel(), at.ravel()]).reshape(at.shape)
    standard = (raw - mean[:, None]) * inverse[:, None]
    return np.where(form.known_items[at], standard, 0).astype(np.float32)


def _at(form: Given, items: ItemIndices) -> Scores:
    """Return the raw scores of some items, NaN where they are not known, shape ``(u, i)``."""
    if isinstance(form, np.ndarray):
        return form[:, items]
    scores = form.users @ form.items[items].T if isinstance(form, FactorScores) else form.matrix[:, items].toarray()
    scores[:, ~form.known_items[items]] = np.nan
    scores[~form.known_users] = np.nan
    return np.asarray(scores, dtype=np.float32)
