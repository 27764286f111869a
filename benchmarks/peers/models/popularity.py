"""How many users have an item."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from peers.models.inputs import binary, with_actions
from peers.task import Judge, Score, Task


def grid(task: Task, limit: float) -> list[dict[str, Any]]:  # noqa: ARG001
    return with_actions([{}], task)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    counts = np.asarray(binary(matrix, options).sum(axis=0), dtype=np.float32)
    return lambda users: np.repeat(counts, len(users), axis=0), {}
