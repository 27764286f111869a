"""EASE of the package RecTools."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from peers.models.ease import grid
from peers.models.inputs import binary
from peers.task import Judge, Score

__all__ = ["fit", "grid"]


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:  # noqa: ARG001
    import pandas as pd
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import EASEModel

    rows, columns = binary(matrix, options).nonzero()
    moment = pd.Timestamp("2020-01-01")
    table = {Columns.User: rows, Columns.Item: columns, Columns.Weight: 1.0, Columns.Datetime: moment}
    dataset = Dataset.construct(pd.DataFrame(table))
    model = EASEModel(regularization=float(options["regularization"])).fit(dataset)
    # RecTools numbers users and items itself, and knows those with an interaction only.
    known = np.asarray(dataset.item_id_map.external_ids, dtype=np.int64)
    place = np.full(matrix.shape[0], -1)
    place[np.asarray(dataset.user_id_map.external_ids, dtype=np.int64)] = np.arange(dataset.user_id_map.size)
    history = dataset.get_user_item_matrix(include_weights=True)

    def score(wanted: Any) -> Any:
        scores = np.zeros((len(wanted), matrix.shape[1]), dtype=np.float32)
        present = place[wanted] >= 0
        scores[np.ix_(present, known)] = history[place[wanted][present]] @ model.weight
        return scores

    return score, {}
