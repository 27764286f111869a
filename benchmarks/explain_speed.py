"""How fast paths are found in a large graph, and, on a trained workspace, an item is explained and explanations hold.

usage: python benchmarks/explain_speed.py [--edges 1000000] [--workspace DIR [--users 50]]

The graph is made up with a seed: 20,000 items, 80,000 entities whose popularity falls like a power law; a tenth of the
edges join entities. With --workspace, explaining is timed after a warm-up, and the deletion test is run.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

import kgrec
from kgrec.graph.paths import PathFinder
from kgrec.types import Triples

N_ITEMS, N_ENTITIES, N_RELATIONS, HISTORY = 20_000, 80_000, 20, 16


def made_up(n_edges: int, rng: np.random.Generator) -> Triples:
    """Return a graph of ``n_edges`` edges."""
    among = n_edges // 10
    heads = np.concatenate([rng.integers(N_ITEMS, size=n_edges - among), _entities(among, rng)])
    relations = rng.integers(N_RELATIONS, size=n_edges)
    names = tuple(f"r{k}" for k in range(N_RELATIONS))
    weights = np.ones(n_edges, dtype=np.float32)
    return Triples(heads, relations, _entities(n_edges, rng), weights, N_ITEMS, N_ITEMS + N_ENTITIES, names)


def _entities(n: int, rng: np.random.Generator) -> np.ndarray:
    return N_ITEMS + (N_ENTITIES * rng.random(n) ** 3).astype(np.int64)


def milliseconds(durations: list[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    return {
        "median_ms": round(1e3 * float(np.median(durations)), 2),
        "p95_ms": round(1e3 * float(np.quantile(durations, 0.95)), 2),
    }


def paths(n_edges: int) -> dict[str, object]:
    """Time the paths between a history and an item."""
    rng = np.random.default_rng(0)
    graph = made_up(n_edges, rng)
    started = time.perf_counter()
    finder = PathFinder(graph)
    figures: dict[str, object] = {"edges": n_edges, "index_seconds": round(time.perf_counter() - started, 2)}
    durations, found = [], 0
    for _ in range(100):
        history, item = rng.choice(N_ITEMS, HISTORY, replace=False), int(rng.integers(N_ITEMS))
        started = time.perf_counter()
        found += bool(finder.routes(history, np.ones(HISTORY), item, 3))
        durations.append(time.perf_counter() - started)
    return {**figures, **milliseconds(durations), "with_a_path": found}


def workspace(folder: str, users: int) -> dict[str, object]:
    """Time explaining the first items of some lists, and run the deletion test."""
    project = kgrec.open(folder)
    rng = np.random.default_rng(0)
    ids = [project.ranker.user_ids[k] for k in rng.permutation(len(project.ranker.user_ids))[:users]]
    lists = [(user, project.recommend(user, 1).item_ids[0]) for user in ids]
    project.explain(*lists[0], counterfactual=True)  # reads the graph, builds the index
    figures: dict[str, object] = {}
    for name, counterfactual in (("explain", False), ("with_counterfactual", True)):
        durations, worked, found, furthest = [], [], 0, 0.0
        for user, item in lists:
            started, before = time.perf_counter(), time.process_time()
            told = project.explain(user, item, counterfactual=counterfactual)
            durations.append(time.perf_counter() - started)
            worked.append(time.process_time() - before)
            found += told.counterfactual is not None
            furthest = max(furthest, abs(sum(c.value for c in told.contributions) - (told.score or 0)))
        times = {**milliseconds(durations), "cpu": milliseconds(worked)}
        figures[name] = {**times, "counterfactuals": found, "largest_gap_of_sum": furthest}
    return {**figures, "deletion": project.evaluate_explanations(users=users, seed=0).to_dict()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--workspace")
    parser.add_argument("--users", type=int, default=50)
    given = parser.parse_args()
    report = {"paths": paths(given.edges)}
    if given.workspace:
        report["workspace"] = workspace(given.workspace, given.users)
    print(json.dumps(report, indent=2))
