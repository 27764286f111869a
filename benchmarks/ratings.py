"""Predict ratings, fold by fold, by kgrec and by Surprise on the same folds: RMSE, MAE, CPU seconds, peak memory.

usage: python benchmarks/ratings.py [ml-100k] [ml-100k-official] [planted-1m] [--folds N] [--seed N] [--only SYSTEM ...]

ml-100k are shuffled folds, ml-100k-official GroupLens' u1 to u5. planted-1m are the pairs of MovieLens-1M with ratings
planted by a seeded model of biases, five tastes and noise of .85: the data here holds no other real ratings, and cost
depends on who rated what, not on the values. Each cell runs in a process of its own and is kept in
build/ratings/DATASET/, so an interrupted run goes on where it stopped. Surprise is installed from the package index
into an environment of its own, build/ratings/surprise; where that fails, the table says so and holds kgrec alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from adapters import ROOT, data_folder
from bench import run
from numpy.typing import NDArray

FOLDER = ROOT / "build" / "ratings"
KGREC = ("baseline", "user-neighbours", "item-neighbours", "factors")
SURPRISE = ("BaselineOnly", "KNNBaseline-user", "KNNBaseline-item", "SVD", "SVDpp")
PUBLISHED = {"BaselineOnly": (0.944, 0.748), "KNNBaseline-user": (0.931, 0.733), "SVD": (0.934, 0.737)} | {
    "SVDpp": (0.919, 0.721)
}
"""RMSE and MAE on ml-100k, five shuffled folds, as the documentation of Surprise states them."""

Rated = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def ml_100k() -> tuple[Rated, NDArray[np.int64]]:
    """Return the ratings and a number for each pair of ids."""
    table = pl.read_csv(data_folder() / "ml-100k" / "ratings.tsv.gz", separator="\t")
    users, items = (table[name].to_numpy().astype(np.int64) for name in ("user_id", "item_id"))
    return (users - 1, items - 1, table["rating"].to_numpy().astype(np.float32)), users * 10_000 + items


def shuffled(rated: Rated, n_folds: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(len(rated[2])) % n_folds


def official(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each pair in GroupLens' own splits."""
    fold = np.full(len(pairs), -1)
    for k in range(5):
        test = pl.read_csv(data_folder() / "ml-100k" / "splits" / f"u{k + 1}.test.tsv.gz", separator="\t")
        held = test["user_id"].to_numpy().astype(np.int64) * 10_000 + test["item_id"].to_numpy()
        fold[np.isin(pairs, held)] = k
    return fold


def planted_1m(seed: int) -> Rated:
    parts = [pl.read_csv(data_folder() / "ml-1m-kg" / f"{p}.tsv.gz", separator="\t") for p in ("train", "test")]
    table = pl.concat(parts)
    users, items = (table[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in ("user_id", "movie_id"))
    rng = np.random.default_rng(seed)
    of_user, of_item = (0.4 * rng.standard_normal((int(p.max()) + 1, 6)) for p in (users, items))
    values = 3.6 + of_user[users, 5] + of_item[items, 5] + np.einsum("rk,rk->r", of_user[users, :5], of_item[items, :5])
    noisy = values + 0.85 * rng.standard_normal(len(values))
    return users, items, np.clip(np.rint(noisy), 1, 5).astype(np.float32)


def folds_of(dataset: str, n_folds: int, seed: int) -> tuple[Rated, NDArray[np.int64]]:
    if dataset == "planted-1m":
        rated = planted_1m(seed)
        return rated, shuffled(rated, n_folds, seed)
    rated, pairs = ml_100k()
    return rated, official(pairs) if dataset == "ml-100k-official" else shuffled(rated, n_folds, seed)


def surprise_python() -> Path | None:
    """Return the interpreter of the environment with Surprise, made at the first call; None where it cannot be."""
    python = FOLDER / "surprise" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "numpy<2", "scikit-surprise==1.1.5"]
        with (FOLDER / "surprise.log").open("w", encoding="utf-8") as log:
            subprocess.run(install, stdout=log, stderr=log, check=False)
    works = subprocess.run([str(python), "-c", "import surprise"], capture_output=True, check=False)
    return None if works.returncode else python


def kgrec_cell(system: str, parts: Path, out: Path) -> None:
    """Fit on the training part of a file and predict the test part; called in a process of its own."""
    from kgrec.models.ratings import PREDICTORS, Ratings

    arrays = np.load(parts)
    shape = {"n_users": int(arrays["users"].max()) + 1, "n_items": int(arrays["items"].max()) + 1}
    held = arrays["held"]
    names = ("users", "items", "values")
    known = Ratings.of(*(arrays[name][~held] for name in names), **shape)
    started = time.process_time()
    predictor = PREDICTORS[system]().fit(known, seed=0)
    fitted = time.process_time()
    found = predictor.predict(arrays["users"][held], arrays["items"][held])
    write(out, found, arrays["values"][held], fitted - started, time.process_time() - fitted)


def write(out: Path, found: NDArray[np.float32], given: NDArray[np.float32], fit: float, predict: float) -> None:
    error = found.astype(np.float64) - given
    figures = {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.abs(error).mean())}
    out.write_text(json.dumps({**figures, "fit_s": fit, "predict_s": predict}) + "\n", encoding="utf-8")


def cell(system: str, parts: Path, command: Sequence[str]) -> None:
    """Run one predictor on one fold, unless that was done before."""
    folder = parts.parent
    out = folder / f"{system}.{parts.stem}.json"
    if out.exists():
        return
    aside = out.with_suffix(".partial")
    cost = run([*command, system, str(parts), str(aside)], folder / "log.txt")
    figures = json.loads(aside.read_text(encoding="utf-8"))
    aside.unlink()
    out.write_text(json.dumps({**figures, **cost}) + "\n", encoding="utf-8")
    print(f"{folder.name} {parts.stem} {system}: RMSE {figures['rmse']:.4f}", flush=True)


def report(dataset: str, folder: Path, systems: Sequence[str]) -> None:
    """Print the table of the cells."""
    print(f"\n{dataset}")
    print("| predictor | RMSE | MAE | published | fit + predict, CPU s a fold | peak MiB |")
    print("|---|---|---|---|---|---|")
    for system in systems:
        found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"{system}.fold-*.json"))]
        if not found:
            continue
        mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        stated = "{:.3f} / {:.3f}".format(*PUBLISHED[system]) if system in PUBLISHED and dataset == "ml-100k" else ""
        cpu = float(np.median([one["fit_s"] + one["predict_s"] for one in found]))
        peak = max(one["peak_mib"] for one in found)
        spread = float(np.std([one["rmse"] for one in found]))
        print(
            f"| {system} | {mean['rmse']:.4f} ± {spread:.4f} | {mean['mae']:.4f} | {stated} | {cpu:.1f} | {peak:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["ml-100k", "ml-100k-official"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--first", type=int, default=None, metavar="N", help="only the first N folds")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", nargs="*", metavar="SYSTEM")
    parser.add_argument("--cell", nargs=3, metavar=("SYSTEM", "PARTS", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell:
        system, parts, out = arguments.cell
        kgrec_cell(system, Path(parts), Path(out))
        return
    wanted = arguments.only or [*KGREC, *SURPRISE]
    python = surprise_python() if set(wanted) & set(SURPRISE) else None
    if python is None and set(wanted) & set(SURPRISE):
        print(f"Surprise cannot be installed here; see {FOLDER / 'surprise.log'}")
    own = [sys.executable, __file__, "--cell"]
    peer = [str(python), str(Path(__file__).with_name("ratings_surprise.py"))]
    for dataset in arguments.datasets:
        folder = FOLDER / f"{dataset}-{arguments.folds}-{arguments.seed}"
        folder.mkdir(parents=True, exist_ok=True)
        (users, items, values), fold = folds_of(dataset, arguments.folds, arguments.seed)
        for k in range(min(arguments.folds, arguments.first or arguments.folds)):
            parts = folder / f"fold-{k}.npz"
            if not parts.exists():
                np.savez(parts, users=users, items=items, values=values, held=fold == k)
            for system in wanted:
                if system in KGREC or python:
                    cell(system, parts, own if system in KGREC else peer)
        report(dataset, folder, wanted)


if __name__ == "__main__":
    main()
