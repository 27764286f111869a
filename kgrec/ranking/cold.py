"""Cold items beside warm ones: how high an item without likes may come, by a stated budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.models.ndcg import hits, ndcg
from kgrec.models.top_k import mask_seen, top_k
from kgrec.ranking.score_stats import standardise
from kgrec.types import ItemIndices, Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SCALE = 0.5
"""Spread of the cold items' scores, that of the warm ones counting 1; found best on MovieLens and Last.fm."""

STEPS = 24
"""Halvings of the interval in which the height is looked for."""

RISE, STEP = 4.0, 0.125
"""How far, and how finely, a height beyond the budget's is looked for, in deviations."""

NOISE = 0.001
"""Share of the NDCG that is not worth a greater height."""


@dataclass(frozen=True, slots=True)
class ColdPlacement:
    """Which items are cold, who scores them, and where their scores lie among those of the others.

    The scorers of warm items have nothing to say of an item without likes: its score is their mean, and no list
    is that long; the raw scores of a content scorer would fill the list instead. So the members' standard scores among
    the cold items are added up by their weights, standardised again to ``z``, and the cold item gets
    ``m + d * (height + scale * z)``, where ``m`` and ``d`` are mean and standard deviation of the user's fused scores
    of the warm items. Where nothing is known of a user, cold items keep the mean.

    Attributes:
        items: positions of the cold items, shape ``(c,)``.
        members: names of the scorers that score them.
        height: what is added, in deviations of the user's warm scores.
        scale: spread of the cold scores, in the same unit.
        weights: of the members; none given: equal.
    """

    items: ItemIndices
    members: tuple[str, ...]
    height: float
    scale: float = SCALE
    weights: tuple[float, ...] = ()

    def place(self, fused: Scores, scores: Mapping[str, Scores], parts: dict[str, Scores] | None = None) -> None:
        """Replace the cold items' columns of fused scores, in place.

        Args:
            fused: shape ``(u, n_items)``.
            scores: raw scores that the members give to the cold items, shape ``(u, c)``; members that cannot score may
                be missing.
            parts: each scorer's share of the fused score, shape ``(u, n_items)``, or None; replaced too, so that they
                still sum to the fused score; members are added.
        """
        standing = self.standing(scores)
        level, unit, z = self._places(fused, standing)
        fused[:, self.items] = level + unit * z if standing else 0
        if parts is None:
            return
        for part in parts.values():
            part[:, self.items] = 0
        for name, member in standing.items():
            parts.setdefault(name, np.zeros_like(fused))[:, self.items] = level / len(standing) + unit * member
        fused[:, self.items] = _sum({name: part[:, self.items] for name, part in parts.items()})

    def standing(self, scores: Mapping[str, Scores]) -> dict[str, Scores]:
        """Return the members' weighted standard scores.

        Args:
            scores: raw scores of the cold items, shape ``(u, c)``; members that cannot score may be missing.
        """
        weights = dict(zip(self.members, self.weights or [1.0] * len(self.members), strict=True))
        return {
            name: np.float32(weight) * standardise(scores[name]) for name, weight in weights.items() if name in scores
        }

    def _places(self, total: Scores, standing: Mapping[str, Scores]) -> tuple[Scores, Scores, Scores]:
        """Return level and unit of each user's cold scores, shapes ``(u, 1)``, and their sum in the members' units."""
        n_warm = total.shape[1] - len(self.items)
        among = total[:, self.items]
        mean = (total.sum(axis=1) - among.sum(axis=1)) / max(n_warm, 1)
        squares = np.einsum("ui,ui->u", total, total) - np.einsum("ui,ui->u", among, among)
        deviation = np.sqrt(np.maximum(squares / max(n_warm, 1) - mean**2, 0))[:, None]
        z = _sum(standing) if standing else np.zeros((len(total), len(self.items)), dtype=np.float32)
        spread = z.std(axis=1, keepdims=True)
        known = spread > 1e-6  # else nothing is known of the user, or the members cancel out
        unit = np.where(known, self.scale * deviation / np.where(known, spread, 1), 0)
        level = mean[:, None] + np.where(known, deviation * self.height, 0)
        return level.astype(np.float32), unit.astype(np.float32), z

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "items": self.items.tolist(),
            "members": list(self.members),
            "height": self.height,
            "scale": self.scale,
            "weights": list(self.weights),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`state` took apart."""
        items = np.array(state["items"], dtype=np.int64)
        height, scale = float(state["height"]), float(state["scale"])
        return cls(items, tuple(state["members"]), height, scale, tuple(state.get("weights", ())))


def budget(share: float, n_cold: int, likes: NDArray[np.integer]) -> float:
    """Return what may be spent on items that nobody could like yet: ``share`` if they are a fifth of all or more.

    Below that it falls with the square, for there is little to win. A log of tastes has a tail of items that nobody
    happened to like, which are not worth more than held-out likes say of them: as many are expected as Chao's
    ``f1 (f1 - 1) / (2 (f2 + 1))``, of the numbers of items with one like and with two (Chao, Nonparametric estimation
    of the number of classes in a population, Scandinavian Journal of Statistics 1984). What is cold beyond that is new.

    Args:
        share: of the accuracy on other items.
        n_cold: items without likes.
        likes: how many users like each item, shape ``(n_items,)``.
    """
    once, twice = (int((likes == n).sum()) for n in (1, 2))
    new = n_cold - once * max(once - 1, 0) / (2 * (twice + 1))
    return share * float(np.clip(5.0 * new / max(len(likes), 1), 0.0, 1.0)) ** 2


@dataclass(frozen=True, slots=True)
class Merging:
    """The best warm and the best cold items of each user, to be merged at any height.

    Attributes:
        warm: scores of the warm items less their mean, in their deviations, falling, shape ``(u, k)``.
        cold: standard scores of the cold items, falling, shape ``(u, k)``; -inf where there are fewer.
        hit: which of the warm items are held-out likes, shape ``(u, k)``.
        relevant: held-out likes of warm items, of each user, shape ``(u,)``.
        cold_hit, cold_relevant: the same of the cold items.
    """

    warm: NDArray[np.float32]
    cold: NDArray[np.float32]
    hit: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    cold_hit: NDArray[np.bool_]
    cold_relevant: NDArray[np.int64]

    def ndcg(self, height: float, scale: float = SCALE) -> float:
        """Return the mean NDCG of the warm items when cold ones are let in at ``height``."""
        return self._ndcg(height, scale, np.zeros_like(self.cold_hit), self.relevant)

    def ndcg_of_all(self, height: float, scale: float = SCALE) -> float:
        """Return the mean NDCG of all items when cold ones are let in at ``height``."""
        return self._ndcg(height, scale, self.cold_hit, self.relevant + self.cold_relevant)

    def _ndcg(self, height: float, scale: float, cold_hit: NDArray[np.bool_], relevant: NDArray[np.int64]) -> float:
        merged = np.concatenate([self.warm, np.float32(height) + np.float32(scale) * self.cold], axis=1)
        best, _ = top_k(merged, self.warm.shape[1])
        found = np.concatenate([self.hit, cold_hit], axis=1)
        hit = np.take_along_axis(found, np.maximum(best, 0), axis=1) & (best >= 0)
        judging = relevant > 0
        return float(ndcg(hit[judging], relevant[judging]).mean()) if judging.any() else 0.0


def merging(total: Scores, cold: Scores, items: ItemIndices, masked: csr_array, truth: csr_array, k: int) -> Merging:
    """Pick what can come into the lists of a block of users.

    Args:
        total: fused scores, shape ``(u, n_items)``.
        cold: standard scores of the cold items, shape ``(u, c)``.
        items: the cold items, shape ``(c,)``.
        masked: items that are never ranked, shape ``(u, n_items)``.
        truth: held-out likes, shape ``(u, n_items)``.
        k: length of the lists.
    """
    warm = np.ones(total.shape[1], dtype=np.bool_)
    warm[items] = False
    scores = total - total[:, warm].mean(axis=1, keepdims=True)
    scores /= np.maximum(total[:, warm].std(axis=1, keepdims=True), 1e-9)
    mask_seen(scores, masked)
    scores[:, items] = -np.inf
    best, values = top_k(scores, k)
    rest = cold.copy()
    mask_seen(rest, masked[:, items])
    rest[~cold.any(axis=1)] = -np.inf
    relevant = np.diff(truth[:, np.flatnonzero(warm)].indptr)
    liked = truth[:, items]
    first, cold_values = top_k(rest, k)
    return Merging(
        values,
        cold_values,
        hits(best, truth),
        relevant.astype(np.int64),
        hits(first, liked),
        np.diff(liked.indptr).astype(np.int64),
    )


def learn_height(parts: Merging, budget: float) -> float:
    """Return the greatest height at which the warm items lose at most the share ``budget`` of their NDCG.

    Where held-out likes are of cold items, what these gain may outweigh what the others lose: then the height is
    raised to where all lists together are best, or so nearly best that the rest is noise.

    Args:
        parts: of the held-out users.
        budget: a share of NDCG, such as 0.02.
    """
    low, high = -20.0, 20.0  # in deviations: nothing comes in, nothing else comes in
    least = (1 - budget) * parts.ndcg(low)
    if not parts.relevant.any():  # nothing tells what letting them in costs: they stand at the mean
        low = high = 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if parts.ndcg(middle) >= least else (low, middle)
    if not parts.cold_relevant.any():
        return low
    heights = low + np.arange(0, RISE + STEP / 2, STEP)
    found = np.array([parts.ndcg_of_all(height) for height in heights])
    return float(heights[np.argmax(found >= (1 - NOISE) * found.max())])


def _sum(parts: Mapping[str, Scores]) -> Scores:
    return np.asarray(np.sum(list(parts.values()), axis=0), dtype=np.float32)
