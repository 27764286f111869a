"""A day of a shop: visitors click by tastes that nobody but the generator knows; then everything is looked at.

    python benchmarks/serving/day.py [--users 2000] [--items 1000] [--visits 10000] [--seed 11] [--folder FOLDER]

Visitors come by the hour; a tenth of them are new. Each sees a list, looks down it (the k-th place is seen with
probability ``0.85 ** k``) and clicks by hidden taste. In one placement an experiment runs whose second variant is worse
by construction (it shows dear things only), in another one whose variants are the same. Prints: clicks a
list of new visitors by their visit, what the experiments say each quarter of the day, how lists drift, the freshness of
events, and whether every list of a sample is made again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from shop import Shop, write

import kgrec
from kgrec.live.events import Event
from kgrec.live.experiments import ExperimentResult
from kgrec.live.lists import ListRequest
from kgrec.live.results import experiment_result

SEEN = 0.85
"""With each place fewer people look on."""

EXPERIMENTS = """
[placements.front]
n = 10
[placements.worse]
n = 10
where = ["price>100"]
[placements.side]
n = 10
[placements.same]
n = 10
[experiments.better]
placement = "front"
variants = { usual = "front", worse = "worse" }
[experiments.equal]
placement = "side"
variants = { one = "side", other = "same" }
"""


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 2_000), ("items", 1_000), ("events", 40_000), ("visits", 10_000), ("seed", 11)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp()) / "shop"
    n_new = given.users // 10
    shop = write(folder, given.users, given.items, given.events, given.seed)
    project = kgrec.open(folder)
    project.build_graph()
    project.train(only=["popularity", "item-knn", "als", "content"])
    with (folder / "kgrec.toml").open("a") as file:
        file.write(EXPERIMENTS)
    simulate(folder, shop, n_new, given.visits, np.random.default_rng([given.seed, 2]))


def simulate(folder: Path, shop: Shop, n_new: int, visits: int, rng: np.random.Generator) -> None:
    """Let visitors come, and print what is found."""
    live = kgrec.open(folder).live
    n_users, ids = len(shop.users), live.models.recommender.ranker.item_ids
    new = Shop.of(n_new, len(shop.items), int(rng.integers(1 << 30))).users
    tastes, listed, fresh = np.concatenate([shop.users, new]), dict[int, int](), list[float]()
    by_visit: dict[int, list[float]] = {}
    shown = np.zeros(len(ids))
    drift, lists = [], []
    order = rng.choice(n_users + n_new, visits, p=_weights(n_users, n_new))
    for number, who in enumerate(order.tolist()):
        user = f"u{who}" if who < n_users else f"new{who}"
        placement = "front" if rng.random() < 0.5 else "side"
        made = live.recommend(ListRequest(user_id=user, placement=placement))
        lists.append(made.rec_id)
        places = np.array([int(item.item_id[1:]) for item in made.items])
        looked = np.cumprod(rng.random(len(places)) < SEEN).astype(bool)
        liking = np.minimum(shop.items[places] @ tastes[who], 1.5) / 1.5
        clicks = looked & (rng.random(len(places)) < 0.5 * liking**2)
        events = [
            Event(user_id=user, item_id=item.item_id, action="click" if hit else "impression", rec_id=made.rec_id)
            for item, seen, hit in zip(made.items, looked, clicks, strict=True)
            if seen
        ]
        if events:
            begun = time.perf_counter()
            live.append(events)
            fresh.append(time.perf_counter() - begun)
        if who >= n_users:
            listed[who] = listed.get(who, 0) + 1
            by_visit.setdefault(min(listed[who], 8), []).append(float(clicks.sum()))
        shown[places] += 1
        if (number + 1) % (visits // 4) == 0:
            live.log.flush()
            results = [experiment_result(live.log, live.placements, name) for name in ("better", "equal")]
            drift.append(_gini(shown))
            shown[:] = 0
            print(f"after {number + 1:,} visits: " + " · ".join(map(_told, results)))
    learned = {visit: round(float(np.mean(clicks)), 2) for visit, clicks in sorted(by_visit.items())}
    print("clicks a list of new visitors, by visit: ", learned)
    print("share of showings, Gini by quarter of the day: ", [round(one, 3) for one in drift])
    print(f"events counted after: p50 {np.median(fresh) * 1e3:.1f} ms, p99 {np.quantile(fresh, 0.99) * 1e3:.1f} ms")
    sample = rng.choice(lists, min(500, len(lists)), replace=False)
    same = sum(live.replay(rec_id)[1] for rec_id in sample)
    print(f"made again as they were: {same} of {len(sample)} lists")
    counted = live.models.profiles.applied
    live.log.close()
    again = kgrec.open(folder).live
    print(f"events counted before and after a new start: {counted:,} and {again.models.profiles.applied:,}")
    again.log.close()


def _weights(n_users: int, n_new: int) -> np.ndarray:
    weights = np.concatenate([np.full(n_users, 0.75 / n_users), np.full(n_new, 0.25 / n_new)])
    return weights / weights.sum()


def _told(result: ExperimentResult) -> str:
    other = result.variants[1]
    if other.low is None or other.high is None:
        return f"{result.name}: too few"
    uneven = ", uneven" if result.uneven else ""
    return f"{result.name}: {other.difference:+.3f} [{other.low:+.3f}, {other.high:+.3f}] {other.verdict}{uneven}"


def _gini(counts: np.ndarray) -> float:
    ordered = np.sort(counts)
    return float(1 - 2 * np.mean(np.cumsum(ordered) / max(ordered.sum(), 1)))


if __name__ == "__main__":
    main()
