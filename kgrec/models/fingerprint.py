"""What the course of a training depends on, as one hash: a checkpoint of another training is not continued."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrec.types import TrainingData

IGNORED = {"progress", "checkpoint", "checkpoint_every", "threads", "best_epoch", "best_metric"}
"""Attributes of a scorer that change nothing in the result."""


def fingerprint(scorer: object, data: TrainingData, seed: int) -> str:
    """Hash the options of ``scorer``, all arrays of ``data`` and the seed.

    Args:
        scorer: its public attributes are its options.
        data: what it is fitted on.
        seed: of the fit.
    """
    known = sorted((k, v) for k, v in vars(scorer).items() if not k.startswith("_") and k not in IGNORED)
    digest = hashlib.sha256(repr((known, seed)).encode())
    for array in _inputs(data):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _inputs(data: TrainingData) -> list[NDArray[Any]]:
    arrays: list[NDArray[Any] | None] = [data.item_text, data.user_text]
    for matrix in (data.matrix, data.validation):
        arrays += [] if matrix is None else [matrix.data, matrix.indices, matrix.indptr]
    if data.events.times is not None:
        arrays += [data.events.users, data.events.items]
    if data.triples is not None:
        arrays += [data.triples.heads, data.triples.relations, data.triples.tails, data.triples.weights]
    return [array for array in arrays if array is not None]
