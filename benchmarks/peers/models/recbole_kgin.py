"""KGIN (Wang et al., WWW 2021) of RecBole, with all edges at inference, where RecBole drops half of them.

RecBole takes one function of torch-scatter, which builds from source for a quarter of an hour; it is written with torch
here.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from scipy.sparse import csr_matrix

from peers.models.inputs import timed
from peers.models.recbole import train
from peers.task import Judge, Score, Task

GRAPH: list[Any] = []
"""The triples of the task: too long to be an option."""

COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}

CHOOSES = True
"""Fitting looks at the validation part."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:
    GRAPH[:] = [task.triples]
    return timed([{"embedding_size": 64, "context_hops": 2, "learning_rate": 1e-3, "reg_weight": 1e-5}], task, limit)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:
    if "torch_scatter" not in sys.modules:
        module = ModuleType("torch_scatter")
        module.scatter_mean = _scatter_mean  # type: ignore[attr-defined]
        sys.modules["torch_scatter"] = module
    return train("KGIN", matrix, options | {"load_col": COLUMNS}, seed, judge, GRAPH[0])


def _scatter_mean(src: Any, index: Any, dim: int, dim_size: int) -> Any:  # noqa: ARG001
    """Return the mean of the rows of each index, shape ``(dim_size, d)``."""
    import torch

    total = torch.zeros(dim_size, src.shape[1], dtype=src.dtype).index_add(0, index, src)
    return total / torch.bincount(index, minlength=dim_size).clamp(min=1).unsqueeze(1)
