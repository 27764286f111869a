"""Measure kgrec and its peers on all datasets and write the tables of benchmarks/README.md. Can be stopped and resumed.

usage: python benchmarks/run_all.py [--only DATASET[,MODEL] ...] [--not MODEL ...] [--list] [--render] [--again]

A cell is a dataset with a model (or a measurement of its own, such as cold,ml-100k). Every cell without a result is run
in a process of its own with a time limit, and its result is kept under build/benchmarks/results; one that failed or
took too long is kept as such and run again with --again. Peers live in environments of their own, made on first use
from benchmarks/peers/requirements. At the end the tables are written.

    python benchmarks/run_all.py --only ml-100k              all models on ml-100k
    python benchmarks/run_all.py --only kgrec --again        kgrec on every dataset, anew
    python benchmarks/run_all.py --only lastfm,ease --again  one cell, anew
    python benchmarks/run_all.py --not kgrec                 the peers alone
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback

from adapters import ADAPTERS, ROOT
from cells import SCRIPTS, Cell, FailedError, cells
from report.render import render
from results import Place


def chosen(all_cells: list[Cell], only: list[str], left_out: list[str]) -> list[Cell]:
    """Return the cells that the options ask for."""
    known = {name for cell in all_cells for name in (cell.place.group, cell.place.name)}
    by_folder = {folder: short for short, (folder, _) in ADAPTERS.items()}
    wanted = [[by_folder.get(part, part) for part in one.split(",")] for one in only]
    unknown = {part for one in [*wanted, left_out] for part in one} - known
    if unknown:
        raise SystemExit(f"error: unknown: {', '.join(sorted(unknown))}\nhint: --list shows all cells")
    return [
        cell
        for cell in all_cells
        if (not wanted or any(set(one) <= {cell.place.group, cell.place.name} for one in wanted))
        and not {cell.place.group, cell.place.name} & set(left_out)
    ]


def status(place: Place) -> str:
    found = place.read()
    return "–" if found is None else str(found["status"])


def run(cell: Cell, limit: float, threads: int) -> None:
    """Run one cell and keep what came of it, also when it failed."""
    missing = [need.name for need in cell.needs if status(need) != "done"]
    if missing:
        print(f"  waits for {', '.join(missing)}", flush=True)
        return
    started = time.perf_counter()
    try:
        cell.run(limit, threads)
    except TimeoutError as error:
        cell.place.write({"status": "too long", "message": str(error), "limit": limit})
    except (FailedError, OSError, ValueError) as error:
        traceback.print_exc()
        cell.place.write({"status": "failed", "message": str(error)})
    print(f"  {status(cell.place)} after {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="DATASET[,MODEL]", help="run these cells alone")
    parser.add_argument("--not", nargs="+", default=[], dest="left_out", metavar="NAME", help="leave these out")
    parser.add_argument("--again", action="store_true", help="also cells that have a result")
    parser.add_argument("--list", action="store_true", help="show the cells and what came of them")
    parser.add_argument("--render", action="store_true", help="only write the tables")
    parser.add_argument("--limit", type=float, default=1800.0, help="wall seconds for a peer's cell (1800)")
    parser.add_argument(
        "--long", type=float, default=3600.0, help="wall seconds for kgrec's cells and the scripts (3600)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of a peer (1)")
    arguments = parser.parse_args()
    # Ended from outside, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    todo = chosen(cells(), arguments.only, arguments.left_out)
    if arguments.list:
        for cell in todo:
            print(f"{cell.place.group},{cell.place.name}: {status(cell.place)}")
        return
    for cell in [] if arguments.render else todo:
        if status(cell.place) != "–" and not arguments.again:
            continue
        print(f"{cell.place.group},{cell.place.name}", flush=True)
        own = cell.place.name.startswith("kgrec") or f"{cell.place.group}/{cell.place.name}" in SCRIPTS
        run(cell, arguments.long if own else arguments.limit, arguments.threads)
    readme = ROOT / "benchmarks" / "README.md"
    readme.write_text(render(readme.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {readme.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
