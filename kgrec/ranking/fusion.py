"""One score out of many: each scorer standardised for each user, weighed, nudged by trees, cold items put in place."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import CompactScorer, NewUserScorer, Scorer
from kgrec.ranking.outline import WIDE, Block, Outline, Standing, multiply
from kgrec.ranking.score_stats import Entries, Product, SeenPlaces, is_flat, product_statistics, standardise
from kgrec.ranking.second_stage import CANDIDATES, PART, SecondStage, add_at
from kgrec.types import Compact, FactorScores, ItemIndices, Profile, Scores, SparseScores, SummedScores, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.ranking.cold import ColdPlacement

FALLBACK = "popularity"
"""Scores for users about whom nothing is known."""

FARTHEST = 2.5
"""Levels end here: beyond, a straight line is a guess."""

Asked = UserIndices | Sequence[Profile]
"""Positions of users at training, or the profiles of people who came later."""

Given = Compact | Scores
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


Columns = tuple[slice, int]
"""Of a scorer among those of all products: its vectors, and the ones of the items that it knows."""


@dataclass(frozen=True, slots=True)
class _Mix:
    """How the scorers come together for a block of users.

    Attributes:
        weights: by scorer, shapes ``(u,)``.
        levels: of compact scorers.
        scales: what the scores of these are multiplied by, shapes ``(u,)``.
        entries: their sparse scores.
        left: vectors of the users, side by side, scaled; shape ``(u, k)``.
        alive: who is known to one of them, shape ``(u,)``.
    """

    weights: dict[str, NDArray[np.float32]]
    levels: dict[str, Level]
    scales: dict[str, NDArray[np.float32]]
    entries: dict[str, Entries]
    left: NDArray[np.float32]
    alive: NDArray[np.bool_]


class Fusion:
    """Fuses the scorers of a ranker, block by block.

    The fused score is ``sum_s w_s (score_s - mean_s) / deviation_s``; the weights of scorers that cannot score go to
    the others. Where scores are products of vectors (see :class:`kgrec.types.FactorScores`), mean and deviation follow
    from the vectors: the sum of squares over all items is a quadratic form in the user's vector. So all such scorers
    together are one product of matrices, the vectors of the scorers side by side (but for long ones), and one array of
    scores is written instead of several arrays a scorer. Sparse scores (see :class:`kgrec.types.SparseScores`) are
    added where they are not 0. The others are standardised as a whole. May be used by several threads.

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
        self._compacts = {name: one for name, one in scorers.items() if isinstance(one, CompactScorer)}
        self._lock = threading.Lock()  # of scorers that promise nothing about threads
        self._products: dict[str, Product] | None = None
        self._columns: dict[str, Columns] = {}
        self._blocks: list[Block] = []
        self._width = 0

    def prepare(self) -> dict[str, Product]:
        """Put the vectors of all scorers side by side, for :meth:`fuse`; done once, before threads start."""
        if self._products is not None:
            return self._products
        products: dict[str, Product] = {}
        narrow: list[NDArray[np.float32]] = []
        wide: list[NDArray[np.float32]] = []
        known: dict[str, int] = {}
        for name in dict.fromkeys([*self._weights, *(self._stage.members if self._stage else ())]):
            form = self._compact(name, np.zeros(0, dtype=np.int64))
            if form is None:
                continue
            if (factors := _product_of(form)) is not None:
                products[name] = Product.of(factors.items, factors.known_items)
            if name in self._weights:
                known[name] = len(narrow)
                narrow.append(form.known_items.astype(np.float32)[:, None])
        columns = {name: slice(0, 0) for name in known}
        width = len(narrow)
        for name in sorted(set(products) & set(known), key=lambda name: products[name].items.shape[1] >= WIDE):
            items = products[name].items
            columns[name] = slice(width, width + items.shape[1])
            width += items.shape[1]
            (wide if items.shape[1] >= WIDE else narrow).append(items)
        self._blocks, start = [], 0
        for items in [*([np.concatenate(narrow, axis=1)] if narrow else []), *wide]:
            self._blocks.append((slice(start, start + items.shape[1]), items))
            start += items.shape[1]
        self._columns = {name: (columns[name], known[name]) for name in known}
        self._width, self._products = width, products
        return products

    @cached_property
    def _outline(self) -> Outline | None:
        self.prepare()
        return Outline.of(self._blocks)

    def fuse(self, asked: Asked, seen: csr_array, out: Scores) -> None:
        """Write the fused scores of users who have seen ``seen`` into ``out`` of shape ``(u, n_items)``.

        The same as :meth:`split` finds, up to rounding, without writing down the scores of every scorer.
        """
        self.prepare()
        self._fuse(asked, self._ask(asked, compact=True), seen, out, None)

    def fuse_best(self, asked: Asked, seen: csr_array, out: Scores, n: int, standing: Standing) -> None:
        """Do as :meth:`fuse` for one user, where only the best ``n`` matter; of long vectors the others are rough.

        Args:
            asked: one user.
            seen: as there.
            out: shape ``(1, n_items)``.
            n: length of the list.
            standing: by what it is decided; see :class:`kgrec.ranking.outline.Outline`.
        """
        self.prepare()
        cold = np.zeros(0, dtype=np.int64) if self._cold is None else self._cold.items

        def warm(scores: NDArray[np.float32]) -> NDArray[np.float32]:
            found = standing(scores)
            found[cold] = -np.inf  # where these stand is decided afterwards
            return found

        self._fuse(asked, self._ask(asked, compact=True), seen, out, None, (n, warm))

    def shares(self, asked: Asked, seen: csr_array, items: ItemIndices) -> dict[str, NDArray[np.float32]]:
        """Return what :meth:`split` says of some items for one user, each scorer's share of shape ``(i,)``."""
        self.prepare()
        given = self._ask(asked, compact=True)
        kept = self._stage is None and (self._cold is None or not np.isin(items, self._cold.items).any())
        scratch = np.zeros((1, self._n_items), dtype=np.float32)
        mix = self._mix(given, seen, scratch)
        if not (kept and mix.alive.all()):
            return {name: part[0, items] for name, part in self.split(asked, seen)[0].items()}
        places = np.asarray(items, dtype=np.int64)[None]
        return {
            name: weight[0] * _standard_at(given[name], places, seen, mix.levels.get(name))[0]
            for name, weight in mix.weights.items()
        }

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

    def _compact(self, name: str, asked: Asked) -> Compact | None:
        if (scorer := self._compacts.get(name)) is None:
            return None
        return scorer.compact(asked) if isinstance(asked, np.ndarray) else scorer.compact_new(asked)

    def _fuse(
        self,
        asked: Asked,
        given: Mapping[str, Given],
        seen: csr_array,
        out: Scores,
        parts: dict[str, Scores] | None,
        best: tuple[int, Standing] | None = None,
    ) -> None:
        """Fuse into ``out``; write each scorer's share into ``parts``, for which all that is given must be dense."""
        mix, counts = self._mix(given, seen, out), np.diff(seen.indptr)
        outline = None if best is None else self._outline
        off = np.zeros(0, dtype=np.float32)
        if outline is not None:
            off = outline.draw(mix.left, out)
        else:
            multiply(self._blocks, mix.left, out)
        for name, sparse in mix.entries.items():
            if name in mix.scales:
                sparse.add_to(out, mix.scales[name])
        alive = mix.alive
        for name, weight in mix.weights.items():
            form = given[name]
            if isinstance(form, np.ndarray):
                standard = standardise(form, seen)
                alive |= standard.any(axis=1)
                standard *= weight[:, None]
                out += standard
                if parts is not None:
                    parts[name] = standard
        if outline is not None and best is not None:
            outline.sharpen(mix.left, out, off, *best)
        if self._stage is not None:
            if outline is not None:
                outline.sharpen(mix.left, out, off, CANDIDATES, self._stage.standing(seen))
            items, first = self._stage.candidates(out, seen)
            members = [name for name in self._stage.members if name in given]
            standing = {name: _standard_at(given[name], items, seen, mix.levels.get(name)) for name in members}
            rise = self._stage.rise(items, first, standing, counts)
            add_at(out, items, rise)
            if parts is not None:
                parts[PART] = np.zeros_like(out)
                add_at(parts[PART], items, rise)
        if self._cold is not None:
            raw = {name: _at(given[name], self._cold.items) for name in self._cold.members if name in given}
            self._cold.place(out, raw, parts)
        if not alive.all():
            self._fall_back(asked, np.flatnonzero(~alive), out, parts)

    def _mix(self, given: Mapping[str, Given], seen: csr_array, scratch: Scores) -> _Mix:
        """Return how the scorers come together for users; ``scratch``, shape ``(u, n_items)``, is overwritten."""
        names, counts = [name for name in self._weights if name in given], np.diff(seen.indptr)
        weights = by_user(names, self._weights, self._gate, counts)
        weights = weights / np.float32(sum(self._weights[name] for name in names))
        entries = {name: Entries.of(added) for name in given if (added := _entries_of(given[name])) is not None}
        levels = self._levels(given, entries, SeenPlaces.of(seen), scratch)
        left = np.zeros((len(scratch), self._width), dtype=np.float32)
        alive = np.zeros(len(scratch), dtype=np.bool_)
        scales = {}
        for name, weight in zip(names, weights, strict=True):
            if name in levels:
                mean, inverse = levels[name]
                columns, constant = self._columns[name]
                scales[name] = scale = (weight * inverse).astype(np.float32)
                if (factors := _product_of(given[name])) is not None:
                    left[:, columns] = factors.users * scale[:, None]
                left[:, constant] = -scale * mean
                alive |= inverse > 0
        return _Mix(dict(zip(names, weights, strict=True)), levels, scales, entries, left, alive)

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
            if form is None or isinstance(form, np.ndarray):
                continue
            mean, variance = np.zeros(len(scratch)), np.zeros(len(scratch))
            if (factors := _product_of(form)) is not None:
                mean, deviation = product_statistics(self.prepare()[name], factors, places)
                variance = deviation**2
            if (added := _entries_of(form)) is not None:
                own, spread = entries[name].statistics(added, places, scratch)
                if isinstance(form, SummedScores):
                    variance = variance + entries[name].beside(self.prepare()[name], form, places, mean)
                mean, variance = mean + own, variance + spread**2
            deviation = np.sqrt(np.maximum(variance, 0))
            silent = is_flat(mean, deviation) | ~form.known_users
            found[name] = np.where(silent, 0, mean), np.where(silent, 0, 1 / np.where(silent, 1, deviation))
        return found


def _product_of(form: Given) -> FactorScores | None:
    return form.product if isinstance(form, SummedScores) else form if isinstance(form, FactorScores) else None


def _entries_of(form: Given) -> SparseScores | None:
    return form.added if isinstance(form, SummedScores) else form if isinstance(form, SparseScores) else None


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
    raw = np.zeros(at.shape, dtype=np.float32)
    if (factors := _product_of(form)) is not None:
        raw += (factors.items[at] @ factors.users[:, :, None])[:, :, 0]
    if (added := _entries_of(form)) is not None:
        if len(at) == 1:  # several times as fast
            line = np.zeros(added.matrix.shape[1], dtype=np.float32)
            line[added.matrix.indices] = added.matrix.data
            raw += line[at]
        else:
            rows = np.broadcast_to(np.arange(len(at))[:, None], at.shape)
            raw += np.asarray(added.matrix[rows.ravel(), at.ravel()]).reshape(at.shape)
    standard = (raw - mean[:, None]) * inverse[:, None]
    return np.where(form.known_items[at], standard, 0).astype(np.float32)


def _at(form: Given, items: ItemIndices) -> Scores:
    """Return the raw scores of some items, NaN where they are not known, shape ``(u, i)``."""
    if isinstance(form, np.ndarray):
        return form[:, items]
    scores = np.zeros((len(form.known_users), len(items)), dtype=np.float32)
    if (factors := _product_of(form)) is not None:
        scores += factors.users @ factors.items[items].T
    if (added := _entries_of(form)) is not None:
        scores += added.matrix[:, items].toarray()
    scores[:, ~form.known_items[items]] = np.nan
    scores[~form.known_users] = np.nan
    return np.asarray(scores, dtype=np.float32)
