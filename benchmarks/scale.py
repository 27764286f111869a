"""What each stage costs as data grows: CPU seconds and peak memory, each stage in a process of its own, one thread.

    python benchmarks/scale.py 250000 500000 1000000 2000000 [--stages build train] [--out FILE.json]

The last size is not fitted on: the costs of the others, as powers of the rows, predict it. Data are invented from a
seed in the shape of a large shop: a user for fifty rows, an item for two hundred, a file for ten million.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from memory import peak_mib

STAGES = ("build", "train", "recommend")
ROWS_A_FILE = 10_000_000
SETTINGS = [
    "graph.store=false",
    "linking.enabled=false",
    "text.encoder=hashing",
    "train.threads=1",
    "train.search=quick",
    "scorers.als.n_seeds=1",
    "scorers.als.regularization=25.0",
    "scorers.item-knn.neighbours=100",
]


def write(folder: Path, rows: int) -> None:
    """Write log/*.parquet, items.csv and kgrec.toml: popular items, two tastes a user."""
    rng, n_users, n_items = np.random.default_rng(42), rows // 50, rows // 200
    (folder / "log").mkdir(exist_ok=True)
    for start in range(0, rows, ROWS_A_FILE):
        count = min(ROWS_A_FILE, rows - start)
        items = (n_items * rng.random(count) ** 2.5).astype(np.int64)
        users = rng.integers(0, n_users, count)
        items = (items // 8) * 8 + (users + rng.integers(0, 2, count)) % 8  # users like items of their own eighth
        items = np.minimum(items, n_items - 1)
        times = 1_600_000_000 + start + np.arange(count)
        table = pl.DataFrame({"user_id": users.astype(str), "item_id": items.astype(str), "time": times})
        table.write_parquet(folder / "log" / f"{start:012}.parquet")
    names = [f"Thing {k}" for k in range(n_items)]
    kinds = {"item_id": np.arange(n_items).astype(str), "title": names, "kind": (np.arange(n_items) % 40).astype(str)}
    pl.DataFrame(kinds).write_csv(folder / "items.csv")
    (folder / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "log/*.parquet"\naction = "like"\n'
        'columns = { user = "user_id", item = "item_id", time = "time" }\n'
        '[[data.items]]\npath = "items.csv"\ncolumns = { id = "item_id", title = "title" }\n'
        '[data.items.attributes]\nkind = { column = "kind", relation = "of_kind" }\n'
    )


def run(stage: str, folder: Path) -> None:
    """Do one stage and print what it cost."""
    from kgrec.project import open_project

    project = open_project(folder, overrides=SETTINGS)
    started = time.process_time()
    if stage == "build":
        project.build_graph()
    elif stage == "train":
        project.train(only=("popularity", "item-knn", "als"))
    else:
        project.recommend_many(n=10)
    print(json.dumps({"cpu_s": round(time.process_time() - started, 1), "gib": round(peak_mib() / 1024, 2)}))


def measured(rows: int, stages: list[str]) -> dict[str, dict[str, float]]:
    """Return what each stage costs with so many rows."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), rows)
        found = {}
        for stage in stages:
            command = [sys.executable, __file__, "--stage", stage, "--folder", name]
            found[stage] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return found


def predicted(sizes: list[int], figures: list[float], size: int) -> tuple[float, float]:
    """Return what a power law through the figures says of another size, and its power."""
    power, factor = np.polyfit(np.log(sizes), np.log(np.maximum(figures, 1e-3)), 1)
    return float(np.exp(factor) * size**power), float(power)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--stage")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.stage:
        run(given.stage, given.folder)
        return
    found = {rows: measured(rows, given.stages) for rows in given.rows}
    *fitted, last = given.rows
    told = {}
    for stage in given.stages if len(fitted) > 1 else ():
        for what in ("cpu_s", "gib"):
            said, power = predicted(fitted, [found[rows][stage][what] for rows in fitted], last)
            told[f"{stage} {what}"] = {
                "power": round(power, 2),
                "predicted": round(said, 2),
                "measured": found[last][stage][what],
            }
    text = json.dumps({"measured": found, "check": told}, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
