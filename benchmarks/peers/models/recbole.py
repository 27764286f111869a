"""RecBole's models and its training epochs, with the number of epochs chosen by this benchmark's own judge."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from peers.models.inputs import binary
from peers.task import Judge, Score

NAME = "task"
MOST, PATIENCE = 500, 30
"""Epochs, and how many without getting better."""

SETTINGS = {
    "load_col": {"inter": ["user_id", "item_id"]},
    "benchmark_filename": ["train", "rest", "rest"],
    "train_batch_size": 2048,
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
    "state": "ERROR",
    "use_gpu": False,
    "show_progress": False,
    "save_dataset": False,
    "reproducibility": True,
}


def train(
    name: str,
    matrix: csr_matrix,
    options: dict[str, Any],
    seed: int,
    judge: Judge | None,
    triples: NDArray[np.int64] | None = None,
) -> tuple[Score, dict[str, Any]]:
    """Train the model ``name``; the result is that of the best epoch."""
    with tempfile.TemporaryDirectory() as folder:
        _write(binary(matrix, options), Path(folder) / NAME, triples)
        trainer, data, score = _prepare(name, matrix.shape, options, seed, Path(folder))
    if judge is None:
        begun = time.process_time()
        for epoch in range(options["epochs"]):
            trainer._train_epoch(data, epoch)
        return score, {"cpu_seconds_an_epoch": round((time.process_time() - begun) / options["epochs"], 4)}
    started, best, epochs, kept = time.process_time(), (-1.0, 0), 0, score
    while epochs < MOST and epochs - best[1] <= PATIENCE:
        trainer._train_epoch(data, epochs)
        epochs += 1
        if epochs % 5:
            continue
        found = judge(score), epochs
        if found > best:
            best, kept = found, _frozen(score, matrix.shape[0])
        if (time.process_time() - started) * (1 + 5 / epochs) > options["seconds"]:
            break
    return kept, {"epochs": best[1], "stopped": "early" if epochs - best[1] > PATIENCE else "time"}


def _frozen(score: Score, n_users: int) -> Score:
    """Keep the scores of all users: the model is trained further."""
    scores = score(np.arange(n_users))
    return lambda users: scores[users]


def _prepare(
    name: str, shape: tuple[int, int], options: dict[str, Any], seed: int, folder: Path
) -> tuple[Any, Any, Score]:
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    torch.set_num_threads(1)
    own = {"epochs", "seconds", "stopped", "least_action"}
    chosen = {key: value for key, value in options.items() if key not in own}
    paths = {"data_path": str(folder), "checkpoint_dir": str(folder / "saved"), "seed": seed}
    config = Config(model=name, dataset=NAME, config_dict=SETTINGS | paths | chosen)
    init_seed(seed, reproducibility=True)
    dataset = create_dataset(config)
    data, _, _ = data_preparation(config, dataset)
    model = get_model(name)(config, data._dataset)
    trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
    users = np.full(shape[0], -1)
    users[dataset.field2id_token["user_id"][1:].astype(np.int64)] = np.arange(1, dataset.user_num)
    items = dataset.field2id_token["item_id"][1:].astype(np.int64)

    def score(wanted: Any) -> Any:
        scores = np.zeros((len(wanted), shape[1]), dtype=np.float32)
        present = users[wanted] >= 0
        model.eval()
        dropped = getattr(getattr(model, "gcn", None), "node_dropout_rate", 0.0)
        if dropped:  # KGIN would drop edges here too
            model.gcn.node_dropout_rate, model.restore_user_e = 0.0, None
        with torch.no_grad():
            rows = {"user_id": torch.from_numpy(users[wanted[present]])}
            found = model.full_sort_predict(rows).view(-1, dataset.item_num).numpy()
        if dropped:
            model.gcn.node_dropout_rate = dropped
        model.train()
        # What RecBole never saw stands below everything else.
        scores[:] = found.min() if len(found) else 0
        scores[np.ix_(present, items)] = found[:, 1:]
        return scores

    return trainer, data, score


def _write(history: csr_matrix, folder: Path, triples: NDArray[np.int64] | None) -> None:
    """Write RecBole's atomic files; ``rest`` is never looked at, but must be there. Items are entities themselves."""
    folder.mkdir()
    rows, columns = history.nonzero()
    head = "user_id:token\titem_id:token"
    pairs = np.stack([rows, columns], axis=1)
    np.savetxt(folder / f"{NAME}.train.inter", pairs, fmt="%d", delimiter="\t", header=head, comments="")
    np.savetxt(folder / f"{NAME}.rest.inter", pairs[:1], fmt="%d", delimiter="\t", header=head, comments="")
    if triples is None:
        return
    head = "head_id:token\trelation_id:token\ttail_id:token"
    np.savetxt(folder / f"{NAME}.kg", triples, fmt="e%d\t%d\te%d", header=head, comments="")
    items = np.intersect1d(columns, triples[:, [0, 2]])
    same = np.stack([items, items], axis=1)
    head = "item_id:token\tentity_id:token"
    np.savetxt(folder / f"{NAME}.link", same, fmt="%d\te%d", header=head, comments="")
