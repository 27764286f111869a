"""What the fusion is worth beside its best member, measured alike, and which of the two is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrec.ranking.fusion import by_user
from kgrec.ranking.fusion_weights import Candidates, learn_fusion

FOLDS, MANY_USERS = 5, 1_000
"""Weights are judged on folds that they were not learned on; on halves where there are many users."""
EXPECTED, AS_USERS = 0.02, 100
"""A fusion adds two per cent on most data; that counts like what a hundred users say."""
VAGUE, FEW = 0.25, 20
"""Where the 95 % interval of a figure reaches farther than this share of it, or so few users judge that the interval
itself is a guess, there is too little data to tell."""


@dataclass(frozen=True, slots=True)
class Together:
    """The fusion and its best member on the same held-out likes, both chosen on other users than they are judged on.

    The best of many members by its own figure is partly the luckiest, so that figure may be above the fusion's where
    the fusion is better; picked as the weights are learned, it is not flattered.

    Attributes:
        ndcg, error: of the fusion, by weights learned on other users, and its standard error.
        best: the member that is best alone on all users.
        picked_ndcg: of the member that the same other users pick.
        gain, gain_error: mean over the users of what the fusion adds to it, and its standard error.
        users: with held-out likes.
    """

    ndcg: float
    error: float
    best: str
    picked_ndcg: float
    gain: float
    gain_error: float
    users: int

    @property
    def alone(self) -> bool:
        """Whether the best member is served alone: the fusion is worse by more than luck, for all that is known.

        Settings and epochs were chosen on the same likes, which flatters one member more than a mean of several.
        """
        return self.users * (self.gain + self.gain_error) + AS_USERS * EXPECTED * self.picked_ndcg <= 0

    @property
    def vague(self) -> bool:
        """Whether the held-out likes are too few to tell anything by."""
        return self.users < FEW or 1.96 * self.error > VAGUE * max(self.ndcg, self.picked_ndcg)


def compare_together(
    names: Sequence[str],
    candidates: Candidates,
    counts: NDArray[np.int64],
    *,
    k: int,
    max_members: int,
    rng: np.random.Generator,
) -> Together:
    """Measure the fusion on users that its weights were not learned on, and each member on the same users.

    A fusion judged on the users it was learned on looks better than it is. The arguments are those of
    :func:`kgrec.ranking.fusion_weights.learn_fusion`.
    """
    n_users = len(counts)
    alone = np.array([candidates.figures(row, k) for row in np.eye(len(names), dtype=np.float32)])  # (s, u)
    best = int(np.argmax(alone.mean(axis=1)))
    fused, picked = alone[best].copy(), alone[best].copy()
    folds = np.array_split(rng.permutation(n_users), min(2 if n_users >= MANY_USERS else FOLDS, n_users))
    for fold in folds if len(folds) > 1 else ():
        judged, learned = np.sort(fold), np.setdiff1d(np.arange(n_users), fold)
        weights, gate = learn_fusion(
            names, candidates.subset(learned), counts[learned], k=k, max_members=max_members, rng=rng, max_users=1000
        )
        fused[judged] = candidates.subset(judged).figures(by_user(names, weights, gate, counts[judged]), k)
        picked[judged] = alone[int(np.argmax(alone[:, learned].mean(axis=1))), judged]
    gain = fused - picked
    root = np.sqrt(max(n_users - 1, 1))
    return Together(
        ndcg=float(fused.mean()),
        error=float(fused.std() / root),
        best=names[best],
        picked_ndcg=float(picked.mean()),
        gain=float(gain.mean()),
        gain_error=float(gain.std() / root),
        users=n_users,
    )
