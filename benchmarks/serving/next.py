"""Whether the probabilities of `POST /v1/next` mean what they say: predicted beside observed, on what came later.

    python benchmarks/serving/next.py [--users 2000] [--items 1000] [--events 40000] [--seed 23]

The last tenth of a shop's log is kept apart; the first event of each user in it is what came next. Of each user's 100
likeliest events, those of like probability are put together.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from shop import write

import kgrec
from kgrec.live.next_event import PAST, next_events

EDGES = np.array([0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 2_000), ("items", 1_000), ("events", 40_000), ("seed", 23)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "shop"
        write(folder, given.users, given.items, given.events, given.seed)
        log = pl.read_parquet(folder / "log.parquet").sort("timestamp")
        known, later = log.head(int(0.9 * log.height)), log.tail(log.height - int(0.9 * log.height))
        known.write_parquet(folder / "log.parquet")
        project = kgrec.open(folder)
        project.build_graph()
        project.train(only=["popularity", "item-knn", "als", "content"])
        live = project.live
        odds, hits, first, total = [], [], 0, 0.0
        came = later.unique("user_id", keep="first", maintain_order=True)
        for user, item, action in came.select("user_id", "item_id", "action").iter_rows():
            if not live.knows(user):
                continue
            found = next_events(live.models, live.user(user), live.past(user, PAST), 100)
            odds += [one.probability for one in found]
            hits += [(one.item_id, one.action) == (item, action) for one in found]
            first += any(hits[-100:][:10])
            total += 1
        live.log.close()
    p, y = np.array(odds), np.array(hits, dtype=float)
    place = np.digitize(p, EDGES) - 1
    print("| probability | events | predicted | observed | error of the observed |\n|---|---|---|---|---|")
    for k in range(len(EDGES) - 1):
        own = place == k
        if own.sum() > 100:
            error = np.sqrt(max(y[own].mean(), 1 / own.sum()) / own.sum())
            told = f"{own.sum():,} | {p[own].mean():.5f} | {y[own].mean():.5f} | {error:.5f} |"
            print(f"| {EDGES[k]:g} to {EDGES[k + 1]:g} | {told}")
    gap = sum(abs(p[place == k].sum() - y[place == k].sum()) for k in range(len(EDGES) - 1)) / len(p)
    print(
        f"expected calibration error {gap:.6f} of a mean probability of {p.mean():.6f}; {int(total):,} users; "
        f"the next event is among the first ten of {first / max(total, 1):.1%}"
    )


if __name__ == "__main__":
    main()
