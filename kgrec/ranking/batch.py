"""Fused scores of many users at once, without writing down the scores of every scorer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import CompactScorer, NewUserScorer, Scorer
from kgrec.ranking.fusion import by_user, is_flat, standardise
from kgrec.ranking.score_stats import Entries, Product, SeenPlaces, product_statistics
from kgrec.ranking.second_stage import add_at
from kgrec.ranking.user_weights import Gate
from kgrec.types import FactorScores, ItemIndices, Profile, Scores, SparseScores, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.ranking.cold import ColdItems
    from kgrec.ranking.second_stage import SecondStage

Given = FactorScores | SparseScores | Scores
"""What a scorer says of a block of users."""


Level = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and inverse deviation of a scorer's scores of each user, both 0 where it has nothing to say."""


class Joint:
    """Fuses the scorers of a ranker, block by block.

    The fused score is ``sum_s w_s (score_s - mean_s) / deviation_s``. Where scores are products of vectors (see
    :class:`kgrec.types.FactorScores`), mean and deviation follow from the vectors: the sum of squares over all items is
    a quadratic form in the user's vector. So all such scorers together are one product of matrices, the vectors of the
    scorers side by side, and one array of scores is written instead of several arrays a scorer. Sparse scores (see
    :class:`kgrec.types.SparseScores`) are added where they are not 0. The others are standardised as a whole.

    The result is that of :meth:`kgrec.ranking.ranker.Ranker.fused` up to rounding. May be used by several threads.

    Args:
        scorers: fitted, by name: those with a weight, and the members of ``cold`` and ``stage``.
        weights: of the scorers.
        gate: how weights move with the user, or None.
        cold: cold items beside the others, or None.
        stage: puts the best of the fused list into a new order, or None.
        fallback: scores those of whom nothing is known.
        n_items: length of a row.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        weights: Mapping[str, float],
        *,
        gate: Gate | None,
        cold: ColdItems | None,
        stage: SecondStage | None = None,
        fallback: Scorer,
        n_items: int,
    ) -> None:
        self._scorers, self._weights, self._gate, self._cold = scorers, weights, gate or Gate(0.0, 1.0, {}), cold
        self._stage, self._fallback, self._n_items = stage, fallback, n_items
        self._lock = threading.Lock()  # of scorers that promise nothing about threads
        self._products: dict[str, Product] = {}
        self._columns: dict[str, slice] = {}  # of the scorer's vectors in the joint matrix, the last one for its mean
        parts: list[NDArray[np.float32]] = []
        width = 0
        for name in weights:
            form = self._compact(name, np.zeros(0, dtype=np.int64))
            if form is None:
                continue
            known = form.known_items.astype(np.float32)[:, None]
            if isinstance(form, FactorScores):
                self._products[name] = Product.of(form.items, form.known_items)
                parts.append(self._products[name].items)
            parts.append(known)
            n_columns = sum(part.shape[1] for part in parts) - width
            self._columns[name] = slice(width, width + n_columns)
            width += n_columns
        for name in stage.members if stage else ():
            form = self._compact(name, np.zeros(0, dtype=np.int64))
            if isinstance(form, FactorScores) and name not in self._products:
                self._products[name] = Product.of(form.items, form.known_items)
        self._items = np.concatenate(parts, axis=1) if parts else np.zeros((n_items, 0), dtype=np.float32)

    def fuse(self, users: UserIndices, seen: csr_array, out: Scores) -> None:
        """Write the fused scores of ``users``, who have seen ``seen``, into ``out`` of shape ``(u, n_items)``."""
        given = {name: self._given(name, users) for name in self._names()}
        alive = self._fuse(given, seen, out)
        if not alive.all():
            silent = np.logical_not(alive)
            with self._lock:
                out[silent] = standardise(np.asarray(self._fallback.score(users[silent]), dtype=np.float32))

    def fuse_new(self, profiles: Sequence[Profile], seen: csr_array, out: Scores) -> None:
        """Do the same for people who were not there at training."""
        found = {name: self._given_new(name, profiles) for name in self._names()}
        alive = self._fuse({name: part for name, part in found.items() if part is not None}, seen, out)
        if not alive.all():
            with self._lock:
                scores = self._fallback.score_new(Profile())  # type: ignore[attr-defined]
            out[np.logical_not(alive)] = standardise(np.asarray(scores, dtype=np.float32)[None, :])

    def _names(self) -> list[str]:
        cold, stage = (self._cold.members if self._cold else ()), (self._stage.members if self._stage else ())
        return list(dict.fromkeys([*self._weights, *cold, *stage]))

    def _compact(self, name: str, users: UserIndices) -> FactorScores | SparseScores | None:
        scorer = self._scorers[name]
        return scorer.compact(users) if isinstance(scorer, CompactScorer) else None

    def _given(self, name: str, users: UserIndices) -> Given:
        form = self._compact(name, users)
        if form is not None:
            return form
        with self._lock:
            return np.asarray(self._scorers[name].score(users), dtype=np.float32)

    def _given_new(self, name: str, profiles: Sequence[Profile]) -> Given | None:
        scorer = self._scorers[name]
        form = scorer.compact_new(profiles) if isinstance(scorer, CompactScorer) else None
        if form is not None:
            return form
        if not isinstance(scorer, NewUserScorer):
            return None
        with self._lock:
            rows = [np.asarray(scorer.score_new(profile), dtype=np.float32) for profile in profiles]
        return np.reshape(rows, (len(profiles), self._n_items))

    def _fuse(self, given: Mapping[str, Given], seen: csr_array, out: Scores) -> NDArray[np.bool_]:
        """Fuse and place cold items; return of whom anything is known, shape ``(u,)``."""
        names = [name for name in self._weights if name in given]
        weights = by_user(names, self._weights, self._gate, np.diff(seen.indptr))
        weights = weights / np.float32(sum(self._weights[name] for name in names))
        places = SeenPlaces.of(seen)
        left = np.zeros((len(out), self._items.shape[1]), dtype=np.float32)
        sparse: list[tuple[Entries, NDArray[np.float32]]] = []
        alive = np.zeros(len(out), dtype=np.bool_)
        for name, weight in zip(names, weights, strict=True):
            part = given[name]
            if isinstance(part, np.ndarray):
                continue
            if isinstance(part, FactorScores):
                mean, deviation = product_statistics(self._products[name], part, places)
            else:
                entries = Entries.of(part)
                mean, deviation = entries.statistics(part, places, out)
            silent = is_flat(mean, deviation) | ~part.known_users
            scale = np.where(silent, 0, weight / np.where(silent, 1, deviation)).astype(np.float32)
            columns = self._columns[name]
            if isinstance(part, FactorScores):
                left[:, columns.start : columns.stop - 1] = part.users * scale[:, None]
            else:
                sparse.append((entries, scale))
            left[:, columns.stop - 1] = -scale * np.where(silent, 0, mean)
            alive |= ~silent
        levels = self._levels(given, places, out)
        np.dot(left, self._items.T, out=out)
        for entries, scale in sparse:
            entries.add_to(out, scale)
        for name, weight in zip(names, weights, strict=True):
            part = given[name]
            if isinstance(part, np.ndarray):
                standard = standardise(part, seen)
                alive |= standard.any(axis=1)
                standard *= weight[:, None]
                out += standard
        if self._stage is not None:
            items, best = self._stage.candidates(out, seen)
            standing = {
                name: _standard_at(given[name], items, seen, levels.get(name))
                for name in self._stage.members
                if name in given
            }
            add_at(out, items, self._stage.rise(items, best, standing, np.diff(seen.indptr)))
        if self._cold is not None:
            members = {name: _at(given[name], self._cold.items) for name in self._cold.members if name in given}
            self._cold.place_fused(out, members)
        return alive

    def _levels(self, given: Mapping[str, Given], places: SeenPlaces, scratch: Scores) -> dict[str, Level]:
        """Return the level of each compact scorer that the second stage looks at."""
        found: dict[str, Level] = {}
        for name in self._stage.members if self._stage else ():
            part = given.get(name)
            if part is None or isinstance(part, np.ndarray):
                continue
            if isinstance(part, FactorScores):
                mean, deviation = product_statistics(self._products[name], part, places)
            else:
                mean, deviation = Entries.of(part).statistics(part, places, scratch)
            silent = is_flat(mean, deviation) | ~part.known_users
            found[name] = np.where(silent, 0, mean), np.where(silent, 0, 1 / np.where(silent, 1, deviation))
        return found


def _standard_at(part: Given, items: NDArray[np.int64], seen: csr_array, level: Level | None) -> NDArray[np.float32]:
    """Return the standard scores of each user's own ``items`` of shape ``(u, c)``; 0 where they are not known."""
    at = np.maximum(items, 0)
    if isinstance(part, np.ndarray) or level is None:
        return np.take_along_axis(standardise(np.asarray(part), seen), at, axis=1)
    mean, inverse = level
    if isinstance(part, FactorScores):
        raw = (part.items[at] @ part.users[:, :, None])[:, :, 0]
    else:
        rows = np.broadcast_to(np.arange(len(at))[:, None], at.shape)
        raw = np.asarray(part.matrix[rows.ravel(), at.ravel()]).reshape(at.shape)
    standard = (raw - mean[:, None]) * inverse[:, None]
    return np.where(part.known_items[at], standard, 0).astype(np.float32)


def _at(part: Given, items: ItemIndices) -> Scores:
    """Return the raw scores of some items, NaN where they are not known, shape ``(u, i)``."""
    if isinstance(part, np.ndarray):
        return part[:, items]
    scores = part.users @ part.items[items].T if isinstance(part, FactorScores) else part.matrix[:, items].toarray()
    scores[:, ~part.known_items[items]] = np.nan
    scores[~part.known_users] = np.nan
    return np.asarray(scores, dtype=np.float32)
