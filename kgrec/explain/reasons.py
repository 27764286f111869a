"""One plain, true sentence for each recommended item.

What the item owes most to is asked of the scorers themselves: those that split their scores exactly name the items of
the history that carried it. If the graph joins one of these to the item, the sentence tells the path; otherwise it
names the strongest of them. Somebody without history is told what is close to their words, or else what is popular.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import touched
from kgrec.explain.wording import Wording
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.paths import Path, PathFinder
from kgrec.plugin.additive import NewUserAdditiveScorer
from kgrec.plugin.domain import Domain
from kgrec.plugin.protocols import AdditiveScorer, Contribution
from kgrec.types import ItemIndices, ItemList, Profile, Reason, Triples, UserIndices

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker

CARRIERS = 8
"""A path may start at one of the so many items of the history that carried the score most."""


PATHS = 8
"""Of the so many most informative paths the first whose entity has a readable name is told."""

OFTEN = 2
"""Items that at least so many people have in common are said to be liked by the same people."""


class Explainer:
    """Finds the reasons; the path index is built once."""

    def __init__(
        self, dataset: Dataset, graph: KnowledgeGraph, domain: Domain, ranker: Ranker, *, language: str = "en"
    ) -> None:
        self.dataset = dataset
        self.graph = graph
        self.ranker = ranker
        self.wording = Wording(graph, domain, language)
        self._whose: str | None = None
        self._theirs = pl.DataFrame()

    @cached_property
    def _triples(self) -> Triples:
        return self.graph.triples()

    @cached_property
    def finder(self) -> PathFinder:
        """The paths of the graph; built when first asked for."""
        return PathFinder(self._triples)

    @cached_property
    def to_dataset(self) -> NDArray[np.int64]:
        """Position at training -> position in the dataset, -1 for an item that is gone; shape ``(n_items,)``."""
        ids = self.dataset.items["item_id"].to_list()
        known = {key: k for k, key in enumerate(ids)}
        return np.array([known.get(key, -1) for key in self.ranker.item_ids], dtype=np.int64)

    def reasons(self, found: ItemList, *, user: UserIndices | None, profile: Profile) -> tuple[Reason, ...]:
        """Return one reason an item of ``found``.

        Args:
            found: the list, items numbered as at training.
            user: the user's position, shape ``(1,)``, or None when ``profile`` was scored.
            profile: who else was scored.
        """
        carried = self._carried(found, user, profile)
        actions = self.actions(found.user_id)
        described = profile.text_vector is not None
        return tuple(self._reason(int(item), carried[k], actions, described) for k, item in enumerate(found.items))

    def _carried(self, found: ItemList, user: UserIndices | None, profile: Profile) -> NDArray[np.float64]:
        """Return how much each item of the history carried each listed item, shape ``(n, n_items)``.

        Shares are those of the additive scorers, scaled as in the fused score. Where no scorer can split what somebody
        gets who was not there at training, every liked item counts by its weight.
        """
        shares = np.zeros((len(found), len(self.ranker.item_ids)))
        for name, part in found.parts.items():
            scorer = self.ranker.scorers.get(name)  # what the second stage adds is no scorer's
            if user is not None and isinstance(scorer, AdditiveScorer):
                self._add(shares, scorer.contributions(int(user[0]), found.items), found.items, part)
            elif user is None and isinstance(scorer, NewUserAdditiveScorer):
                self._add(shares, scorer.contributions_new(profile, found.items), found.items, part)
        if user is None and not shares.any():
            shares[:, profile.items] = profile.weights
        return shares

    @staticmethod
    def _add(
        shares: NDArray[np.float64],
        contributions: list[Contribution],
        items: ItemIndices,
        part: NDArray[np.float32],
    ) -> None:
        place = {int(item): k for k, item in enumerate(items)}
        own = [c for c in contributions if c.kind == "item" and c.value > 0]
        if not own:
            return
        rows = np.array([place[c.item] for c in own])
        values = np.array([c.value for c in own], dtype=np.float64)
        totals = np.bincount(rows, weights=values, minlength=len(items))
        # A scorer's say in the fused score is spread over what caused it.
        scaled = values / totals[rows] * np.maximum(part[rows], 0)
        np.add.at(shares, (rows, np.array([c.source for c in own])), scaled)

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """How well connected every node is, by training number; see :func:`kgrec.explain.paths.popularity`."""
        from kgrec.explain.paths import popularity

        triples = self._triples
        return popularity(triples.n_nodes, triples.n_items, np.concatenate([triples.heads, triples.tails]))

    def interactions(self, user_id: str) -> pl.DataFrame:
        """Return what a user did with items; searches and mere impressions are left out."""
        if self._whose != user_id:  # one explanation asks several times
            position = int(self.dataset.user_positions([user_id])[0])
            self._theirs = touched(self.dataset.interactions.filter(pl.col("user") == position))
            self._whose = user_id
        return self._theirs

    def actions(self, user_id: str) -> dict[int, str]:
        """Return the strongest action of the user on each item of the history, by position in the dataset."""
        if not user_id:
            return {}
        rows = self.interactions(user_id)
        ranked = rows.with_columns(order=pl.col("action").replace_strict(self.wording.action_order, default=0))
        last = ranked.sort("order").group_by("item", maintain_order=True).agg(pl.col("action").last())
        return dict(zip(last["item"].to_list(), last["action"].to_list(), strict=True))

    def _reason(self, item: int, shares: NDArray[np.float64], actions: dict[int, str], described: bool) -> Reason:
        carriers = np.argsort(-shares, kind="stable")[:CARRIERS]
        carriers = carriers[shares[carriers] > 0]
        target = int(self.to_dataset[item])
        sources = self.to_dataset[carriers]
        known = sources >= 0
        sources, strength = sources[known], shares[carriers][known]
        if not len(sources):
            if described:
                return self.wording.described()
            return self.wording.popular(target)
        paths: list[Path] = self.finder.best(sources, strength, np.array([target]), k=PATHS)[0]
        if paths:
            # A name tells more than "they have something in common".
            path = next((p for p in paths if self.wording.named(p)), paths[0])
            return self.wording.path(path, actions.get(path.nodes[0]))
        source = int(sources[0])
        return self.wording.similar(source, actions.get(source), shared=self._shared(source, target) >= OFTEN)

    def _shared(self, first: int, second: int) -> int:
        """Count the users who interacted with both items, given by position in the dataset."""
        rows = self.dataset.interactions
        users = (rows.filter(pl.col("item") == item)["user"].unique() for item in (first, second))
        return len(set(next(users)) & set(next(users)))
