"""Are samples of the latent generator nearer to what users turned to next than what lies around their profile's mean?

usage: python benchmarks/latent_samples.py DATASET ... [--cuts 1 2 3] [--option NAME=VALUE ...]

A fifth of each user's likes is held out at random (test files are never looked at). Each method gives every user ten
real items that the user did not know: ``latent`` the nearest one to each sample, the others what lies around the mean
of the history's text vectors: its nearest (``mean``), the nearest to the mean with Gaussian noise added
(``mean+noise``), the nearest spread by maximal marginal relevance (``mean+mmr``), and the nearest to single items of
the history (``neighbours``). Noise and spreading are set, cut by cut, to the diversity (one minus mean cosine within
the ten) that the samples have, so the comparison is at equal diversity; the generator's own settings were chosen on
cut 0. Cosines are those of centred text vectors. ``best`` is the cosine of a held-out item to the nearest of the ten,
``all`` that to all of them, ``recall`` the share of held-out items among the ten; intervals are bootstraps over users.
Leaves build/latent/DATASET.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from adapters import ROOT
from cold_items import load
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.split import interaction_matrix
from kgrec.models.features import centred, unit_rows
from kgrec.models.history import History
from kgrec.models.latent import Latent
from kgrec.types import Events, TrainingData

N = 10
DRAWN = 30
"""Points drawn until ten different items lie near them."""
MOST = 800
"""At most so many users are looked at."""
MATCHED = 400
"""So many of them are looked at when diversities are made equal."""
HELD_OUT = 0.2
DRAWS = 2_000

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Items = NDArray[np.int64]


def rows_of(data: TrainingData, kept: NDArray[np.bool_]) -> TrainingData:
    """Return ``data`` with some of its events only."""
    names = ("users", "items", "actions", "values", "weights")
    parts = {name: getattr(data.events, name)[kept] for name in names}
    times = None if data.events.times is None else data.events.times[kept]
    events: Events = replace(data.events, **parts, times=times)
    return replace(data, events=events, matrix=interaction_matrix(events, data.n_users, data.n_items))


def cut(data: TrainingData, share: float, rng: np.random.Generator) -> tuple[TrainingData, csr_array]:
    """Return what is left to fit on, and the held-out likes; users of fewer than five likes lose none."""
    pairs = data.matrix.tocoo()
    order = np.lexsort((rng.random(data.matrix.nnz), pairs.row))
    counts = np.diff(data.matrix.indptr)
    place = np.arange(data.matrix.nnz) - data.matrix.indptr[pairs.row[order]]
    out = order[place < np.where(counts >= 5, np.maximum(share * counts, 1).astype(int), 0)[pairs.row[order]]]
    gone = np.sort(pairs.row[out].astype(np.int64) * data.n_items + pairs.col[out])
    lost = np.isin(data.events.users * data.n_items + data.events.items, gone)
    held = csr_array((np.ones(len(out), np.float32), (pairs.row[out], pairs.col[out])), shape=data.matrix.shape)
    return rows_of(data, ~lost), held


def first_different(ranked: Items, n: int = N) -> Items:
    """Return ``n`` different items of ``ranked`` of shape ``(p, k)``: the first column's, then the second's..."""
    found: dict[int, None] = {}
    for column in range(ranked.shape[1]):
        for item in ranked[:, column]:
            found.setdefault(int(item))
            if len(found) == n:
                return np.array(list(found))
    return np.array(list(found))


class Bench:
    """One cut of a dataset."""

    def __init__(self, data: TrainingData, draw: int, options: dict[str, Any]) -> None:
        rng = np.random.default_rng([draw, 31])
        self.fit, self.held = cut(data, HELD_OUT, rng)
        inner, validation = cut(self.fit, 0.1, rng)
        texts = data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), np.float32)
        self.vectors, self.texts = centred(texts)[0], np.asarray(texts.any(axis=1))
        started = time.process_time()
        chosen = Latent(**options).fit(replace(inner, validation=validation), seed=draw)
        self.metric, self.epochs = chosen.best_metric, chosen.best_epoch
        self.seconds = time.process_time() - started
        self.latent = Latent(**{**options, **chosen.refit_options()}).fit(self.fit, seed=draw)
        history = History.of(self.fit.matrix).matrix
        likes = np.diff(history.indptr)
        users = np.flatnonzero((np.diff(self.held.indptr) > 0) & (likes > 2))
        self.users = rng.permutation(users)[:MOST]
        self.history = csr_array(history[self.users])
        self.means = unit_rows(np.asarray(self.history @ self.vectors, dtype=np.float32))
        self.noise = np.random.default_rng([draw, 37]).standard_normal((DRAWN, self.vectors.shape[1]), dtype=np.float32)
        self.noise /= np.sqrt(self.vectors.shape[1])

    def known(self, row: int) -> Items:
        return self.history.indices[self.history.indptr[row] : self.history.indptr[row + 1]]

    def nearest(self, points: Floats, row: int, k: int) -> Items:
        """Return the ``k`` items nearest to each point that the user does not know."""
        cosines = points @ self.vectors.T
        cosines[:, ~self.texts] = -np.inf
        cosines[:, self.known(row)] = -np.inf
        best = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1)

    def of_samples(self, spread: float, n_users: int | None = None) -> list[Items]:
        samples = self.latent.sample(self.users[:n_users], DRAWN, seed=11, spread=spread)
        return [first_different(self.latent.nearest(s, N, without=self.known(r))) for r, s in enumerate(samples)]

    def of_noise(self, scale: float, n_users: int | None = None) -> list[Items]:
        scaled = np.float32(scale) * self.noise
        return [first_different(self.nearest(m + scaled, r, N)) for r, m in enumerate(self.means[:n_users])]

    def of_mmr(self, strength: float, n_users: int | None = None) -> list[Items]:
        found = []
        for row, mean in enumerate(self.means[:n_users]):
            pool = self.nearest(mean[None], row, 300)[0]
            vectors = self.vectors[pool]
            near = vectors @ mean
            worth, closest, chosen = (1 - strength) * near, np.full(len(pool), -1.0, np.float32), []
            for _ in range(N):
                value = worth - strength * closest
                value[chosen] = -np.inf
                chosen.append(int(value.argmax()))
                closest = np.maximum(closest, vectors @ vectors[chosen[-1]])
            found.append(pool[chosen])
        return found

    def of_neighbours(self) -> list[Items]:
        rng = np.random.default_rng(5)
        return [
            first_different(self.nearest(self.vectors[rng.permutation(self.known(r))[:DRAWN]], r, N))
            for r in range(len(self.users))
        ]

    def figures(self, lists: list[Items]) -> NDArray[np.float64]:
        """Return best, all, recall and diversity of the items of the first users, shape ``(len(lists), 4)``."""
        rows = []
        for user, items in zip(self.users, lists, strict=False):
            truth = self.held.indices[self.held.indptr[user] : self.held.indptr[user + 1]]
            cosines = self.vectors[truth] @ self.vectors[items].T
            within = self.vectors[items] @ self.vectors[items].T
            diversity = 1 - (within.sum() - np.trace(within)) / (len(items) * (len(items) - 1))
            rows.append((cosines.max(axis=1).mean(), cosines.mean(), np.isin(truth, items).mean(), diversity))
        return np.array(rows, dtype=np.float64)

    def matched(self, method: Callable[[float, int | None], list[Items]], target: Floats64, high: float) -> float:
        """Return the setting at which ``method`` is as diverse as ``target`` of shape ``(u,)``, by bisection.

        Diversity grows with the setting; it is looked at for the first users.
        """
        low, wanted = 0.0, target[:MATCHED].mean()
        for _ in range(10):
            middle = (low + high) / 2
            less = self.figures(method(middle, MATCHED))[:, 3].mean() < wanted
            low, high = (middle, high) if less else (low, middle)
        return (low + high) / 2


NAMES = ("best", "all", "recall", "diversity")


def summary(values: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return mean and interval of each column."""
    rng = np.random.default_rng(0)
    draws = np.array([values[rng.integers(len(values), size=len(values))].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return {
        n: [round(float(v), 4) for v in row] for n, row in zip(NAMES, np.c_[values.mean(0), low, high], strict=True)
    }


def measure(name: str, cuts: list[int], spread: float, options: dict[str, Any]) -> dict[str, Any]:
    """Measure one dataset and print its table; users of all cuts are bootstrapped together."""
    data, _, _ = load(name, None)
    data = replace(data, triples=None)
    figures: dict[str, list[NDArray[np.float64]]] = {}
    told: list[dict[str, Any]] = []
    for draw in cuts:
        bench = Bench(data, draw, options)
        found = {"latent": bench.figures(bench.of_samples(spread))}
        diversity = found["latent"][:, 3]
        noise = bench.matched(bench.of_noise, diversity, 50.0)
        strength = bench.matched(bench.of_mmr, diversity, 1.0)
        found["mean+noise"] = bench.figures(bench.of_noise(noise))
        found["mean+mmr"] = bench.figures(bench.of_mmr(strength))
        found["mean"] = bench.figures(bench.of_mmr(0.0))
        found["neighbours"] = bench.figures(bench.of_neighbours())
        for method, values in found.items():
            figures.setdefault(method, []).append(values)
        row = {"cut": draw, "log_likelihood": bench.metric, "epochs": bench.epochs, "cpu_seconds": bench.seconds}
        gains = {m: summary(found["latent"] - values) for m, values in found.items() if m != "latent"}
        told.append({**row, "noise": noise, "mmr": strength, "users": len(bench.users), "latent minus": gains})
        print(json.dumps(told[-1]), flush=True)
    joined = {method: np.concatenate(values) for method, values in figures.items()}
    result: dict[str, Any] = {"cuts": told, "spread": spread, "options": options}
    result["methods"] = {method: summary(values) for method, values in joined.items()}
    others = [method for method in joined if method != "latent"]
    result["latent minus"] = {method: summary(joined["latent"] - joined[method]) for method in others}
    for part in ("methods", "latent minus"):
        print(f"{name}: {part}")
        for method, row in result[part].items():
            cells = "  ".join(f"{n} {m:.4f} [{low:.4f}, {high:.4f}]" for n, (m, low, high) in row.items())
            print(f"  {method:11} {cells}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--cuts", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    options = {key: json.loads(value) for key, _, value in (o.partition("=") for o in arguments.option)}
    (ROOT / "build" / "latent").mkdir(parents=True, exist_ok=True)
    for name in arguments.datasets:
        found = measure(name, arguments.cuts, arguments.spread, options)
        (ROOT / "build" / "latent" / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
