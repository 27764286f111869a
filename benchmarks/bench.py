"""Run kgrec through its command line on a real dataset, as a user would, and score what it recommends.

usage: python benchmarks/bench.py DATASET [--set a.b=c ...] [--graph STATE] [--folder DIR]

Leaves recs.tsv and figures.json (metrics; wall seconds and peak memory of each command) in build/bench/DATASET or in
DIR, and prints the line of the independent scorer that lies beside the datasets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from adapters import ROOT, Prepared, data_folder, prepare
from variants import with_graph


def run(command: list[str], log: Path) -> dict[str, float]:
    """Run a command; return wall seconds, CPU seconds and peak memory of it and its children."""
    started = time.perf_counter()
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(command)}\n")
        stream.flush()
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
        raise SystemExit(f"error: {' '.join(command)} failed\n{tail}")
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
    }


def workspace(prepared: Prepared, folder: Path, config: str | None = None) -> Path:
    """Make the workspace of a dataset whose data lies in ``folder / "data"``, with the published split marked.

    Args:
        prepared: the dataset.
        folder: the workspace lies in it, and ``log.txt``.
        config: kgrec.toml, if not the dataset's own.
    """
    place = folder / "workspace"
    sources = [str(file) for file in prepared.files]
    init = ["init", str(place), "--domain", prepared.domain, "--from", *sources, "--force"]
    run([sys.executable, "-m", "kgrec", *init], folder / "log.txt")
    # What init proposes is a start; a user who knows the split marks it.
    relative = (config or prepared.config).replace('path = "', 'path = "../data/')
    (place / "kgrec.toml").write_text(relative, encoding="utf-8")
    run([sys.executable, "-m", "kgrec", "trust", "path", str(folder / "data"), "-w", str(place)], folder / "log.txt")
    return place


def built(prepared: Prepared, folder: Path, *options: str) -> Path:
    """Return the workspace of :func:`workspace` with its graph built, of an earlier run if there is one."""
    place = folder / "workspace"
    if not (place / "artifacts" / "manifest.json").exists():
        workspace(prepared, folder)
        command = [sys.executable, "-m", "kgrec", "build-graph", "--workspace", str(place)]
        run([*command, *options], folder / "log.txt")
    return place


def stages(prepared: Prepared, folder: Path, overrides: list[str]) -> dict[str, dict[str, float]]:
    """Run init, build-graph, train and recommend --all."""
    kgrec, log = [sys.executable, "-m", "kgrec"], folder / "log.txt"
    log.unlink(missing_ok=True)
    options = [part for override in overrides for part in ("--set", override)]
    at = ["--workspace", str(workspace(prepared, folder))]
    figures = {}
    figures["build-graph"] = run([*kgrec, "build-graph", *at, *options], log)
    figures["train"] = run([*kgrec, "train", *at, *options], log)
    seen = ["--include-seen"] if prepared.include_seen else []
    out = ["-n", str(prepared.length), "--out", str(folder / "recs.tsv"), *seen]
    figures["recommend"] = run([*kgrec, "recommend", "--all", *at, *out, *options], log)
    return figures


def score(prepared: Prepared, folder: Path, k: int) -> dict[str, float]:
    """Score the recommendations by the script that lies beside the datasets."""
    script = data_folder().parent / "tools" / "score_recs.py"
    arguments = [str(folder / "recs.tsv"), str(prepared.test), "--train", str(prepared.known), "--k", str(k)]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {script}: {done.stderr.strip()}")
    line: dict[str, float] = json.loads(done.stdout)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="A.B=C")
    parser.add_argument("--graph", choices=("true", "none", "shuffled"), default="true", help="what is done to triples")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder or ROOT / "build" / "bench" / arguments.dataset
    folder.mkdir(parents=True, exist_ok=True)
    prepared = with_graph(prepare(arguments.dataset, folder / "data"), arguments.graph)
    figures: dict[str, object] = {"dataset": arguments.dataset, "overrides": arguments.overrides}
    figures["stages"] = stages(prepared, folder, arguments.overrides)
    figures["metrics"] = {f"@{k}": score(prepared, folder, k) for k in sorted({10, 20, prepared.k})}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures["stages"]))
    print(json.dumps(figures["metrics"][f"@{prepared.k}"]))  # type: ignore[index]


if __name__ == "__main__":
    main()
