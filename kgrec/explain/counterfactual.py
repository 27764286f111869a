"""What becomes of an item when items of the history are taken away: found by scoring the profile that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models.top_k import mask_seen
from kgrec.types import ItemIndices, Mask, Profile

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker

SINGLES = 24
"""So many items of the history are taken away one by one: those that speak for the item most."""

PAIRED = 7
"""Of so many all pairs are tried."""

LONGEST = 12
"""Items of a set at most; more are no explanation."""


@dataclass(frozen=True)
class Removal:
    """Ranks of one item under shortened profiles; what the person has seen stays seen.

    Attributes:
        ranker: scores the profiles.
        profile: everything the person likes.
        seen: what the person has seen, never ranked, CSR of shape ``(1, n_items)``.
        item: whose rank is asked for.
        allowed: items that may be recommended, shape ``(n_items,)``, or None for all.
    """

    ranker: Ranker
    profile: Profile
    seen: csr_array
    item: int
    allowed: Mask | None = None

    def ranks(self, sets: Sequence[ItemIndices]) -> NDArray[np.int64]:
        """Return the rank of the item without each of ``sets``, shape ``(len(sets),)``; 1 is best."""
        profiles = [self._without(away) for away in sets]
        seen = csr_array(self.seen[np.zeros(len(sets), dtype=np.int64)])
        scores = np.zeros((len(sets), len(self.ranker.item_ids)), dtype=np.float32)
        self.ranker.fusion.fuse(profiles, seen, scores)
        own = scores[:, self.item].copy()
        mask_seen(scores, seen)
        if self.allowed is not None:
            scores[:, ~self.allowed] = -np.inf
        return np.asarray((scores > own[:, None]).sum(axis=1) + 1, dtype=np.int64)

    def _without(self, away: ItemIndices) -> Profile:
        kept = ~np.isin(self.profile.items, away)
        return replace(self.profile, items=self.profile.items[kept], weights=self.profile.weights[kept])


@dataclass(frozen=True, slots=True)
class Removed:
    """A set of items of the history without which the item is not in the list, and its ranks before and after."""

    items: ItemIndices
    before: int
    after: int


def counterfactual(removal: Removal, speaks: NDArray[np.float64], n: int) -> Removed | None:
    """Find the smallest set of history items without which the item leaves the top ``n``.

    Single items are tried first, then pairs of those that speak for it most, then growing sets, from which every item
    that is not needed is taken out again. Each set is verified by scoring; a larger one than a pair is minimal (none
    of its items can be spared), not proved to be the smallest.

    Tran, Ghazimatin, Saha Roy: *Counterfactual Explanations for Neural Recommenders*, SIGIR 2021 (greedy by the gap to
    what takes the item's place).

    Args:
        removal: of the item.
        speaks: how much each item of the history speaks for the item rather than for the one that would take its
            place, shape ``(n_items,)``.
        n: length of the list.

    Returns:
        None where the item is not in the profile's top ``n``, or no set of at most :data:`LONGEST` items removes it.
    """
    liked = removal.profile.items
    order = liked[np.argsort(-speaks[liked], kind="stable")]
    order = order[speaks[order] > 0]
    if not len(order):
        return None
    ranks = removal.ranks([order[:0], *(order[k : k + 1] for k in range(min(len(order), SINGLES)))])
    before = int(ranks[0])
    if before > n:
        return None
    if (ranks[1:] > n).any():
        best = int(np.argmax(ranks[1:]))
        return Removed(order[best : best + 1], before, int(ranks[1 + best]))
    # The drop that a single item made tells better what to combine than its contribution does.
    tried = order[: len(ranks) - 1]
    order = np.concatenate([tried[np.argsort(-ranks[1:], kind="stable")], order[len(tried) :]])
    sets = [np.array(pair, dtype=np.int64) for pair in combinations(order[:PAIRED].tolist(), 2)]
    sets += [order[:size] for size in range(3, min(len(order), LONGEST) + 1)]
    if not sets:
        return None
    ranks = removal.ranks(sets)
    out = np.flatnonzero(ranks > n)
    if not len(out):
        return None
    sizes = np.array([len(s) for s in sets])[out]
    best = int(out[np.lexsort((-ranks[out], sizes))[0]])
    return _pruned(removal, Removed(sets[best], before, int(ranks[best])), n)


def _pruned(removal: Removal, found: Removed, n: int) -> Removed:
    """Take out items that are not needed, until all are."""
    while len(found.items) > 2:  # at most LONGEST times
        sets = [np.delete(found.items, k) for k in range(len(found.items))]
        ranks = removal.ranks(sets)
        best = int(np.argmax(ranks))
        if ranks[best] <= n:
            break
        found = Removed(sets[best], found.before, int(ranks[best]))
    return found


def deletion(
    removal: Removal, named: ItemIndices, rng: np.random.Generator, *, draws: int = 10
) -> tuple[float, float] | None:
    """Return by how many doublings the rank falls without what the explanation names, and without as many others.

    A fall is ``log2(rank after / rank before)``: from place 1 to 2 counts as much as from 10 to 20.

    Args:
        removal: of the item.
        named: items of the history that the explanation names.
        rng: draws the others.
        draws: random sets of the same size; their mean is taken.

    Returns:
        None where the history is too short to draw others: it must hold more than twice as many items.
    """
    named = named[np.isin(named, removal.profile.items)]
    others = np.setdiff1d(removal.profile.items, named)
    if not len(named) or len(others) <= len(named):
        return None
    drawn = [rng.choice(others, len(named), replace=False) for _ in range(draws)]
    ranks = np.log2(removal.ranks([named[:0], named, *drawn]))
    falls = ranks[1:] - ranks[0]
    return float(falls[0]), float(falls[1:].mean())
