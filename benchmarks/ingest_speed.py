"""Times the way from files to tables: a million interactions in csv.gz and a catalogue.

    python benchmarks/ingest_speed.py [--rows 1000000] [--build]

With --build, the whole of ``kgrec build-graph``. Prints wall and CPU seconds, the peak memory of the process and the
report; the files are invented, from a seed, in a temporary folder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from memory import peak_mib

N_USERS, N_ITEMS, SEED = 100_000, 50_000, 42


def write(folder: Path, n_rows: int) -> None:
    """Write interactions.csv.gz and items.csv.gz: popular items, five actions, ratings, times, some dirt."""
    rng = np.random.default_rng(SEED)
    items = np.minimum(rng.zipf(1.3, n_rows), N_ITEMS) - 1
    actions = np.array(["view", "click", "cart", "buy", "rate"])[rng.choice(5, n_rows, p=[0.5, 0.2, 0.1, 0.1, 0.1])]
    stars = rng.integers(1, 6, n_rows).astype(str)
    table = pl.DataFrame(
        {
            "user_id": pl.Series(rng.integers(0, N_USERS, n_rows)).cast(pl.String).str.zfill(8),
            "item_id": "item-" + pl.Series(items).cast(pl.String),
            "event": actions,
            "rating": np.where(actions == "rate", stars, ""),
            "timestamp": rng.integers(1_600_000_000, 1_700_000_000, n_rows),
        }
    ).with_columns(pl.when(pl.int_range(pl.len()) % 1000 > 0).then("user_id").alias("user_id"))
    tags = np.array(["red", "green", "blue", "old", "new", "hot", "cold", "tall"])
    catalogue = pl.DataFrame(
        {
            "item_id": [f"item-{k}" for k in range(N_ITEMS)],
            "title": [f"Item number {k}" for k in range(N_ITEMS)],
            "description": ["A thing of some use to those who need it, and none to others."] * N_ITEMS,
            "tags": ["|".join(tags[rng.choice(8, 3, replace=False)]) for _ in range(N_ITEMS)],
        }
    )
    for name, content in (("interactions", table), ("items", catalogue)):
        with gzip.open(folder / f"{name}.csv.gz", "wb", compresslevel=1) as stream:
            stream.write(content.write_csv().encode())


def measure_build(folder: Path) -> None:
    """Build the graph of the files of ``folder`` and print the figures."""
    from kgrec.project import open_project

    (folder / "kgrec.toml").write_text(
        '[[data.interactions]]\npath = "interactions.csv.gz"\n[[data.items]]\npath = "items.csv.gz"\n'
    )
    started, before = time.perf_counter(), time.process_time()
    report = open_project(folder).build_graph()
    figures = {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - before, 2),
        "by_step": dict(report.seconds),
        "peak_mib": round(peak_mib()),
    }
    print(json.dumps(figures, indent=1))


def measure(folder: Path) -> None:
    """Ingest the files of ``folder`` and print the figures."""
    from kgrec.config import Config
    from kgrec.data.ingest import ingest
    from kgrec.plugin.manager import load_plugins

    plugins = load_plugins([])
    files = {"interactions": [{"path": "interactions.csv.gz"}], "items": [{"path": "items.csv.gz"}]}
    started, before = time.perf_counter(), time.process_time()
    result = ingest(Config.model_validate({"data": files}), plugins.domain("generic"), plugins, folder)
    ingested, cpu = time.perf_counter(), time.process_time()
    result.save(folder / "dataset")
    figures = {
        "ingest_seconds": round(ingested - started, 2),
        "ingest_cpu_seconds": round(cpu - before, 2),
        "save_seconds": round(time.perf_counter() - ingested, 2),
        "peak_mib": round(peak_mib()),
        "report": result.dataset.report,
    }
    print(json.dumps(figures, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--build", action="store_true", help="measure the whole build")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        (measure_build if arguments.build else measure)(arguments.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), arguments.rows)
        # A process of its own: writing the files takes memory that is not to be counted.
        build = ["--build"] if arguments.build else []
        subprocess.run([sys.executable, __file__, "--folder", folder, *build], check=True)


if __name__ == "__main__":
    main()
