"""Results of cells (a dataset, a model): where they lie, and figures a user from lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from adapters import ROOT, Prepared, prepare
from numpy.typing import NDArray
from peers.problems import Numbering, problem
from peers.task import Task, users_of
from scipy.sparse import csr_array

from kgrec.evaluate.metrics import accuracy

BUILD = ROOT / "build" / "benchmarks"
FEW = 3
"""Train rows that a user of the sparse slice has at most."""

PerUser = dict[str, NDArray[np.float64]]
"""Figures by name (``recall@20``), each of shape ``(u,)`` over the test users; NaN where there is nothing to find."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell's result lies.

    Attributes:
        group: a dataset, or a kind of measurement.
        name: a model, or what is measured.
    """

    group: str
    name: str

    @property
    def stem(self) -> Path:
        return BUILD / "results" / self.group / self.name

    @property
    def document(self) -> Path:
        return self.stem.with_name(f"{self.name}.json")

    @property
    def lists(self) -> Path:
        return self.stem.with_name(f"{self.name}.npz")

    def read(self) -> dict[str, Any] | None:
        """Return what is written down, or None."""
        if not self.document.exists():
            return None
        found: dict[str, Any] = json.loads(self.document.read_text(encoding="utf-8"))
        return found

    def write(self, result: dict[str, Any]) -> None:
        self.document.parent.mkdir(parents=True, exist_ok=True)
        part = self.document.with_suffix(".part")
        part.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(self.document)


def prepared_data(dataset: str) -> Prepared:
    return prepare(dataset, BUILD / "data" / dataset)


@cache
def task_of(dataset: str) -> tuple[Task, Numbering, Path]:
    """Return the task of a dataset, its ids, and the file that peers read."""
    file = BUILD / "tasks" / f"{dataset}.npz"
    task, numbering = problem(prepared_data(dataset))
    task.save(file)
    return task, numbering, file


def judge(top: NDArray[np.int32], task: Task) -> PerUser:
    """Return the figures of all test users, and of the slice ``few``: warm items for users with few train rows."""
    users = users_of(task.test)
    lengths = [k for k in (10, 20, 50) if k <= task.length]
    wanted = ("recall", "ndcg", "mrr", "hit")
    found = accuracy(top.astype(np.int64), csr_array(task.test[users]), lengths)
    figures = {name: values for name, values in found.items() if name.split("@")[0] in wanted}
    # Rows that settings were chosen on do not count as known.
    few = np.diff(task.tune_fit.indptr)[users] <= FEW
    warm = np.diff(task.fit.tocsc().indptr) > 0
    truth = csr_array(task.test[users].multiply(warm[None, :]))
    truth.eliminate_zeros()
    truth.sort_indices()
    for name, values in accuracy(top.astype(np.int64), truth, [task.k]).items():
        if name.split("@")[0] in wanted:
            figures[f"few {name}"] = np.where(few, values, np.nan)
    return figures


def leaked(top: NDArray[np.int32], task: Task) -> int:
    """Count recommended items that the protocol leaves out."""
    known = task.known[users_of(task.test)]
    rows, places = np.nonzero(top >= 0)
    keys = rows.astype(np.int64) * known.shape[1] + top[rows, places]
    held = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr)) * np.int64(known.shape[1]) + known.indices
    return int(np.isin(keys, held).sum())


def keep(place: Place, result: dict[str, Any], top: NDArray[np.int32], task: Task) -> None:
    """Write a result with its lists and its figures a user.

    Raises:
        ValueError: a list holds what must not be recommended.
    """
    if (n := leaked(top, task)) > 0:
        raise ValueError(f"{n} recommended items were known before")
    figures = judge(top, task)
    place.document.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(place.lists, top=top, **figures)  # type: ignore[arg-type]
    means = {
        name: round(float(np.nanmean(values)), 5) for name, values in figures.items() if not np.isnan(values).all()
    }
    listed = np.unique(top[:, : task.k])
    coverage = round(float((listed >= 0).sum()) / task.fit.shape[1], 4)
    place.write(result | {"status": "done", "metrics": means, "users": len(top), "coverage": coverage})


def figures_of(place: Place) -> PerUser:
    """Return the figures a user of a finished cell."""
    with np.load(place.lists) as stored:
        return {name: stored[name] for name in stored.files if name != "top"}


def read_lists(file: Path) -> pl.DataFrame:
    """Return what ``kgrec recommend --all --out`` wrote."""
    return pl.read_csv(file, separator="\t", infer_schema=False, quote_char=None)
