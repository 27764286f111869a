"""LightGCN (He et al., SIGIR 2020) on CSR products in torch, for data on which RecBole takes hours.

Batches are larger than the paper's 1,024 and the learning rate is larger with them, because every batch costs a full
propagation.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from peers.models.inputs import binary, timed
from peers.task import Judge, Score, Task

MOST = 1000
"""Epochs."""

TRIED = ((3, 1e-4), (2, 1e-4))
"""Layers, penalty."""

CHOOSES = True
"""Fitting looks at the validation part."""


def grid(task: Task, limit: float) -> list[dict[str, Any]]:
    batch = int(2 ** np.clip(np.ceil(np.log2(task.fit.nnz / 40)), 11, 15))
    rate = 1e-3 * (batch / 2048) ** 0.5
    tried = TRIED[: 2 if task.fit.nnz < 100_000 else 1]
    common = {"size": 64, "batch": batch, "rate": rate}
    return timed([common | {"layers": layers, "penalty": penalty} for layers, penalty in tried], task, limit)


def fit(matrix: csr_matrix, options: dict[str, Any], seed: int, judge: Judge | None) -> tuple[Score, dict[str, Any]]:
    import torch

    torch.set_num_threads(1)
    history = coo_matrix(binary(matrix, options))
    n_users = history.shape[0]
    generator = torch.Generator().manual_seed(seed)
    propagate = _propagation(history, options["layers"])
    table = torch.nn.Parameter(torch.randn(sum(history.shape), options["size"], generator=generator) * 0.1)
    optimiser = torch.optim.Adam([table], lr=options["rate"])
    pairs = torch.from_numpy(np.stack([history.row, history.col]).astype(np.int64))

    def epoch() -> None:
        order = torch.randperm(pairs.shape[1], generator=generator)
        for part in order.split(options["batch"]):
            users, liked = pairs[0, part], pairs[1, part] + n_users
            others = torch.randint(history.shape[1], liked.shape, generator=generator) + n_users
            out = propagate(table)
            apart = (out[users] * (out[liked] - out[others])).sum(1)
            size = sum(table[rows].square().sum() for rows in (users, liked, others)) / len(part)
            loss = torch.nn.functional.softplus(-apart).mean() + options["penalty"] * size
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def scorer() -> Score:
        with torch.no_grad():
            out = propagate(table).numpy().copy()
        return lambda wanted: out[wanted] @ out[n_users:].T

    if judge is None:
        begun = time.process_time()
        for _ in range(options["epochs"]):
            epoch()
        return scorer(), {"cpu_seconds_an_epoch": round((time.process_time() - begun) / options["epochs"], 4)}
    started, best, kept, epochs, every = time.process_time(), (-1.0, 0), scorer(), 0, 5
    while epochs < MOST and epochs - best[1] <= 6 * every:
        for _ in range(every):
            epoch()
        epochs += every
        score = scorer()
        found = judge(score), epochs
        if found > best:
            best, kept = found, score
        spent = time.process_time() - started
        if spent * (1 + every / epochs) > options["seconds"]:
            break
        every = 5 if epochs < 50 else 10
    return kept, {
        "epochs": best[1],
        "stopped": "time" if spent * (1 + every / epochs) > options["seconds"] else "early",
    }


def _propagation(history: coo_matrix, layers: int) -> Any:
    """Return a function from node vectors to the mean of all layers' vectors."""
    import torch

    n_users, n_items = history.shape
    rows = np.concatenate([history.row, history.col + n_users])
    columns = np.concatenate([history.col + n_users, history.row])
    adjacency = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n_users + n_items,) * 2)
    scale = 1 / np.sqrt(np.maximum(np.diff(adjacency.indptr), 1))
    adjacency.data *= scale[np.repeat(np.arange(len(scale)), np.diff(adjacency.indptr))] * scale[adjacency.indices]
    pointers, indices = torch.from_numpy(adjacency.indptr), torch.from_numpy(adjacency.indices)
    values = torch.from_numpy(adjacency.data.astype(np.float32))

    class Product(torch.autograd.Function):
        """The matrix is symmetric, so the gradient is the same product."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:  # noqa: ARG004
            return torch.nn.functional.embedding_bag(
                indices, x.detach(), pointers, mode="sum", per_sample_weights=values, include_last_offset=True
            )

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return Product.forward(ctx, gradients[0].contiguous())

    def propagate(x: Any) -> Any:
        total = x
        for _ in range(layers):
            x = Product.apply(x)
            total = total + x
        return total / (layers + 1)

    return propagate
