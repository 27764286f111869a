"""The GNN on ml-100k without its graph: as good as the linear models there."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from kgrec.models.gnn.scorer import GNN
from kgrec.testing.toys import training_data

SPLITS = (
    Path(os.environ.get("KGREC_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "ml-100k" / "splits"
)


def read(part):
    return pl.read_csv(SPLITS / f"pos4-811.{part}.tsv.gz", separator="\t", columns=["user_id", "item_id"])


@pytest.mark.slow
@pytest.mark.skipif(not SPLITS.exists(), reason="ml-100k is not there: set KGREC_DATA")
def test_ml_100k():
    parts = {part: read(part) for part in ("train", "valid", "test")}
    known = pl.concat(parts.values())
    users, items = (known[c].unique().sort() for c in ("user_id", "item_id"))
    shape = (len(users), len(items))

    def matrix(part):
        rows = np.searchsorted(users.to_numpy(), parts[part]["user_id"].to_numpy())
        columns = np.searchsorted(items.to_numpy(), parts[part]["item_id"].to_numpy())
        return csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)

    train, valid, test = (matrix(part) for part in ("train", "valid", "test"))
    rows, columns = train.nonzero()
    data = replace(training_data(rows, columns, *shape), validation=valid)
    scorer = GNN().fit(data, seed=1)
    scores = scorer.score(np.arange(shape[0]))
    scores[(train + valid).nonzero()] = -np.inf
    top = np.argpartition(-np.nan_to_num(scores, nan=-1e9), 20, axis=1)[:, :20]
    hits = np.take_along_axis(test.toarray() > 0, top, axis=1).sum(axis=1)
    held_out = np.diff(test.indptr)
    recall = np.mean((hits / np.maximum(held_out, 1))[held_out > 0])
    assert scorer.best_metric > 0.24
    assert recall > 0.38
