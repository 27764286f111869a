"""What graph, text and each scorer are worth to the hybrid: `kgrec evaluate --ablate` on a published split.

usage: python benchmarks/ablations.py DATASET [--folder DIR]

The published test file is marked `split = "test"`, so that every system is trained on the rest and judged on it. Prints
a line of JSON for each system (figures with intervals; by how much the whole hybrid leads, p by Holm), one for each way
of taking the graph away (the share of the figure owed to the graph), and leaves report.json and log.txt in DIR,
build/ablation/DATASET by default.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from adapters import ROOT, Prepared, prepare
from adapters.common import interactions
from bench import run, workspace


def with_test(prepared: Prepared) -> str:
    """Return kgrec.toml with the held-out file marked as such."""
    action = "like" if 'action = "like"' in prepared.config else "purchase"
    return f"{prepared.config}\n{interactions(prepared.test.name, split='test', action=action)}"


def lines(report: dict[str, Any], length: int) -> list[dict[str, Any]]:
    """Return a line for each system, and one for each way of taking the graph away.

    Args:
        report: as `kgrec evaluate --out` writes it.
        length: of the lists that are looked at.
    """
    wanted = (f"recall@{length}", f"ndcg@{length}")
    overall = {c["system"]: c for c in report["comparisons"] if not c["by"]}
    found = []
    for system in report["systems"]:
        line: dict[str, Any] = {"system": system["name"]}
        if system.get("skipped"):
            found.append(line | {"skipped": system["skipped"]})
            continue
        line |= {metric: system["metrics"][metric] for metric in wanted}
        if (compared := overall.get(system["name"])) is not None:
            line |= {"lead": compared["paired"], "p": compared["p_holm"]}
        found.append(line)
    utilisation = report["graph_utilisation"].items()
    return found + [{"utilisation": name, "metric": wanted[1], **interval} for name, interval in utilisation]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder or ROOT / "build" / "ablation" / arguments.dataset
    folder.mkdir(parents=True, exist_ok=True)
    prepared = prepare(arguments.dataset, folder / "data")
    command, log = [sys.executable, "-m", "kgrec"], folder / "log.txt"
    log.unlink(missing_ok=True)
    place = workspace(prepared, folder, with_test(prepared))
    at = ["--workspace", str(place)]
    run([*command, "build-graph", *at], log)
    asked = ["--split", "given", "--ablate", "-k", str(prepared.k), "--examples", "0"]
    run([*command, "evaluate", *at, *asked, "--out", str(folder / "report.json")], log)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for line in lines(report[0] if isinstance(report, list) else report, prepared.k):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
