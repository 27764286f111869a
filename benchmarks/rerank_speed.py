"""Seconds that each re-ranker takes for 1,000 users with 200 candidates each: ``python benchmarks/rerank_speed.py``.

Drawn data: 20,000 items with vectors of 128 numbers, 20 categories, 500 brands. One core unless OMP_NUM_THREADS says
otherwise. Preparing is timed apart; it is done once a run.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse import csr_array, random_array

from kgrec.plugin.manager import load_plugins
from kgrec.plugin.reranking import AUDIENCE, CandidateLists, Groups, RerankData

N_USERS, N_CANDIDATES, N_ITEMS, N_SHOWN = 1_000, 200, 20_000, 20
OPTIONS = {
    "fair": {"attribute": "brand", "min_share": 0.2},
    "user-fair": {"attribute": "group"},
    "cap": {"attribute": "brand"},
    "bought": {"attribute": "brand"},
    "fresh": {"ttl_days": 100.0},
    "rules": {"block": ["brand=1"], "boost": {"category=2": 0.1}},
}


def drawn(rng: np.random.Generator) -> tuple[RerankData, CandidateLists]:
    """Draw items, users and candidates."""
    vectors = rng.standard_normal((N_ITEMS, 128), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def groups(name: str, rows: int, n: int, each: int) -> Groups:
        cells = (
            np.ones(rows * each, dtype=np.bool_),
            (np.repeat(np.arange(rows), each), rng.integers(0, n, rows * each)),
        )
        matrix = csr_array(cells, shape=(rows, n))
        matrix.sum_duplicates()
        return Groups(name, tuple(map(str, range(n))), matrix)

    sorts, brands = groups("category", N_ITEMS, 20, 2), groups("brand", N_ITEMS, 500, 1)
    members = groups("group", N_USERS, 5, 1)
    likes = csr_array(random_array((N_USERS, N_ITEMS), density=0.003, rng=rng, dtype=np.float32))
    times = rng.random(N_ITEMS) * 365 * 86_400
    data = RerankData(
        item_ids=[f"item-{k}" for k in range(N_ITEMS)],
        popularity=np.bincount(likes.indices, minlength=N_ITEMS),
        likes=likes,
        first_seen=times,
        now=365 * 86_400.0,
        seed=1,
        item_groups=lambda name: brands if name == "brand" else sorts,
        user_groups=lambda _: members,
        item_values=lambda _: times,
        vectors=lambda _: vectors,
        best_ranks=lambda: rng.integers(1, 200, (N_ITEMS, AUDIENCE), dtype=np.int32),
    )
    items = np.argpartition(rng.random((N_USERS, N_ITEMS)), N_CANDIDATES, axis=1)[:, :N_CANDIDATES]
    scores = -np.sort(-rng.random((N_USERS, N_CANDIDATES), dtype=np.float32), axis=1)
    bought = csr_array(likes > 0.9)
    return data, CandidateLists(np.arange(N_USERS), items, scores, likes, bought, N_SHOWN)


def main() -> None:
    """Print a line a re-ranker."""
    data, lists = drawn(np.random.default_rng(0))
    print("| re-ranker | prepare s | 1,000 users s |\n|---|---|---|")
    for name, spec in load_plugins().registry("re-ranker").items():
        started = time.process_time()
        reranker = spec.build(OPTIONS.get(name)).prepare(data)
        prepared = time.process_time()
        reranker.rerank(lists)
        print(f"| {name} | {prepared - started:.2f} | {time.process_time() - prepared:.2f} |")


if __name__ == "__main__":
    main()
