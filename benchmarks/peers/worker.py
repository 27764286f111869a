"""Tune, fit and rank one peer on one task, inside the peer's environment.

usage: python -m peers.worker MODEL TASK.npz OUT [--seed 1] [--limit CPU_SECONDS] [--given JSON]

Settings are tried in the order of the model's grid for as long as the limit allows a last fit; the best on the
validation part is fitted on the whole fitting part. Leaves OUT.json (settings, validation figures, times, memory) and
OUT.npz (the lists).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from peers.task import Task, lists, users_of


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3)}


def tune(
    model: Any, task: Task, grid: list[dict[str, Any]], seed: int, limit: float
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the best settings and what was tried; ``limit`` is in CPU seconds, which other work does not eat up."""
    if len(grid) == 1 and not getattr(model, "CHOOSES", False):
        return grid[0], []
    started, longest = time.process_time(), 0.0
    tried: list[dict[str, Any]] = []
    for options in grid:
        begun = time.process_time()
        # A last fit and its lists must still be possible, and this one as well.
        if tried and begun - started + 2.3 * longest > limit:
            break
        score, chosen = model.fit(task.tune_fit, options, seed, task.judge)
        tried.append({"options": options | chosen, "ndcg": round(task.judge(score), 5)})
        longest = max(longest, time.process_time() - begun)
        tried[-1]["cpu_seconds"] = round(time.process_time() - begun, 2)
        print(json.dumps(tried[-1]), file=sys.stderr, flush=True)
    best = max(tried, key=lambda one: one["ndcg"])
    return best["options"], tried


def peak_mib() -> float:
    """Return the peak memory of this process; ``getrusage`` would count its parent's from before it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def work(name: str, task: Task, seed: int, limit: float, given: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return what is written down, and the lists."""
    model = importlib.import_module(f"peers.models.{name}")
    result: dict[str, Any] = {"before_mib": peak_mib()}
    grid = [options | given for options in model.grid(task, limit)]
    clock = Clock()
    options, tried = tune(model, task, grid, seed, limit)
    result |= {"tried": tried, "grid": len(grid), "tune": clock.read(), "options": options}
    clock = Clock()
    score, facts = model.fit(task.fit, options, seed, None)
    result |= {"fit": clock.read(), "facts": facts}
    clock = Clock()
    users = users_of(task.test)
    top = lists(score, users, task.known, task.length)
    result |= {"rank": clock.read() | {"users": len(users)}, "peak_mib": peak_mib()}
    return result, top


def versions(packages: list[str]) -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in packages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("task", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=400.0)
    parser.add_argument("--given", type=json.loads, default={}, help="settings of other models that this one builds on")
    parser.add_argument("--packages", nargs="*", default=[])
    arguments = parser.parse_args()
    task = Task.load(arguments.task)
    result, top = work(arguments.model, task, arguments.seed, arguments.limit, arguments.given)
    result |= {"seed": arguments.seed, "versions": versions([*arguments.packages, "numpy", "scipy"])}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(f"{arguments.out}.npz", top=top)
    Path(f"{arguments.out}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
