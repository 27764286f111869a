"""Find vectors of users and items that stand for the whole hybrid.

The fused scores ``F`` of users and items, each row standardised, are close to a matrix of low rank: ``F ~ U V'`` with
the leading right singular vectors ``V`` of a sample of users and ``U = F V`` (Eckart and Young, The approximation of
one matrix by another of lower rank, Psychometrika 1936; distilling a ranker into a smaller one: Tang and Wang,
Ranking Distillation, KDD 2018). Somebody who comes later is encoded from their likes, by a ridge regression of
``U`` on the histories of the sample, in its dual form.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.models.distilled import Distilled
from kgrec.models.history import History
from kgrec.models.sparse import unit_length
from kgrec.models.top_k import mask_seen, top_k
from kgrec.progress import Progress
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.types import Scores, TrainingData, UserIndices

SIZES = (32, 64, 128, 256, 512)
"""Lengths of vectors that are tried, the shortest first."""
ENOUGH = 0.95
"""Share of the places of the hybrid's lists at which the next length is not tried."""
LENGTH = 20
"""Of the lists that are compared."""
CELLS = 1 << 26
"""Scores of the sample: 256 MiB."""
SAMPLE = 8192
"""Users of the sample at most."""
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Strengths of the regression that are tried."""


def distill(ranker: Ranker, data: TrainingData, *, seed: int, progress: Progress) -> tuple[Distilled, float]:
    """Find vectors that reproduce the lists of a ranker.

    Args:
        ranker: as its lists are made.
        data: what it was fitted on, in its numbering.
        seed: draws the sample; a tenth of it is kept apart to judge by.
        progress: told where it is.

    Returns:
        The vectors, and the share of the places of the hybrid's lists that they fill with the same items, of users kept
        apart; NaN where there are too few to keep any apart.
    """
    history = History.of(data.matrix)
    n_users, n_items = history.matrix.shape
    someone = np.flatnonzero(np.diff(history.matrix.indptr))
    rng = np.random.default_rng([seed, 41])
    size = min(len(someone), SAMPLE, max(CELLS // n_items, 2 * SIZES[-1]))
    sample = rng.permutation(someone)[:size]
    apart, known = sample[: size // 10], sample[size // 10 :]
    step = max(1, min(512, (1 << 24) // n_items))
    with progress.task("distilling", total=len(someone)) as task:

        def standard(users: UserIndices) -> Scores:
            found = np.empty((len(users), n_items), dtype=np.float32)
            for start in range(0, len(users), step):
                block = users[start : start + step]
                scores = found[start : start + step]
                ranker.fusion.fuse(block, ranker.seen_at_training(block), scores)
                scores -= scores.mean(axis=1, keepdims=True)
                scores /= np.maximum(scores.std(axis=1, keepdims=True), 1e-6)
                task.advance(len(block))
            return found

        target, judged = standard(known), standard(apart)
        basis = _basis(target, min(SIZES[-1], len(known) - 1, n_items - 1))
        lengths = [k for k in SIZES if k < len(basis)] + [len(basis)]
        same, chosen = float("nan"), len(basis)
        seen = ranker.seen_at_training(apart)
        for length in lengths if len(apart) else ():
            rows = basis[:length]
            same, chosen = _agreement(np.asarray((judged @ rows.T) @ rows), judged, seen), length
            if same >= ENOUGH:
                break
        items = basis[:chosen]
        users = np.zeros((n_users, chosen), dtype=np.float32)
        users[known], users[apart] = target @ items.T, judged @ items.T
        others = np.setdiff1d(someone, sample)
        for start in range(0, len(others), step):
            block = others[start : start + step]
            users[block] = standard(block) @ items.T
    liked = unit_length(history.matrix)
    encoder, start_vector = _encoder(liked, users, known, apart, items, judged, seen)
    vectors = np.ascontiguousarray(items.T)
    return Distilled(users, vectors, encoder, start_vector, history.unit), same


def with_distilled(ranker: Ranker, inputs: TrainingInputs, config: Config, progress: Progress) -> tuple[Ranker, str]:
    """Return a trained ranker with what is distilled of it, and a few words on how near that comes."""
    data = inputs.fit if inputs.everything is None else inputs.everything
    served = ranker.made_at(config.recommend.moment)
    found, same = distill(served, data, seed=config.seed, progress=progress)
    share = "not measured" if np.isnan(same) else f"{same:.0%} of the places"
    return replace(ranker, distilled=found), f"{share}, {found.items.shape[1]} numbers"


def _basis(scores: Scores, k: int) -> NDArray[np.float32]:
    """Return the ``k`` leading right singular vectors, shape ``(k, n_items)``; all where there are hardly more."""
    from scipy.sparse.linalg import svds

    if k < 1:
        return np.ones((1, scores.shape[1]), dtype=np.float32) / np.float32(np.sqrt(scores.shape[1]))
    if 2 * k > min(scores.shape):
        return np.asarray(np.linalg.svd(scores, full_matrices=False)[2][:k], dtype=np.float32)
    start = np.ones(min(scores.shape), dtype=np.float32)
    return np.asarray(svds(scores, k=k, v0=start)[2][::-1], dtype=np.float32)


def _agreement(scores: Scores, wanted: Scores, seen: csr_array) -> float:
    """Return the share of places of the best items, not seen ones, that two matrices of scores have in common."""
    n = min(LENGTH, scores.shape[1])
    picked = []
    for matrix in (scores, wanted):
        own = matrix.copy()
        mask_seen(own, seen)
        chosen = np.zeros(own.shape, dtype=np.bool_)
        np.put_along_axis(chosen, np.maximum(top_k(own, n)[0], 0), True, axis=1)
        picked.append(chosen)
    return float((picked[0] & picked[1]).sum() / max(picked[1].sum(), 1))


def _encoder(
    liked: csr_array,
    users: NDArray[np.float32],
    known: UserIndices,
    apart: UserIndices,
    items: NDArray[np.float32],
    wanted: Scores,
    seen: csr_array,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what each item of a history adds to a vector, shape ``(n_items, k)``, and what is added to, ``(k,)``.

    ``W = X' (X X' + ridge I)^-1 (U - mean)``; the ridge is the one whose lists, of users kept apart, are most like the
    hybrid's.
    """
    rows = liked[known]
    mean = users[known].mean(axis=0)
    values, vectors = np.linalg.eigh((rows @ rows.T).toarray().astype(np.float64))
    turned = vectors.T @ (users[known] - mean)
    best: tuple[float, NDArray[np.float32]] | None = None
    for ridge in RIDGES if len(apart) else RIDGES[1:2]:
        dual = vectors @ (turned / (np.maximum(values, 0) + ridge)[:, None])
        encoder = np.asarray(rows.T @ dual, dtype=np.float32)
        same = (
            _agreement(np.asarray((liked[apart] @ encoder + mean) @ items, dtype=np.float32), wanted, seen)
            if len(apart)
            else 0.0
        )
        if best is None or same > best[0]:
            best = same, encoder
    assert best is not None
    return best[1], mean
