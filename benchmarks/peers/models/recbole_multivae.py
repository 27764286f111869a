"""Mult-VAE (Liang et al., WWW 2018) of RecBole."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_matrix

from peers.models.inputs import timed
from peers.models.recbole import train
from peers.task import Judge, Score, Task

CHOOSES = True
"""Fitting looks at the validation part."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:
    common = {"mlp_hidden_dimension": [600], "latent_dimension": 128, "learning_rate": 1e-3, "train_batch_size": 512}
    tried = ((0.5, 0.2), (0.7, 0.2))
    return timed([common | {"dropout_prob": drop, "anneal_cap": cap} for drop, cap in tried], task, limit)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:
    return train("MultiVAE", matrix, options, seed, judge)
