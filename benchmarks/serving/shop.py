"""A shop drawn from a seed, large or small, whose visitors have tastes that nobody but the generator knows.

    python benchmarks/serving/shop.py FOLDER [--users 100000] [--items 50000] [--events 2000000] [--seed 7]

Writes a catalogue, a log and kgrec.toml; `kgrec build-graph` and `kgrec train` follow. Items have one or two of the
tastes, makers and words of them; users have a few; what a user takes is drawn by ``popularity * exp(FOCUS * taste)``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

TASTES, FOCUS, SKEW = 40, 7.0, 0.4
ACTIONS, ODDS = ("view", "click", "like", "purchase"), (0.45, 0.3, 0.15, 0.1)
START, SPAN = 1_700_000_000, 180 * 86_400
POOL = 2_000
"""Of so many items, drawn by popularity, a user looks at."""

SETTINGS = """domain = "generic"
[[data.interactions]]
path = "log.parquet"
[[data.items]]
path = "items.parquet"
[text]
encoder = "hashing"
"""


@dataclass(frozen=True)
class Shop:
    """What is hidden: tastes of items ``(n_items, TASTES)`` and of users ``(n_users, TASTES)``, popularity."""

    items: NDArray[np.float32]
    users: NDArray[np.float32]
    popularity: NDArray[np.float64]

    @classmethod
    def of(cls, n_users: int, n_items: int, seed: int) -> Shop:
        """Draw a shop."""
        rng = np.random.default_rng(seed)
        items = np.zeros((n_items, TASTES), dtype=np.float32)
        for _ in range(2):
            items[np.arange(n_items), rng.integers(0, TASTES, n_items)] = 1
        users = np.zeros((n_users, TASTES), dtype=np.float32)
        for _ in range(3):
            users[np.arange(n_users), rng.integers(0, TASTES, n_users)] += rng.uniform(0.4, 1, n_users)
        popularity = (1 + rng.permutation(n_items)) ** -SKEW
        return cls(items, users, popularity / popularity.sum())

    def liking(self, user: int, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much a user likes items, between 0 and about 1, shape ``(i,)``."""
        return np.minimum(self.items[items] @ self.users[user], 1.5) / 1.5


def write(folder: Path, n_users: int, n_items: int, n_events: int, seed: int) -> Shop:
    """Write catalogue, log and settings."""
    shop, rng = Shop.of(n_users, n_items, seed), np.random.default_rng([seed, 1])
    counts = np.maximum(rng.lognormal(0, 0.8, n_users), 0.2)
    counts = np.maximum((counts * n_events / counts.sum()).astype(np.int64), 3)
    log_popularity = np.log(shop.popularity)
    chosen = []
    for user in range(n_users):
        pool = rng.choice(n_items, min(POOL, n_items), replace=False)
        keys = log_popularity[pool] + FOCUS * shop.liking(user, pool) + rng.gumbel(size=len(pool))
        chosen.append(pool[np.argpartition(-keys, min(counts[user], len(pool) - 1))[: counts[user]]])
    owners = np.repeat(np.arange(n_users), [len(each) for each in chosen])
    items = np.concatenate(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "user_id": pl.Series([f"u{k}" for k in range(n_users)]).gather(owners),
            "item_id": pl.Series([f"i{k}" for k in range(n_items)]).gather(items),
            "action": pl.Series(ACTIONS).gather(rng.choice(4, len(items), p=ODDS)),
            "timestamp": START + rng.integers(0, SPAN, len(items)),
        }
    ).sort("timestamp").write_parquet(folder / "log.parquet")
    catalogue(shop, np.arange(n_items), rng).write_parquet(folder / "items.parquet")
    (folder / "kgrec.toml").write_text(SETTINGS, encoding="utf-8")
    return shop


def catalogue(shop: Shop, which: NDArray[np.int64], rng: np.random.Generator) -> pl.DataFrame:
    """Return ``item_id``, ``title``, ``description``, ``genres``, ``maker``, ``price`` of items."""
    rows = []
    for k in which.tolist():
        own = np.flatnonzero(shop.items[k])
        words = " ".join(f"word{t}x{rng.integers(12)}" for t in np.repeat(own, 6))
        maker = f"Maker {own[0] * 20 + rng.integers(20)}"
        genres = [f"Genre {t}" for t in own]
        rows.append((f"i{k}", f"Thing {k}", words, genres, maker, float(np.round(rng.lognormal(3, 1), 2))))
    return pl.DataFrame(rows, schema=["item_id", "title", "description", "genres", "maker", "price"], orient="row")


def main() -> None:
    """Write a shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, default in (("users", 100_000), ("items", 50_000), ("events", 2_000_000), ("seed", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    write(given.folder, given.users, given.items, given.events, given.seed)


if __name__ == "__main__":
    main()
