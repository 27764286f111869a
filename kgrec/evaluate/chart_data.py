"""What is drawn of an evaluation, as small JSON values: the data, who gets the places of lists, their categories."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.item_features import item_categories
from kgrec.evaluate.judging import TestSet
from kgrec.evaluate.lists import category_shares
from kgrec.evaluate.slices import popularity_bands

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.evaluate.run import Round

POINTS = 60
"""Points of a curve."""

MOST_CATEGORIES = 15
"""Categories that are shown, those that are liked most."""


def distribution(matrix: csr_array) -> dict[str, Any]:
    """Return how much is known of users and items.

    Args:
        matrix: likes that the systems may learn from, CSR of shape ``(n_users, n_items)``.

    Returns:
        ``users`` and ``items``: ``none`` (how many have no like), ``median``, ``most``, and ``edges`` and ``counts`` of
        a histogram; ``density``; ``popularity``: ``[place, likes]`` of items, most liked first; ``top_share``: share of
        all likes that the most liked tenth of the items holds.
    """
    by_user = np.diff(matrix.indptr).astype(np.int64)
    by_item = np.bincount(matrix.indices, minlength=matrix.shape[1])
    ordered = np.sort(by_item)[::-1]
    places = _spread(len(ordered))
    total = max(int(ordered.sum()), 1)
    return {
        "users": _counted(by_user),
        "items": _counted(by_item),
        "density": matrix.nnz / max(matrix.shape[0] * matrix.shape[1], 1),
        "popularity": [[int(place) + 1, int(ordered[place])] for place in places],
        "top_share": float(ordered[: max(1, len(ordered) // 10)].sum() / total),
    }


def _counted(counts: NDArray[np.int64]) -> dict[str, Any]:
    some = counts[counts > 0]
    most = int(counts.max(initial=0))
    edges = 2 ** np.arange(most.bit_length() + 1)
    binned = np.histogram(some, bins=edges)[0] if len(edges) > 1 else np.zeros(0, dtype=np.int64)
    return {
        "none": int((counts == 0).sum()),
        "median": float(np.median(counts)) if len(counts) else None,
        "most": most,
        "edges": edges.tolist(),
        "counts": binned.tolist(),
    }


def _spread(n: int) -> NDArray[np.int64]:
    """Return at most :data:`POINTS` of ``n`` positions, dense at the beginning."""
    return np.unique(np.geomspace(1, max(n, 1), POINTS).round().astype(np.int64) - 1) if n else np.zeros(0, np.int64)


def exam_fingerprint(rounds: Sequence[Round]) -> str:
    """Return a hash of whom was asked and of all right answers: runs with the same one are compared person by person.

    Args:
        rounds: of all seeds and folds.
    """
    digest = hashlib.blake2b(digest_size=16)
    for found in rounds:
        truth = found.test_set.truth
        shape = np.array([*truth.shape, found.test_set.n_candidates])
        for array in (shape, found.test_set.users, truth.indptr, truth.indices):
            digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
    return digest.hexdigest()


def pictures(rounds: Sequence[Round], dataset: Dataset) -> dict[str, Any]:
    """Return what is drawn of the lists, from the first round; empty where nothing was judged.

    Returns:
        ``bands``: shares of items, hidden likes and each system's places by how popular the items are; ``handed_out``:
        for each system the share of all places that the least shown share of the items gets; ``categories``: mean
        shares in histories, hidden likes and each system's lists; ``learning``: curves of scorers that train by epochs;
        ``examples``: lists of a few users.
    """
    first = rounds[0]
    tops = {j.system.name: j.outcome.top for j in first.judged if j.outcome}
    if not tops:
        return {}
    return {
        "bands": _bands(first.test_set, tops),
        "handed_out": {name: _lorenz(top, first.test_set) for name, top in tops.items()},
        "categories": _categories(first.test_set, tops, dataset),
        "learning": [
            {"seed": found.seed, "scorer": name, "points": [list(point) for point in curve]}
            for found in rounds
            for name, curve in found.judged[0].curves.items()
        ],
        "examples": [dict(example) for example in first.judged[0].examples],
    }


def _bands(test_set: TestSet, tops: dict[str, NDArray[np.int64]]) -> list[dict[str, Any]]:
    found = []
    every = np.ones(test_set.truth.shape[1], dtype=np.bool_) if test_set.candidates is None else test_set.candidates
    for name, mask in popularity_bands(test_set.popularity).items():
        if not (mask & every).any():
            continue
        shares = {system: _share(mask[top[top >= 0]]) for system, top in tops.items()}
        found.append(
            {
                "name": name,
                "items": _share(mask[every]),
                "hidden_likes": _share(mask[test_set.truth.indices]),
                "systems": shares,
            }
        )
    return found


def _share(marked: NDArray[np.bool_]) -> float | None:
    return float(marked.mean()) if len(marked) else None


def _lorenz(top: NDArray[np.int64], test_set: TestSet) -> list[list[float]]:
    """Return the Lorenz curve of the places: ``[share of items, least shown first, share of places]``."""
    shown = np.sort(np.bincount(top[top >= 0], minlength=test_set.n_candidates))[-test_set.n_candidates :]
    total = max(int(shown.sum()), 1)
    part = np.concatenate([[0], np.cumsum(shown)]) / total
    at = np.unique(np.linspace(0, len(shown), 41).round().astype(np.int64))
    return [[round(float(k / max(len(shown), 1)), 4), round(float(part[k]), 5)] for k in at]


def _categories(test_set: TestSet, tops: dict[str, NDArray[np.int64]], dataset: Dataset) -> dict[str, Any] | None:
    """Return the mean share of each category, as :func:`kgrec.evaluate.lists.miscalibration` counts it."""
    from scipy.sparse import csr_array

    known, categories = item_categories(dataset), test_set.categories
    if known is None or categories is None or known[1].shape != categories.shape:
        return None
    column = dataset.items[known[0]]
    values = column.explode() if column.dtype.base_type() == pl.List else column
    labels = values.cast(pl.String).drop_nulls().unique().sort().to_list()

    def mean(rows: csr_array) -> NDArray[np.float64]:
        shares = category_shares(rows, categories)
        defined = shares[~np.isnan(shares).any(axis=1)]
        return defined.mean(axis=0) if len(defined) else np.full(shares.shape[1], np.nan)

    liked, hidden = mean(test_set.history), mean(test_set.truth)
    listed = {}
    for name, top in tops.items():
        rows, places = np.nonzero(top >= 0)
        listed[name] = mean(csr_array((np.ones(len(rows)), (rows, top[rows, places])), shape=test_set.truth.shape))
    order = np.argsort(-np.nan_to_num(liked), kind="stable")[:MOST_CATEGORIES]
    return {
        "attribute": known[0],
        "left_out": len(labels) - len(order),
        "labels": [labels[k] for k in order],
        "liked": liked[order].tolist(),
        "hidden_likes": hidden[order].tolist(),
        "systems": {name: shares[order].tolist() for name, shares in listed.items()},
    }
