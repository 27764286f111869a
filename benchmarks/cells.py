"""What the benchmark consists of: cells, each run in a process of its own with a time limit."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from adapters import ADAPTERS, ROOT
from peers.environments import NotInstalledError, python_of, surroundings
from peers.problems import numbers_of
from peers.registry import PEERS
from peers.task import users_of
from results import BUILD, Place, keep, read_lists, task_of
from variants import VARIANTS

HERE = Path(__file__).parent
RANKED = tuple(name for name in ADAPTERS if name != "bing-news")
"""Datasets on which lists are judged; bing-news is judged by AUC."""

SLOW = ("torch", "lightfm", "recbole")
"""Environments whose models train for minutes: their cells come last."""

COLD = ("ml-100k", "lastfm", "scientific", "goodreads")
ABLATED = ("ml-100k", "lastfm", "dbbook", "scientific")

SCRIPTS: Mapping[str, tuple[str, ...]] = {
    **{f"cold/{name}": ("cold_items.py", name) for name in COLD},
    **{f"ablation/{name}": ("ablations.py", name) for name in ABLATED},
    "clicks/bing-news": ("click_auc.py",),
    "speed/propagation": ("propagation.py",),
    "speed/ranking": ("ranking_speed.py", str(BUILD / "work" / "amazon-book" / "kgrec" / "workspace")),
    "speed/cost_vs_size": ("cost_vs_size.py",),
}
"""Measurements that are scripts of their own: place of the result -> command."""

AFTER = {"speed/ranking": (Place("amazon-book", "kgrec"),)}
"""Results that a script builds on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to measure.

    Attributes:
        place: of the result.
        run: measures and writes the result.
        needs: places of results that it builds on.
    """

    place: Place
    run: Callable[[float, int], None]
    needs: tuple[Place, ...] = ()


class FailedError(Exception):
    """A cell's process ended badly; the message says how."""


def cells() -> list[Cell]:
    """Return all cells: cheap peers first, and of each peer cheap datasets."""
    order = ("ml-100k", "lastfm", "dbbook", "scientific", "douban", "goodreads", "retailrocket", "ml-1m", "amazon-book")
    found = [
        Cell(Place(dataset, name), _peer(dataset, name), tuple(Place(dataset, need) for need in peer.needs))
        for name, peer in sorted(PEERS.items(), key=lambda one: one[1].environment in SLOW)
        for dataset in order
        if peer.datasets is None or dataset in peer.datasets
    ]
    found += [
        Cell(Place(dataset, name), _kgrec(dataset, name))
        for name, variant in VARIANTS.items()
        for dataset in order
        if variant.datasets is None or dataset in variant.datasets
    ]
    return found + [Cell(Place(*name.split("/")), _script(name), AFTER.get(name, ())) for name in SCRIPTS]


def _peer(dataset: str, name: str) -> Callable[[float, int], None]:
    def run(limit: float, threads: int) -> None:
        peer, place = PEERS[name], Place(dataset, name)
        try:
            python = python_of(peer.environment)
        except NotInstalledError as error:
            place.write({"status": "not installed", "message": str(error)})
            return
        task, _, file = task_of(dataset)
        given = {need: (Place(dataset, need).read() or {}).get("options") for need in peer.needs}
        out = BUILD / "work" / dataset / name
        command = [str(python), "-m", "peers.worker", name, str(file), str(out), "--limit", str(peer.limit)]
        command += ["--packages", *peer.packages] if peer.packages else []
        command += ["--given", json.dumps(given)] if given else []
        # Some write logs where they are started.
        watched(command, limit, out.with_name(f"{name}.log"), out.parent, surroundings(threads))
        result = json.loads(out.with_name(f"{name}.json").read_text(encoding="utf-8"))
        with np.load(out.with_name(f"{name}.npz")) as stored:
            top = stored["top"]
        keep(place, result | _facts(threads, peer.limit) | {"task": digest(file)}, top, task)

    return run


def _kgrec(dataset: str, name: str) -> Callable[[float, int], None]:
    def run(limit: float, _: int) -> None:
        folder = BUILD / "work" / dataset / name
        overrides = [part for setting in VARIANTS[name].settings for part in ("--set", setting)]
        command = [sys.executable, str(HERE / "bench.py"), dataset, "--folder", str(folder), *overrides]
        command += ["--graph", VARIANTS[name].graph]
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        watched(command, limit, folder.with_name(f"{name}.log"), ROOT, environment)
        task, numbering, file = task_of(dataset)
        figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
        top = numbers_of(read_lists(folder / "recs.tsv"), numbering, users_of(task.test), task.length)
        facts = _facts(0, limit) | {"task": digest(file), "stages": figures["stages"], "scorer": figures["metrics"]}
        keep(
            Place(dataset, name),
            facts | {"options": list(VARIANTS[name].settings), "weights": _weights(folder)},
            top,
            task,
        )

    return run


def _weights(folder: Path) -> Any:
    """Return what the fusion came to, for the record."""
    found = sorted(folder.glob("workspace/**/ranker.json"))
    return json.loads(found[-1].read_text(encoding="utf-8"))["weights"] if found else None


def _script(name: str) -> Callable[[float, int], None]:
    def run(limit: float, threads: int) -> None:
        script, *arguments = SCRIPTS[name]
        log = BUILD / "work" / f"{name}.log"
        command = [sys.executable, str(HERE / script), *arguments]
        watched(command, limit, log, ROOT, os.environ | {"OMP_WAIT_POLICY": "PASSIVE"})
        said = log.read_text(encoding="utf-8").splitlines()
        result = {
            "status": "done",
            "lines": [json.loads(line) for line in said if line.startswith("{")],
            "text": [line for line in said if not line.startswith("{")],
        }
        Place(*name.split("/")).write(_facts(threads, limit) | result)

    return run


def watched(command: list[str], limit: float, log: Path, cwd: Path, environment: Mapping[str, str]) -> None:
    """Run a command; its output goes to ``log``.

    Raises:
        TimeoutError: it took longer than ``limit`` seconds; it and its children were ended.
        FailedError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environment), stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            process.wait(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"took more than {limit:.0f} s") from None
            raise
    if process.returncode:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise FailedError(tail[0] if tail else f"exit code {process.returncode}")


def digest(file: Path) -> str:
    """Return a short fingerprint of a task, so that a result of another split is not taken for one of this."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _facts(threads: int, limit: float) -> dict[str, Any]:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "threads": threads,
        "limit": limit,
        "load": round(os.getloadavg()[0], 1),
    }
