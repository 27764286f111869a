"""What smaller models cost: NDCG on the rows marked validation, bytes, and CPU seconds of lists, side by side.

usage: python benchmarks/compression.py WORKSPACE

The workspace must have rows marked ``split = "validation"`` and be trained without ``--refit``. ``distilled`` makes the
lists from one vector a user and an item (``train.distill``); "new" asks for the same people as if they came later.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

import kgrec
from kgrec.data.split import like_weights, split_validation
from kgrec.progress import SILENT
from kgrec.ranking.distilling import with_distilled
from kgrec.ranking.fusion import Asked
from kgrec.ranking.lists import rank_blocks
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.ranking.training_inputs import prepare
from kgrec.types import Profile

K = 20


def ndcg(lists: NDArray[np.int64], truth: csr_array) -> float:
    """Return the mean NDCG of users who have held-out items."""
    gains = 1 / np.log2(np.arange(2, K + 2))
    asked = np.flatnonzero(np.diff(truth.indptr))
    hits = truth[np.repeat(asked, K), lists[asked].ravel()].reshape(-1, K) > 0
    ideal = np.cumsum(gains)[np.minimum(np.diff(truth.indptr)[asked], K) - 1]
    return float(((hits * gains).sum(axis=1) / ideal).mean())


def timed(ranker: Ranker, asked: Asked, seen: csr_array) -> tuple[NDArray[np.int64], float]:
    """Return all lists, and the fewest CPU seconds of three tries."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        blocks = list(rank_blocks(ranker, asked, ListRules(K), seen=seen, block_size=512))
        spent.append(time.process_time() - started)
    return np.concatenate([found for _, found, _ in blocks]), min(spent)


def main() -> None:
    """Print the table."""
    project = kgrec.open(sys.argv[1])
    ranker, dataset, config = project.ranker, project.dataset, project.config
    weights = like_weights(dataset, config.feedback, project.domain)
    split = split_validation(dataset, weights, config.train, config.seed)
    inputs = prepare(
        dataset, config, project.domain, triples=None, item_text=None, user_text=None, device="cpu", split=split
    )
    inputs = replace(inputs, everything=None)  # what is held out is not fitted on
    known, truth = inputs.fit.matrix, np.zeros((len(ranker.user_ids), len(ranker.item_ids)), dtype=np.float32)
    truth[inputs.held_out.users] = inputs.held_out.truth.toarray()
    held = csr_array(truth)
    users = np.arange(len(ranker.user_ids))
    profiles = [Profile(known[[u]].indices.astype(np.int64), known[[u]].data) for u in users]
    rows = []
    for precision in ("float32", "float16", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            ranker.save(Path(folder), precision)
            size = sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
            read = Ranker.load(Path(folder), project.manager.registry("scorer"))
        lists, seconds = timed(read.made_at(config.recommend.moment), users, known)
        rows.append((precision, ndcg(lists, held), size / 2**20, seconds))
    distilled, told = with_distilled(ranker, inputs, config, SILENT)
    assert distilled.distilled is not None
    size = sum(array.nbytes for array in distilled.distilled.state().values())
    for name, asked in (("", users), (", new", profiles)):
        for kind, one in (("all scorers", ranker), ("distilled", distilled.quick)):
            lists, seconds = timed(one, asked, known)
            rows.append((kind + name, ndcg(lists, held), size / 2**20 if kind == "distilled" else np.nan, seconds))
    print(f"{sys.argv[1]}: {len(users):,} users, {known.shape[1]:,} items; distilled: {told}")
    with pl.Config(tbl_formatting="MARKDOWN", tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(pl.DataFrame(rows, schema=["models", f"NDCG@{K}", "MiB", "CPU s"], orient="row"))


if __name__ == "__main__":
    main()
