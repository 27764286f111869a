"""Item neighbourhoods of the package implicit: cosine, TF-IDF or BM25."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_matrix

from peers.models.inputs import binary, with_actions
from peers.task import Judge, Score, Task


def grid(task: Task, limit: float) -> list[dict[str, Any]]:  # noqa: ARG001
    sizes, kinds = (100, 50, 200, 20, 500), ("CosineRecommender", "TFIDFRecommender", "BM25Recommender")
    return with_actions([{"kind": kind, "neighbours": size} for size in sizes for kind in kinds], task)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    from implicit import nearest_neighbours

    history = binary(matrix, options)
    model = getattr(nearest_neighbours, options["kind"])(K=options["neighbours"], num_threads=1)
    model.fit(history, show_progress=False)
    similarity = model.similarity.tocsr()
    return lambda users: (history[users] @ similarity).toarray(), {}
