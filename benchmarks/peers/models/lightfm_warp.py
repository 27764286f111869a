"""WARP factorisation (Weston et al., IJCAI 2011) of LightFM, by ids alone."""

from __future__ import annotations

import time
from typing import Any

from scipy.sparse import coo_matrix, csr_matrix

from peers.models.inputs import binary, timed
from peers.task import Judge, Score, Task

EVERY, MOST = 5, 150
"""Epochs between two looks at the validation part, and at most."""

TRIED = ((64, 0.0, 0.01), (64, 1e-5, 0.02), (128, 0.0, 0.01), (64, 1e-5, 0.05))
"""Components, penalty, learning rate."""

CHOOSES = True
"""Fitting looks at the validation part."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:
    names = ("components", "alpha", "learning_rate")
    return timed([dict(zip(names, values, strict=True)) for values in TRIED], task, limit)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:
    from lightfm import LightFM

    alpha, rate = options["alpha"], options["learning_rate"]
    model = LightFM(
        options["components"], loss="warp", learning_rate=rate, item_alpha=alpha, user_alpha=alpha, random_state=seed
    )
    history = coo_matrix(binary(matrix, options))

    def score(users: Any) -> Any:
        return model.user_embeddings[users] @ model.item_embeddings.T + model.item_biases

    if judge is None:
        model.fit_partial(history, epochs=options["epochs"])
        return score, {}
    started, best, epochs = time.process_time(), (-1.0, 0), 0
    while epochs < MOST and epochs - best[1] <= 4 * EVERY and time.process_time() - started < options["seconds"]:
        model.fit_partial(history, epochs=EVERY)
        epochs += EVERY
        best = max(best, (judge(score), epochs))
    # The state of the best epoch is gone; it is reached again with the same seed.
    return fit(matrix, options | {"epochs": best[1]}, seed, None)[0], {"epochs": best[1]}
