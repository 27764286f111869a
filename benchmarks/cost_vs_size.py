"""How time and memory grow with interactions, items and triples: each is doubled four times, the others stay.

usage: python benchmarks/cost_vs_size.py [--what interactions items triples] [--doublings 4] [--scale 1] [--folder DIR]

The data is made with a seed. Degrees are as in real data: users' activity, items' popularity and entities' degrees fall
as powers of the rank (exponents fitted to ml-100k and lastfm), pairs are drawn as in a configuration model, without
repeats. Users grow with the interactions (25 each). Items have no texts, whose encoding costs the same for each.
build-graph, train and recommend --all run as processes of their own. Each point is kept, so that a run can be resumed.
Prints a line of JSON a point and, for each command, the slopes of log cost on log size: 1 is linear, 2 quadratic;
`last` is the slope of the last doubling. Leaves cost_vs_size.svg in the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from adapters import ROOT
from bench import run
from cost_plot import plot
from numpy.typing import NDArray

ACTIVITY, POPULARITY, DEGREE = 0.55, 0.85, 0.8
"""How fast users' activity, items' popularity and entities' degrees fall with the rank."""

PER_USER, RELATIONS = 25, 8
COMMANDS = ("build-graph", "train", "recommend")

CONFIG = """[[data.interactions]]
path = "{0}/interactions.tsv"
columns = {{ user = "user_id", item = "item_id" }}
action = "like"

[[data.items]]
path = "{0}/items.tsv"
columns = {{ id = "item_id" }}

[[data.triples]]
path = "{0}/kg.tsv"
columns = {{ head = "head", relation = "relation", tail = "tail" }}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Of the data."""

    interactions: int = 25_000
    items: int = 1_000
    triples: int = 10_000

    @property
    def name(self) -> str:
        return f"{self.interactions}-{self.items}-{self.triples}"


def drawn(rng: np.random.Generator, n: int, size: int, exponent: float, seed: int) -> NDArray[np.int64]:
    """Draw ``size`` of ``n`` things with weights ``rank ** -exponent``; ``seed`` says which thing has which rank."""
    weights = (np.arange(n) + 1.0) ** -exponent
    ranks = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(size), side="right")
    return np.random.default_rng(seed).permutation(n)[np.minimum(ranks, n - 1)]


def pairs(rng: np.random.Generator, n_users: int, n_items: int, wanted: int) -> NDArray[np.int64]:
    """Draw distinct pairs, shape ``(wanted, 2)``; fewer only where nearly all pairs are taken."""
    keys = np.zeros(0, dtype=np.int64)
    for _ in range(20):
        missing = wanted - len(keys)
        if missing <= 0:
            break
        users = drawn(rng, n_users, 2 * missing, ACTIVITY, 1)
        new = np.setdiff1d(users * n_items + drawn(rng, n_items, 2 * missing, POPULARITY, 2), keys)
        keys = np.concatenate([keys, rng.permutation(new)[:missing]])
    return np.stack([keys // n_items, keys % n_items], axis=1)


def write(size: Size, folder: Path) -> None:
    """Write the data of a size."""
    rng = np.random.default_rng([7, size.interactions, size.items, size.triples])
    folder.mkdir(parents=True, exist_ok=True)
    likes = pairs(rng, max(size.interactions // PER_USER, 20), size.items, size.interactions)
    table = pl.DataFrame(likes, schema=["u", "i"])
    table = table.select(user_id=pl.format("u{}", "u"), item_id=pl.format("i{}", "i"))
    table.write_csv(folder / "interactions.tsv", separator="\t")
    items = pl.DataFrame({"i": np.arange(size.items)}).select(item_id=pl.format("i{}", "i"))
    items.write_csv(folder / "items.tsv", separator="\t")
    heads = rng.integers(0, size.items, size.triples)
    tails = drawn(rng, max(size.triples // 4, 10), size.triples, DEGREE, 3)
    relations = drawn(rng, RELATIONS, size.triples, 1.0, 4)
    graph = pl.DataFrame({"h": heads, "r": relations, "t": tails}).unique(maintain_order=True)
    graph = graph.select(head=pl.format("i{}", "h"), relation=pl.format("r{}", "r"), tail=pl.format("e{}", "t"))
    graph.write_csv(folder / "kg.tsv", separator="\t")


def measure(size: Size, folder: Path) -> dict[str, dict[str, float]]:
    """Return the cost of each command, measured or read back."""
    kept = folder / f"{size.name}.json"
    if kept.exists():
        found: dict[str, dict[str, float]] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    data, workspace, log = folder / size.name, folder / size.name / "workspace", folder / f"{size.name}.log"
    write(size, data)
    kgrec, at = [sys.executable, "-m", "kgrec"], ["--workspace", str(workspace)]
    run([*kgrec, "init", str(workspace), "--from", str(data / "interactions.tsv"), "--force"], log)
    (workspace / "kgrec.toml").write_text(CONFIG.format(".."), encoding="utf-8")
    cost = {
        "build-graph": run([*kgrec, "build-graph", *at], log),
        "train": run([*kgrec, "train", *at], log),
        "recommend": run([*kgrec, "recommend", "--all", *at, "-n", "20", "--out", str(data / "recs.tsv")], log),
    }
    kept.write_text(json.dumps(cost) + "\n", encoding="utf-8")
    return cost


def slopes(sizes: list[int], costs: list[float]) -> dict[str, float]:
    """Return the slope of log cost on log size over all points and over the last doubling."""
    x, y = np.log(np.array(sizes, dtype=np.float64)), np.log(np.maximum(costs, 1e-3))
    return {"slope": round(float(np.polyfit(x, y, 1)[0]), 2), "last": round(float(np.diff(y)[-1] / np.diff(x)[-1]), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("interactions", "items", "triples")
    parser.add_argument("--what", nargs="+", choices=names, default=list(names))
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the smallest sizes")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "benchmarks" / "cost")
    arguments = parser.parse_args()
    start = Size()
    base = Size(*(int(arguments.scale * getattr(start, name)) for name in names))
    curves: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    for what in arguments.what:
        curves[what] = {}
        for step in range(arguments.doublings + 1):
            n = getattr(base, what) * 2**step
            curves[what][n] = measure(replace(base, **{what: n}), arguments.folder)
            print(json.dumps({"what": what, "size": n, "cost": curves[what][n]}), flush=True)
    for what, curve in curves.items():
        for command in COMMANDS:
            for measure_name in ("cpu_seconds", "peak_mib"):
                costs = [point[command][measure_name] for point in curve.values()]
                found = slopes(list(curve), costs)
                print(json.dumps({"what": what, "command": command, "of": measure_name, **found}))
    (arguments.folder / "cost_vs_size.svg").write_text(plot(curves, COMMANDS), encoding="utf-8")


if __name__ == "__main__":
    main()
