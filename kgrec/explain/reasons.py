"""One plain, true sentence for each recommended item.

What the item owes most to is asked of the scorers themselves: those that split their scores exactly name the items of
the history that carried it. If the graph joins one of these to the item, the sentence tells the path; otherwise it
names the strongest of them. Somebody without history is told what is close to their words, or else what is popular.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
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
from kgrec.languages import DEFAULT
from kgrec.languages.language import get_language
from kgrec.plugin.domain import Domain
from kgrec.plugin.protocols import AdditiveScorer, Contribution, NewUserAdditiveScorer
from kgrec.types import ItemIndices, ItemList, Reason, Triples

if TYPE_CHECKING:
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.users import UserRef

CARRIERS = 8
"""The path of a reason may start at one of the so many items of the history that carried the score most."""

STARTS = 16
"""The same for the paths of an explanation."""

PATHS = 8
"""Of the so many most informative paths the first whose entity has a readable name is told."""

OFTEN = 2
"""Items that at least so many people have in common are said to be liked by the same people."""

BETA = 0.3
"""Weight of the newest value in the moving averages."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A node of a path: ``kind`` is user, item or entity, ``id`` its key in the graph."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """A relation of a path; ``label`` reads in the direction of the path, ``forward`` says how it is stated."""

    name: str
    label: str
    forward: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A path from the user over an item of the history to the item.

    Attributes:
        nodes: user, item of the history, entities, item.
        relations: between them, one fewer than ``nodes``.
        weight: contribution of the item of the history, times how informative and fresh; the best come first.
        contribution: what the item of the history adds to the fused score.
        recency: how recently the user turned to the item of the history, 1 the latest, in ``[0, 1]``.
        popularity: how well connected the rarest entity is, 1 the best of the graph, in ``[0, 1]``; None without one.
    """

    nodes: tuple[Stop, ...]
    relations: tuple[Step, ...]
    weight: float
    contribution: float
    recency: float | None = None
    popularity: float | None = None

    def told(self) -> str:
        """Return the path in one line."""
        steps = zip(self.relations, self.nodes[1:], strict=True)
        return " ".join([self.nodes[0].label, *(f"–{step.label}→ {node.label}" for step, node in steps)])


class Explainer:
    """Finds the reasons; the path index is built once."""

    def __init__(
        self, dataset: Dataset, graph: KnowledgeGraph, domain: Domain, ranker: Ranker, *, language: str = DEFAULT
    ) -> None:
        self.dataset = dataset
        self.graph = graph
        self.ranker = ranker
        self.wording = Wording(graph, domain, language)
        self._domain, self._language, self._others = domain, language, dict[str, Explainer]()
        self._whose: int | None = None
        self._theirs = pl.DataFrame()

    def speaking(self, language: str | None) -> Explainer:
        """Return this explainer in another language, None: its own; what it knows is shared.

        Raises:
            NotFoundError: there is no such language.
        """
        if language is None or language == self._language:
            return self
        if language not in self._others:
            found = copy(self)
            found.wording = Wording(self.graph, self._domain, get_language(language).code)
            self._others[language] = found
        return self._others[language]

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

    def reasons(self, found: ItemList, user: UserRef) -> tuple[Reason, ...]:
        """Return one reason an item of ``found``.

        Args:
            found: the list, items numbered as at training.
            user: whose list it is.
        """
        carried = self._carried(found, user)
        actions = self.actions(user)
        described = user.profile.text_vector is not None
        return tuple(self._reason(int(item), carried[k], actions, described) for k, item in enumerate(found.items))

    def _carried(self, found: ItemList, user: UserRef) -> NDArray[np.float64]:
        """Return how much each item of the history carried each listed item, shape ``(n, n_items)``.

        Shares are those of the additive scorers, scaled as in the fused score. Where no scorer can split what somebody
        gets who was not there at training, every liked item counts by its weight.
        """
        shares = np.zeros((len(found), len(self.ranker.item_ids)))
        for name, part in found.parts.items():
            scorer = self.ranker.scorers.get(name)  # what the second stage adds is no scorer's
            if user.position is not None and isinstance(scorer, AdditiveScorer):
                self._add(shares, scorer.contributions(user.position, found.items), found.items, part)
            elif user.position is None and isinstance(scorer, NewUserAdditiveScorer):
                self._add(shares, scorer.contributions_new(user.profile, found.items), found.items, part)
        if user.position is None and not shares.any():
            shares[:, user.profile.items] = user.profile.weights
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
        """How well connected every node is, items and entities apart, by training number, shape ``(n_nodes,)``."""
        triples = self._triples
        degrees = np.bincount(np.concatenate([triples.heads, triples.tails]), minlength=triples.n_nodes)
        kinds = (degrees[: triples.n_items], degrees[triples.n_items :])
        return np.concatenate([entity_popularity(of_kind) for of_kind in kinds])

    def interactions(self, user: UserRef) -> pl.DataFrame:
        """Return what a user did with items; searches and mere impressions are left out."""
        if self._whose != user.row:  # one explanation asks several times
            self._theirs = touched(self.dataset.interactions.filter(pl.col("user") == user.row))
            self._whose = user.row
        return self._theirs

    def actions(self, user: UserRef) -> dict[int, str]:
        """Return the strongest action of the user on each item of the history, by position in the dataset."""
        if user.row < 0:
            return {}
        rows = self.interactions(user)
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

    def routes(
        self, user: UserRef, item: int, carried: NDArray[np.float64], k: int, *, bridged: bool = True
    ) -> list[Route]:
        """Return the best paths from a user to an item.

        A path weighs what :meth:`kgrec.graph.paths.PathFinder.routes` gives it, where an item of the history counts as
        much as it contributed, times ``(1 + recency) / 2``.

        Args:
            user: the user.
            item: position at training.
            carried: what each item of the history contributed, shape ``(n_items,)``; only positive ones start a path.
            k: paths at most.
            bridged: also look for paths over two entities.
        """
        starts = np.argsort(-carried, kind="stable")[:STARTS]
        starts = starts[(carried[starts] > 0) & (self.to_dataset[starts] >= 0)]
        target = int(self.to_dataset[item])
        if target < 0 or not len(starts):
            return []
        history = self.to_dataset[starts]
        recency = self._recency(user, history)
        strength = carried[starts] * (1 + np.nan_to_num(recency, nan=1.0)) / 2
        found = self.finder.routes(history, strength, target, k, bridged=bridged)
        place = {int(node): row for row, node in enumerate(history)}
        top = float(strength.max())
        routes = []
        for path in found:
            row = place[path.nodes[0]]
            fresh = None if np.isnan(recency[row]) else float(recency[row])
            routes.append(self._route(user, path, path.weight * top, float(carried[starts[row]]), fresh))
        return routes

    def _route(self, user: UserRef, path: Path, weight: float, contribution: float, recency: float | None) -> Route:
        rows = [self.wording.node(number) for number in path.nodes]
        stops = [Stop(str(row["kind"]), str(row["key"]), str(row["label"])) for row in rows]
        pairs = zip(path.relations, path.forward, strict=True)
        steps = [Step(name, self.wording.label(name, forward), forward) for name, forward in pairs]
        action = self.actions(user).get(path.nodes[0])
        first = Step(action or "like", self.wording.verb(action), True)
        known = [float(self.popularity[node]) for node in path.nodes[1:-1]]
        nodes = (Stop("user", user.user_id, user.user_id), *stops)
        return Route(nodes, (first, *steps), weight, contribution, recency, min(known) if known else None)

    def _recency(self, user: UserRef, items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the recency of the user's interactions with ``items``, NaN where times are not known."""
        rows = self.interactions(user).filter(pl.col("time").is_not_null())
        last = rows.group_by("item").agg(pl.col("time").max()).sort("item")
        if last.is_empty():
            return np.full(len(items), np.nan)
        known = last["item"].to_numpy().astype(np.int64)
        fresh = linking_recency(last["time"].to_numpy())
        at = np.minimum(np.searchsorted(known, items), len(known) - 1)
        return np.where(known[at] == items, fresh[at], np.nan)


# How good paths are. Balloccu, Boratto, Fenu, Marras: *Post Processing Recommender Systems with Knowledge Graphs for
# Recency, Popularity, and Diversity of Explanations*, SIGIR 2022; the figures of the hopwise library. All lie in
# [0, 1], higher is better.


def linking_recency(times: NDArray[np.integer], *, beta: float = BETA) -> NDArray[np.float64]:
    """Return how recent each interaction of a user is (LIR).

    Over the interactions in the order of time ``LIR_i = (1 - beta) LIR_{i-1} + beta t_i``, scaled to ``[0, 1]``.

    Args:
        times: unix seconds, shape ``(e,)``, in any order.
        beta: weight of the newest.

    Returns:
        Shape ``(e,)``, in the order given; 1 throughout where all times are equal.
    """
    return _smoothed(np.asarray(times, dtype=np.float64), beta)


def entity_popularity(degrees: NDArray[np.integer], *, beta: float = BETA) -> NDArray[np.float64]:
    """Return how well known each entity is (SEP): the moving average of the degrees in rising order, in ``[0, 1]``.

    Args:
        degrees: edges of each entity of one kind, shape ``(n,)``.
        beta: weight of the next.
    """
    return _smoothed(np.asarray(degrees, dtype=np.float64), beta)


def _smoothed(values: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    from scipy.signal import lfilter

    if not len(values):
        return values
    distinct, place = np.unique(values, return_inverse=True)
    span = distinct[-1] - distinct[0]
    if not span:
        return np.ones(len(values))
    scaled = (distinct - distinct[0]) / span
    average = lfilter([beta], [1.0, beta - 1.0], scaled, zi=np.zeros(1))[0]  # starts from the first, which is 0
    return np.asarray((average / average[-1])[place], dtype=np.float64)


def fidelity(explained: Sequence[bool]) -> float:
    """Return the share of recommended items that have a path; NaN without items."""
    return float(np.mean(explained)) if len(explained) else float("nan")


def type_diversity(kinds: Collection[tuple[str, ...]]) -> float:
    """Return the number of distinct path types over the number of paths (PTD); NaN without paths.

    Args:
        kinds: the relations of the path shown for each item of a list.
    """
    return len(set(kinds)) / len(kinds) if kinds else float("nan")
