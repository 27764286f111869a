"""What several peers share: which actions count as an interaction."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from peers.task import Task


def with_actions(settings: list[dict[str, Any]], task: Task) -> list[dict[str, Any]]:
    """Try each setting on all actions and on purchases alone where the data tells them apart."""
    if task.levels == 1:
        return settings
    return [one | {"least_action": level} for one in settings for level in (1, task.levels)]


def timed(settings: list[dict[str, Any]], task: Task, limit: float) -> list[dict[str, Any]]:
    """The same for models that train until they stop getting better: each gets an equal share of the CPU seconds."""
    settings = with_actions(settings, task)
    return [one | {"seconds": round(limit / (len(settings) + 1.5), 1)} for one in settings]


def binary(matrix: csr_matrix, options: dict[str, Any]) -> csr_matrix:
    """Return 1 for each pair with an action of at least the strength ``options`` ask for, float32."""
    kept = csr_matrix((matrix.data >= options.get("least_action", 1), matrix.indices, matrix.indptr), matrix.shape)
    kept.eliminate_zeros()
    return kept.astype(np.float32)
