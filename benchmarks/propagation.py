"""Time the sparse product, a propagation forward and backward, and an epoch of the GNN.

usage: python benchmarks/propagation.py [--threads 2] [--entries 6000000] [--nodes 72000] [--repeat 9]

Prints one line of JSON a measurement: the median and the least of the repeats, in milliseconds of wall time (`ms`,
`least_ms`) or seconds of CPU time (`cpu_s`). `torch.sparse.mm` on the same matrix is the yardstick that makes runs on
different or busy machines comparable.
"""

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array


def random_likes(rng: np.random.Generator, n_users: int, n_items: int, n: int) -> csr_array:
    """Draw likes; items are unequally popular."""
    users, items = rng.integers(0, n_users, n), (n_items * rng.random(n) ** 2).astype(np.int64)
    likes = csr_array((np.ones(n, np.float32), (users, items)), shape=(n_users, n_items))
    likes.data[:] = 1.0
    return likes


def measure(name: str, call: Callable[[], object], repeat: int) -> None:
    """Time ``call`` and print the figures."""
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"what": name, "ms": round(statistics.median(times), 1), "least_ms": round(min(times), 1)}))


def products(nodes: int, entries: int, dim: int, repeat: int) -> None:
    """Time one product, and three layers forward and backward, without relations."""
    import torch

    from kgrec.models.gnn.graph import Graph, training_graph
    from kgrec.models.gnn.layers import Adjacency, LinearConv, Start

    n_users = nodes * 2 // 3
    likes = random_likes(np.random.default_rng(0), n_users, nodes - n_users, entries // 2)
    graph = Graph.of(training_graph(likes, None))
    adjacency = Adjacency(graph)
    x = torch.randn(graph.n_nodes, dim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = torch.sparse_csr_tensor(adjacency.indptr, adjacency.indices, adjacency.values, (graph.n_nodes,) * 2)
    measure("one product, torch.sparse.mm", lambda: torch.sparse.mm(matrix, x), repeat)
    measure("one product, fused", lambda: adjacency.product(adjacency.values, x), repeat)
    start = Start(x.requires_grad_(), torch.ones(adjacency.n_wanted, 1))
    for fused in (True, False):
        conv = LinearConv(adjacency, graph.n_groups, n_layers=3, graph_weight=1.0, fused=fused)
        named = "fused" if fused else "message passing of torch_geometric"
        measure(f"3 layers forward and backward, {named}", lambda conv=conv: step(conv, start), repeat)


def step(conv: Any, start: Any) -> None:
    """Do what a training step does with the layers."""
    start.ids.grad = conv.scales.grad = None
    layers = conv(start)
    (layers.mean.sum() + layers.passed.sum() + layers.energy).backward()


def with_relations(nodes: int, entries: int, dim: int, repeat: int, n_relations: int = 8) -> None:
    """Time the same, half of the entries with learned relation weights."""
    import torch

    from kgrec.models.gnn.graph import Graph, training_graph
    from kgrec.models.gnn.layers import Adjacency, LinearConv, Start
    from kgrec.types import Triples

    rng, kind, n = np.random.default_rng(0), nodes // 3, entries // 4
    facts = random_likes(rng, kind, kind, n).tocoo()
    relations, weights = rng.integers(0, n_relations, facts.nnz), np.ones(facts.nnz, dtype=np.float32)
    names = tuple(f"r{k}" for k in range(n_relations))
    triples = Triples(facts.col, relations, kind + facts.row, weights, kind, 2 * kind, names)
    graph = Graph.of(training_graph(random_likes(rng, kind, kind, n), triples))
    adjacency = Adjacency(graph)
    conv = LinearConv(adjacency, graph.n_groups, n_layers=3, graph_weight=1.0)
    x, plain = torch.randn(graph.n_nodes, dim), adjacency.weights(conv.scales.detach())
    measure("one product, fused, graph with relations", lambda: adjacency.product(plain.forward, x), repeat)
    start = Start(x.requires_grad_(), torch.ones(adjacency.n_wanted, 1))
    measure("3 layers forward and backward at once, with relation weights", lambda: step(conv, start), repeat)


def epoch(data: Path, dim: int, n_layers: int) -> None:
    """Take CPU seconds of an epoch on ml-100k, split pos4-811."""
    from kgrec.models.gnn.scorer import GNN
    from kgrec.types import Events, TrainingData

    file = data / "ml-100k" / "splits" / "pos4-811.train.tsv.gz"
    if not file.exists():
        print(json.dumps({"what": "epoch on ml-100k", "skipped": "set KGREC_DATA to the folder that holds ml-100k"}))
        return
    pairs = pl.read_csv(file, separator="\t", columns=["user_id", "item_id"])
    users, items = (pairs[c].rank("dense").to_numpy().astype(np.int64) - 1 for c in ("user_id", "item_id"))
    matrix = csr_array((np.ones(len(users), np.float32), (users, items)))
    none = np.zeros(0, np.int64)
    events = Events(none, none, none, none.astype(np.float32), none.astype(np.float32), None, ())
    seconds = []
    for epochs in (0, 0, 20):
        start = time.process_time()
        GNN(embedding_size=dim, n_layers=n_layers, epochs=epochs).fit(TrainingData(matrix, events), seed=1)
        seconds.append(time.process_time() - start)
    cpu = (seconds[2] - seconds[1]) / 20
    print(json.dumps({"what": f"epoch on ml-100k, {dim} dimensions, {n_layers} layers", "cpu_s": round(cpu, 4)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=72_000)
    parser.add_argument("--entries", type=int, default=6_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    products(options.nodes, options.entries, options.dim, options.repeat)
    with_relations(options.nodes, options.entries, options.dim, options.repeat)
    root = Path(os.environ.get("KGREC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    epoch(root, options.dim, n_layers=3)
