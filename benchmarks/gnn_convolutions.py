"""The convolutions of the GNN on one dataset: what an epoch costs, and how well the best epoch ranks.

usage: python benchmarks/gnn_convolutions.py [DATASET] [--conv linear sage ...] [--epochs 40] [--threads 1]

Fits the scorer alone, with the dataset's graph and hashed texts, on the fit part of its published split; NDCG@20 is of
the validation part and is what decides which epoch is kept, so it is a little too good for all. Prints a row of a table
a convolution: CPU seconds an epoch and that over the linear one's, the epoch kept, NDCG@20 at the start and of the
epoch kept, with the interval over users (95 %, bootstrap) of its difference to the linear one.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from adapters import ROOT, prepare
from bench import built
from cold_items import text_inputs
from numpy.typing import NDArray
from scipy.sparse import csr_array

import kgrec
from kgrec.data.split import like_weights, split_validation
from kgrec.models.gnn.scorer import GNN
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.threads import limited_threads
from kgrec.models.top_k import top_k
from kgrec.progress import SILENT
from kgrec.ranking.training_inputs import prepare as training_inputs
from kgrec.significance import compare
from kgrec.types import TrainingData

K = 20


def load(name: str) -> TrainingData:
    """Return what training fits on, with graph and texts."""
    folder = ROOT / "build" / "convolutions" / name
    folder.mkdir(parents=True, exist_ok=True)
    project = kgrec.open(built(prepare(name, folder / "data"), folder), overrides=["text.encoder=hashing"])
    dataset, settings = project.dataset, project.config
    weights = like_weights(dataset, settings.feedback, project.domain)
    split = split_validation(dataset, weights, settings.train, settings.seed)
    texts = text_inputs(project).encode(dataset, split, SILENT)
    return training_inputs(
        dataset,
        settings,
        project.domain,
        triples=project.graph.triples(),
        item_text=texts.items,
        user_text=texts.users if texts.users.any() else None,
        device="cpu",
    ).fit


def ndcg(scorer: GNN, data: TrainingData) -> NDArray[np.float64]:
    """Return NDCG@20 of each user with held-out likes."""
    assert data.validation is not None
    users = np.flatnonzero(np.diff(data.validation.indptr) * np.diff(data.matrix.indptr)).astype(np.int64)
    scores = np.nan_to_num(scorer.score(users), nan=-np.inf)
    scores[csr_array(data.matrix[users]).nonzero()] = -np.inf
    return recall_ndcg(top_k(scores, K)[0], csr_array(data.validation[users]))[1]


def fitted(data: TrainingData, conv: str, epochs: int) -> tuple[GNN, float]:
    """Return a scorer and the CPU seconds of its fit."""
    started = time.process_time()
    scorer = GNN(conv=conv, epochs=epochs, patience=epochs + 1).fit(data, seed=1)
    return scorer, time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="ml-100k")
    parser.add_argument("--conv", nargs="+", default=["linear", "sage", "gat", "rgcn", "hgt"])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    data, rng = load(options.dataset), np.random.default_rng(0)
    print(f"{data.n_users} users, {data.n_items} items, {data.matrix.nnz} likes, {len(data.triples or ())} triples")
    print("| `conv` | CPU s an epoch | over linear | epoch kept | NDCG@20 at the start | NDCG@20 | less linear |")
    print("|---|---|---|---|---|---|---|")
    with limited_threads(options.threads):
        fitted(data, options.conv[0], 0)  # imports
        first, cost = None, 0.0
        for conv in options.conv:
            start, around = fitted(data, conv, 0)
            scorer, seconds = fitted(data, conv, options.epochs)
            each, values = (seconds - around) / options.epochs, ndcg(scorer, data)
            if first is None:
                first, cost, difference = values, each, ""
            else:
                found = compare(values, first, rng)
                difference = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
            figures = (f"{each:.2f}", f"{each / cost:.1f}", scorer.best_epoch, f"{ndcg(start, data).mean():.4f}")
            cells = (f"`{conv}`", *figures, f"{values.mean():.4f}", difference)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
