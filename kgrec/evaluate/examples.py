"""A few lists of an evaluation with the reason for each item, so that figures can be held against what people see."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.evaluate.ablation import MakeExamples
from kgrec.evaluate.lists_record import Example, ExampleItem
from kgrec.evaluate.test_set import TestSet
from kgrec.explain.reasons import Explainer
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.plugin.domain import Domain
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.users import UserRef
from kgrec.types import ItemList, Profile

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
    parts = ranker.parts(user)
    fused = ranker.fused(parts, user)[0]
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
