"""Implicit ALS of LensKit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from peers.models.inputs import binary, with_actions
from peers.task import Judge, Score, Task

TRIED = (
    (64, 30.0, 4), (128, 50.0, 10), (256, 80.0, 40), (64, 20.0, 2), (128, 20.0, 4), (64, 50.0, 10), (256, 100.0, 40),
    (128, 80.0, 10), (64, 10.0, 1), (256, 40.0, 10), (64, 5.0, 1),
)  # fmt: skip
"""Factors, regularization, weight."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:  # noqa: ARG001
    names = ("embedding_size", "regularization", "weight")
    return with_actions([dict(zip(names, values, strict=True)) | {"epochs": 15} for values in TRIED], task)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    import pandas as pd
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    rows, columns = binary(matrix, options).nonzero()
    dataset = from_interactions_df(pd.DataFrame({"user_id": rows, "item_id": columns}))
    settings = {name: options[name] for name in ("embedding_size", "regularization", "weight", "epochs")}
    model = ImplicitMFScorer(**settings)
    model.train(dataset, TrainingOptions(rng=seed))
    users = np.zeros((matrix.shape[0], options["embedding_size"]), dtype=np.float32)
    items = np.zeros((matrix.shape[1], options["embedding_size"]), dtype=np.float32)
    users[np.asarray(model.users.ids(), dtype=np.int64)] = np.asarray(model.user_embeddings)
    items[np.asarray(model.items.ids(), dtype=np.int64)] = np.asarray(model.item_embeddings)
    return lambda wanted: users[wanted] @ items.T, {}
