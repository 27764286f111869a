"""Implicit ALS (Hu, Koren and Volinsky, ICDM 2008) of the package implicit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from peers.models.inputs import binary, with_actions
from peers.task import Judge, Score, Task

TRIED = (
    (128, 20, 4), (256, 80, 40), (64, 20, 2), (256, 40, 10), (256, 100, 40), (64, 30, 4), (128, 50, 10), (256, 20, 4),
    (512, 80, 40), (512, 40, 10), (256, 10, 10), (256, 160, 40), (512, 20, 4), (512, 10, 10), (64, 10, 1), (32, 20, 2),
)  # fmt: skip
"""Factors, regularization, alpha."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:  # noqa: ARG001
    names = ("factors", "regularization", "alpha")
    return with_actions([dict(zip(names, values, strict=True)) | {"iterations": 15} for values in TRIED], task)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    from implicit.cpu.als import AlternatingLeastSquares

    settings = {name: options[name] for name in ("factors", "regularization", "alpha", "iterations")}
    model = AlternatingLeastSquares(**settings, random_state=seed, num_threads=1)
    model.fit(binary(matrix, options), show_progress=False)
    users, items = np.asarray(model.user_factors), np.asarray(model.item_factors)
    return lambda wanted: users[wanted] @ items.T, {}
