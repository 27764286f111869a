"""Whom an item would please: the users in whose scores it stands highest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import NotFoundError
from kgrec.live.models import Snapshot
from kgrec.models.sparse import take_rows
from kgrec.types import Profile

SCORED, BLOCK = 2_000, 64
"""Users that are scored at most, and at once; of more, those who know most of what is nearest to the item."""
NEAR = 50
"""Items nearest to the asked one, by which users are chosen."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A user whom the item would please.

    Attributes:
        user_id: the user.
        score: of the item, in standard deviations above the mean of the user's scores.
        place: it has among the items that the user does not know.
    """

    user_id: str
    score: float
    place: int


def audience(now: Snapshot, item_id: str, n: int) -> tuple[list[Reached], int]:
    """Return the users of the training whom an item would please most and who do not know it, and how many were scored.

    Args:
        now: what lists are made with.
        item_id: a known or a new item.
        n: users at most.

    Raises:
        NotFoundError: there is no such item.
    """
    ranker, positions = now.models.recommender.ranker, now.catalogue.positions
    if item_id not in positions:
        raise NotFoundError.of("item", item_id, positions)
    item, profiles = positions[item_id], now.models.profiles
    asked = [(user, key) for user, key in ((u, ranker.user_ids[u]) for u in _candidates(now, item)) if key]
    asked = [(user, key) for user, key in asked if item_id not in profiles.others(key)]
    found: list[Reached] = []
    for start in range(0, len(asked), BLOCK):
        block = asked[start : start + BLOCK]
        users = np.array([user for user, _ in block], dtype=np.int64)
        fused = np.empty((len(users), len(ranker.item_ids)), dtype=np.float32)
        seen = take_rows(ranker.seen, users)
        ranker.fusion.fuse(users, seen, fused)
        for row, (_, key) in enumerate(block):
            touched = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
            if not profiles.unchanged(key):  # what came since counts
                known = profiles.find(key)
                fused[row], touched = now.models.recommender.fused(known), known.seen.indices
                if item in touched:
                    continue
            scores = fused[row]
            own = scores[item] if item < len(scores) else _new(now, scores)[item - len(scores)]
            above = int((scores > own).sum() - (scores[touched] > own).sum())
            standard = (own - scores.mean()) / max(float(scores.std()), 1e-9)
            found.append(Reached(key, float(standard), above + 1))
    found.sort(key=lambda one: (-one.score, one.user_id))
    return found[:n], len(asked)


def _new(now: Snapshot, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    assert now.new is not None
    return now.new.scores(scores, now.cold)


def _candidates(now: Snapshot, item: int) -> NDArray[np.int64]:
    """Return the users to score: all who do not know the item, or those who know most of what is near it."""
    ranker = now.models.recommender.ranker
    first = len(ranker.item_ids)
    knows = np.zeros(len(ranker.user_ids), dtype=np.bool_)
    columns = ranker.seen.tocsc()
    if item < first:
        knows[columns.indices[columns.indptr[item] : columns.indptr[item + 1]]] = True
    if len(knows) <= SCORED:
        return np.flatnonzero(~knows)
    if item < first:
        one = Profile(np.array([item]), np.ones(1, dtype=np.float32))
        near = np.argsort(-ranker.fused([one])[0], kind="stable")[:NEAR]
    else:
        assert now.new is not None
        near = now.new.nearest[item - first]
        near = near[near >= 0]
    counts = np.bincount(columns[:, near].indices, minlength=len(knows))
    counts[knows] = -1
    best = np.argsort(-counts, kind="stable")[:SCORED]
    return np.sort(best[counts[best] >= 0])
