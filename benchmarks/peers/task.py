"""A split as numbered matrices, and lists made and judged on it. Needs numpy and scipy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Score = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Users, shape ``(u,)`` -> scores, shape ``(u, n_items)``."""

Judge = Callable[[Score], float]
"""NDCG on the validation part."""

BLOCK = 1024
"""Users scored at once."""


@dataclass(frozen=True)
class Task:
    """What to fit on, what to tune on and what to rank. All matrices are CSR of shape ``(n_users, n_items)``.

    Users and items are numbered at random, so neither the order of the numbers nor a tie broken by it says anything.

    Attributes:
        fit: values are 1, or the strength of the strongest action (1 view, 2 cart, 3 purchase).
        known: never recommended; empty where the protocol ranks everything.
        test: held out; not looked at before the lists are made.
        tune_fit, tune_known, tune_test: the same for choosing settings.
        k: length of the lists that settings are chosen for.
        length: of the lists that are kept.
        triples: head, relation, tail by number, shape ``(t, 3)``; a number below ``n_items`` is that item.
    """

    fit: csr_matrix
    known: csr_matrix
    test: csr_matrix
    tune_fit: csr_matrix
    tune_known: csr_matrix
    tune_test: csr_matrix
    k: int
    length: int
    triples: NDArray[np.int64]

    @property
    def levels(self) -> int:
        """The largest strength of an action."""
        return int(self.fit.data.max())

    def save(self, path: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "k": np.array(self.k),
            "length": np.array(self.length),
            "triples": self.triples,
        }
        for name in _matrices():
            matrix = getattr(self, name)
            arrays |= {f"{name}.{part}": getattr(matrix, part) for part in ("indptr", "indices", "data")}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, shape=np.array(self.fit.shape), **arrays)

    @classmethod
    def load(cls, path: Path) -> Task:
        with np.load(path) as stored:
            shape = tuple(stored["shape"])
            parts = {
                name: csr_matrix(tuple(stored[f"{name}.{part}"] for part in ("data", "indices", "indptr")), shape=shape)
                for name in _matrices()
            }
            return cls(**parts, k=int(stored["k"]), length=int(stored["length"]), triples=stored["triples"])

    def judge(self, score: Score) -> float:
        """Return the mean NDCG on the validation part."""
        users = users_of(self.tune_test)
        top = lists(score, users, self.tune_known, self.k)
        return float(ndcg(top, self.tune_test[users]).mean())


def _matrices() -> list[str]:
    return [field.name for field in fields(Task) if field.name not in {"k", "length", "triples"}]


def users_of(matrix: csr_matrix) -> NDArray[np.int64]:
    """Return the users with an entry."""
    return np.flatnonzero(np.diff(matrix.indptr)).astype(np.int64)


def lists(score: Score, users: NDArray[np.int64], known: csr_matrix, length: int) -> NDArray[np.int32]:
    """Return the best items of each user, best first, shape ``(u, length)``, -1 where there are no more."""
    parts = []
    for start in range(0, len(users), BLOCK):
        block = users[start : start + BLOCK]
        scores = np.array(score(block), dtype=np.float32)
        rows = known[block]
        scores[np.repeat(np.arange(len(block)), np.diff(rows.indptr)), rows.indices] = -np.inf
        n = min(length, scores.shape[1])
        top = np.argpartition(-scores, n - 1, axis=1)[:, :n]
        values = np.take_along_axis(scores, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
        top = np.where(values == -np.inf, -1, top)
        parts.append(np.pad(top, ((0, 0), (0, length - n)), constant_values=-1).astype(np.int32))
    return np.concatenate(parts)


def ndcg(top: NDArray[np.int32], truth: csr_matrix) -> NDArray[np.float64]:
    """Return the binary NDCG of each list, shape ``(u,)``; the ideal is that of ``min(k, relevant)`` items."""
    hit = hits(top, truth)
    discount = 1 / np.log2(np.arange(2, top.shape[1] + 2))
    relevant = np.minimum(np.diff(truth.indptr), top.shape[1])
    return np.asarray(hit @ discount / np.cumsum(discount)[relevant - 1], dtype=np.float64)


def hits(top: NDArray[np.int32], truth: csr_matrix) -> NDArray[np.bool_]:
    """Say which places hold a relevant item, shape of ``top``."""
    width = truth.shape[1]
    rows = np.repeat(np.arange(truth.shape[0], dtype=np.int64), np.diff(truth.indptr))
    keys = np.arange(len(top), dtype=np.int64)[:, None] * width + top
    return np.isin(keys, rows * width + truth.indices) & (top >= 0)
