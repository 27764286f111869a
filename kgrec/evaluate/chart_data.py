"""What is drawn of an evaluation: how much is known of users and items, who gets the places of lists, categories."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.item_features import item_categories
from kgrec.evaluate.ablation import MakeExamples
from kgrec.evaluate.groups import popularity_bands
from kgrec.evaluate.lists_record import (
    Band,
    CategoryShares,
    ChartData,
    Counts,
    Distribution,
    Example,
    ExampleItem,
    LearningCurve,
)
from kgrec.evaluate.metrics import category_shares
from kgrec.evaluate.test_set import Round, TestSet
from kgrec.explain.reasons import Explainer
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.plugin.domain import Domain
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.users import UserRef
from kgrec.types import ItemList, Profile

if TYPE_CHECKING:
    from scipy.sparse import csr_array

POINTS = 60
"""Points of a curve."""

MOST_CATEGORIES = 15
"""Categories that are shown, those that are liked most."""


def distribution(matrix: csr_array) -> Distribution:
    """Return how much is known of users and items.

    Args:
        matrix: likes that the systems may learn from, CSR of shape ``(n_users, n_items)``.
    """
    by_user = np.diff(matrix.indptr).astype(np.int64)
    by_item = np.bincount(matrix.indices, minlength=matrix.shape[1])
    ordered = np.sort(by_item)[::-1]
    places = _spread(len(ordered))
    total = max(int(ordered.sum()), 1)
    return Distribution(
        users=_counted(by_user),
        items=_counted(by_item),
        density=matrix.nnz / max(matrix.shape[0] * matrix.shape[1], 1),
        popularity=tuple((int(place) + 1, int(ordered[place])) for place in places),
        top_share=float(ordered[: max(1, len(ordered) // 10)].sum() / total),
    )


def _counted(counts: NDArray[np.int64]) -> Counts:
    some = counts[counts > 0]
    most = int(counts.max(initial=0))
    edges = 2 ** np.arange(most.bit_length() + 1)
    binned = np.histogram(some, bins=edges)[0] if len(edges) > 1 else np.zeros(0, dtype=np.int64)
    return Counts(
        none=int((counts == 0).sum()),
        median=float(np.median(counts)) if len(counts) else float("nan"),
        most=most,
        edges=tuple(edges.tolist()),
        counts=tuple(binned.tolist()),
    )


def _spread(n: int) -> NDArray[np.int64]:
    """Return at most :data:`POINTS` of ``n`` positions, dense at the beginning."""
    return np.unique(np.geomspace(1, max(n, 1), POINTS).round().astype(np.int64) - 1) if n else np.zeros(0, np.int64)


def fingerprint(rounds: Sequence[Round]) -> str:
    """Return a hash of the users and of all right answers: runs with the same one are compared user by user.

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


def chart_data(rounds: Sequence[Round], dataset: Dataset) -> ChartData:
    """Return what is drawn of the lists, from the first round; empty where nothing was judged."""
    first = rounds[0]
    tops = {j.name: j.result.top for j in first.judged if j.result}
    if not tops:
        return ChartData()
    return ChartData(
        bands=_bands(first.test_set, tops),
        handed_out={name: _lorenz(top, first.test_set) for name, top in tops.items()},
        categories=_categories(first.test_set, tops, dataset),
        learning=tuple(
            LearningCurve(seed=found.seed, scorer=name, points=tuple(curve))
            for found in rounds
            for name, curve in found.judged[0].curves.items()
        ),
        examples=tuple(first.judged[0].examples),
    )


def _bands(test_set: TestSet, tops: dict[str, NDArray[np.int64]]) -> tuple[Band, ...]:
    every = np.ones(test_set.truth.shape[1], dtype=np.bool_) if test_set.candidates is None else test_set.candidates
    return tuple(
        Band(
            name=name,
            items=_share(mask[every]),
            hidden_likes=_share(mask[test_set.truth.indices]),
            systems={system: _share(mask[top[top >= 0]]) for system, top in tops.items()},
        )
        for name, mask in popularity_bands(test_set.popularity).items()
        if (mask & every).any()
    )


def _share(marked: NDArray[np.bool_]) -> float:
    return float(marked.mean()) if len(marked) else float("nan")


def _lorenz(top: NDArray[np.int64], test_set: TestSet) -> tuple[tuple[float, float], ...]:
    """Return the Lorenz curve of the places: ``(share of items, least shown first, share of places)``."""
    shown = np.sort(np.bincount(top[top >= 0], minlength=test_set.n_candidates))[-test_set.n_candidates :]
    total = max(int(shown.sum()), 1)
    part = np.concatenate([[0], np.cumsum(shown)]) / total
    at = np.unique(np.linspace(0, len(shown), 41).round().astype(np.int64))
    return tuple((round(float(k / max(len(shown), 1)), 4), round(float(part[k]), 5)) for k in at)


def _categories(test_set: TestSet, tops: dict[str, NDArray[np.int64]], dataset: Dataset) -> CategoryShares | None:
    """Return the mean share of each category, as :func:`kgrec.evaluate.metrics.miscalibration` counts it."""
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
    return CategoryShares(
        attribute=known[0],
        left_out=len(labels) - len(order),
        labels=tuple(labels[k] for k in order),
        liked=tuple(liked[order].tolist()),
        hidden_likes=tuple(hidden[order].tolist()),
        systems={name: tuple(shares[order].tolist()) for name, shares in listed.items()},
    )


SHOWN = 10
"""Items of a list that are shown."""

HISTORY = 8
"""Likes of a user that are named, the latest."""


def example_maker(graph: KnowledgeGraph, domain: Domain, config: Config, n: int) -> MakeExamples | None:
    """Return what makes ``n`` examples of an evaluation; None where none are wanted.

    The users are drawn at random, not chosen; what is told of them is the fit part's, the hidden likes mark the hits.

    Args:
        graph: joins items by paths.
        domain: words the reasons.
        config: its seed draws the users, its language is that of the reasons.
        n: users.
    """
    if n < 1:
        return None

    def made(dataset: Dataset, ranker: Ranker, test_set: TestSet, top: NDArray[np.int64]) -> list[Example]:
        words = Explainer(dataset, graph, domain, ranker, language=config.recommend.language)
        rng = np.random.default_rng([config.seed, 31])
        rows = np.sort(rng.choice(len(test_set.users), size=min(n, len(test_set.users)), replace=False))
        return [_example(dataset, ranker, test_set, top[row], int(row), words) for row in rows]

    return made


def _example(
    dataset: Dataset, ranker: Ranker, test_set: TestSet, top: NDArray[np.int64], row: int, words: Explainer
) -> Example:
    user = test_set.users[[row]].astype(np.int64)
    items = top[top >= 0][:SHOWN]
    user_id = str(ranker.user_ids[int(user[0])])
    parts, (fused,) = ranker.split(user)
    found = ItemList(
        user_id,
        tuple(str(ranker.item_ids[item]) for item in items),
        items,
        fused[items],
        {name: part[0, items] for name, part in parts.items()},
    )
    history, truth = test_set.history[[row]], test_set.truth[[row]]
    profile = Profile(items=history.indices.astype(np.int64), weights=np.ones(history.nnz, dtype=np.float32))
    known = UserRef(user_id, int(user[0]), int(dataset.user_positions([user_id])[0]), profile, history)
    reasons = words.reasons(found, known)
    hits = np.isin(items, truth.indices)
    titles = _titles(dataset, items)
    return Example(
        user=user_id,
        likes=int(history.nnz),
        latest=tuple(_titles(dataset, _latest(dataset, int(user[0]), history.indices))),
        hidden=int(truth.nnz),
        items=tuple(
            ExampleItem(item_id=key, title=title, hit=bool(hit), reason=reason.sentence)
            for key, title, hit, reason in zip(found.item_ids, titles, hits, reasons, strict=True)
        ),
    )


def _latest(dataset: Dataset, user: int, liked: NDArray[Any]) -> NDArray[np.int64]:
    """Return the liked items that the user turned to last, latest first; rows are in the order of time."""
    rows = dataset.interactions.filter((pl.col("user") == user) & pl.col("item").is_not_null())["item"]
    rows = rows.filter(pl.Series(np.isin(rows.to_numpy(), liked))).unique(maintain_order=True)
    return rows.tail(HISTORY).reverse().to_numpy().astype(np.int64)


def _titles(dataset: Dataset, items: NDArray[np.int64]) -> list[str]:
    titles = dataset.items.select(pl.coalesce("title", "item_id"))["title"]
    return [str(title) for title in titles.gather(items).to_list()]
