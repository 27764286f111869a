"""LightGCN of RecBole."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_matrix

from peers.models.inputs import timed
from peers.models.recbole import train
from peers.task import Judge, Score, Task

CHOOSES = True
"""Fitting looks at the validation part."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:
    common = {"embedding_size": 64, "learning_rate": 1e-3}
    tried = ((3, 1e-4), (2, 1e-4))
    return timed([common | {"n_layers": layers, "reg_weight": weight} for layers, weight in tried], task, limit)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:
    return train("LightGCN", matrix, options, seed, judge)
