"""A second stage: boosted trees put the best of the fused list into a new order.

The fusion adds up scores; trees see where the scorers agree, how far an item is from the end of the list, how popular
it is and how much is known of the user. They only nudge the fused score, and only that of the best items; how they are
learned, and whether they are kept, see :mod:`kgrec.ranking.second_stage_training`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import CorruptArtifactError, MissingExtraError
from kgrec.models.top_k import top_k
from kgrec.workspace import load_arrays, read_json, save_arrays, write_json

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.types import Scores

PART = "second-stage"
"""Name of what the trees add, among the parts of a score."""

CANDIDATES = 100
"""So many of the best items are put into a new order."""

NEAR = 20
"""An item's distance to the one at this place is a feature."""

DIGITS = 4
"""Decimals of a standard score that trees see."""

FILE = "second-stage"
"""Name of its files in the folder of the models."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Listed:
    """The candidates of some users, best first by the fused score.

    Attributes:
        present: which places hold an item; the last ones of a user with few items do not, shape ``(u, c)``.
        fused: fused scores, -inf where there is no item, shape ``(u, c)``.
        features: shape ``(u, c, f)``.
    """

    present: NDArray[np.bool_]
    fused: Floats
    features: Floats

    def of(self, users: NDArray[np.int64]) -> Listed:
        """Return the candidates of some of the users."""
        return Listed(self.present[users], self.fused[users], self.features[users])


def describe(
    items: NDArray[np.int64], fused: Floats, standing: Sequence[Floats], counts: NDArray[np.int64], popularity: Floats
) -> Listed:
    """Describe the best items of each user; no feature names a user or an item.

    Args:
        items: positions, best first, -1 where there are fewer, shape ``(u, c)``.
        fused: their fused scores, same shape.
        standing: their standard scores by each scorer, each of the same shape.
        counts: items that each user has seen, shape ``(u,)``.
        popularity: of all items, see :func:`popularity_of`, shape ``(n_items,)``.
    """
    present = items >= 0
    # Scores of one user and those of a block differ in the last bits, which trees would take for a difference.
    flat, standing = np.round(np.where(present, fused, np.float32(0)), DIGITS), [np.round(s, DIGITS) for s in standing]
    edge = flat[:, [min(NEAR, flat.shape[1]) - 1]]
    order = np.broadcast_to(np.log(np.arange(flat.shape[1]) + 2.0), flat.shape)
    level = np.broadcast_to(np.log1p(counts)[:, None], flat.shape)
    columns = [flat, flat - edge, order, np.where(present, popularity[np.maximum(items, 0)], 0), level]
    for scores in standing:
        own = np.where(present, scores, -np.inf)
        rank = np.argsort(np.argsort(-own, axis=1, kind="stable"), axis=1, kind="stable")
        columns += [np.where(present, scores, 0), np.log(rank + 2.0)]
    return Listed(present, np.where(present, fused, -np.inf), np.stack(columns, axis=-1).astype(np.float32))


def popularity_of(likes: csr_array) -> Floats:
    """Return the logarithm of one more than each item's likes, standardised over the items, shape ``(n_items,)``."""
    logs = np.log1p(np.bincount(likes.indices, minlength=likes.shape[1]))
    return np.asarray((logs - logs.mean()) / max(float(logs.std()), 1e-6), dtype=np.float32)


@dataclass(frozen=True)
class SecondStage:
    """Learned trees.

    Attributes:
        models: trees in LightGBM's text format; their scores are averaged.
        strength: what the mean is multiplied by.
        members: scorers whose scores are looked at, in the order of the features.
        popularity: see :func:`popularity_of`.
        ranks_seen: items that a user has seen may be among the candidates.
    """

    models: tuple[str, ...]
    strength: float
    members: tuple[str, ...]
    popularity: Floats
    ranks_seen: bool = False

    @cached_property
    def trees(self) -> list[Any]:
        """The models, read when they are first used.

        Raises:
            MissingExtraError: LightGBM is not installed.
            CorruptArtifactError: they are damaged.
        """
        lightgbm = import_lightgbm()
        try:
            return [lightgbm.Booster(model_str=model) for model in self.models]
        except lightgbm.basic.LightGBMError as error:
            raise CorruptArtifactError(
                f"the trees of the second stage are damaged: {error}", hint="run `kgrec train` again"
            ) from None

    def standing(self, seen: csr_array) -> Callable[[Floats], Floats]:
        """Return what decides who is among the candidates of one user, as :meth:`candidates` does."""

        def of(fused: Floats) -> Floats:
            found = fused.copy()
            if not self.ranks_seen:
                found[seen.indices] = -np.inf
            return found

        return of

    def candidates(self, fused: Scores, seen: csr_array) -> tuple[NDArray[np.int64], Floats]:
        """Return positions and fused scores of each user's best items, -1 and -inf where there are fewer.

        Args:
            fused: shape ``(u, n_items)``; not changed in the end.
            seen: what the users have seen, CSR of the same shape.
        """
        rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
        kept = fused[rows, seen.indices]
        if not self.ranks_seen:
            fused[rows, seen.indices] = -np.inf  # put back below: a copy of the scores would cost more
        items, best = top_k(fused, CANDIDATES)
        fused[rows, seen.indices] = kept
        silent = ~fused.any(axis=1)
        items[silent], best[silent] = -1, -np.inf
        return items, best

    def rise(
        self, items: NDArray[np.int64], fused: Floats, standing: Mapping[str, Floats], counts: NDArray[np.int64]
    ) -> Floats:
        """Return what is added to the candidates' scores, 0 at least, shape ``(u, c)``.

        Args:
            items: positions, as :meth:`candidates` found them.
            fused: their scores, from the same.
            standing: standard scores of the candidates by scorer, each of shape ``(u, c)``; absent ones count as 0.
            counts: items that each user has seen, shape ``(u,)``.
        """
        nothing = np.zeros_like(fused)
        ordered = [standing.get(name, nothing) for name in self.members]
        listed = describe(items, fused, ordered, counts, self.popularity)
        return np.asarray(np.float32(self.strength) * rise_by(self.trees, listed), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write it as JSON and safetensors."""
        save_arrays(folder / f"{FILE}.safetensors", {"popularity": self.popularity})
        document = {
            "models": list(self.models),
            "strength": self.strength,
            "members": list(self.members),
            "ranks_seen": self.ranks_seen,
        }
        write_json(folder / f"{FILE}.json", document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
        """
        document = read_json(folder / f"{FILE}.json")
        popularity = load_arrays(folder / f"{FILE}.safetensors")["popularity"].astype(np.float32)
        models, members = tuple(document["models"]), tuple(document["members"])
        return cls(models, float(document["strength"]), members, popularity, bool(document["ranks_seen"]))


def add_at(scores: Scores, items: NDArray[np.int64], added: Floats) -> None:
    """Add to the scores of each user's ``items``, in place; -1 stands for no item."""
    rows, places = np.nonzero(items >= 0)
    scores[rows, items[rows, places]] += added[rows, places]


def rise_by(trees: Sequence[Any], listed: Listed, *, rounds: int | None = None) -> Floats:
    """Return the trees' mean score less the least of each user's, shape ``(u, c)``; 0 where there is no item.

    Args:
        trees: LightGBM boosters.
        listed: the candidates.
        rounds: only the first so many trees of each, or None for all.
    """
    scores = np.zeros(listed.present.shape, dtype=np.float32)
    if listed.present.any():
        rows = listed.features[listed.present]
        # One thread: blocks of users already run on several.
        found = [tree.predict(rows, num_iteration=rounds, num_threads=1) for tree in trees]
        scores[listed.present] = np.mean(found, axis=0)
    least = np.where(listed.present, scores, np.inf).min(axis=1, keepdims=True)
    return np.where(listed.present, scores - least, 0).astype(np.float32)


def import_lightgbm() -> Any:
    """Return the module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import lightgbm
    except ImportError:
        raise MissingExtraError.of("fusion.second_stage", "rank") from None
    return lightgbm
