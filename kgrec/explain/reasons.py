"""One plain, true sentence for each recommended item.

What the item owes most to is asked of the scorers themselves: those that split their scores exactly name the items of
the history that carried it. If the graph joins one of these to the item, the sentence tells the path that people find
most telling: a director says more than a country. Otherwise it names the strongest of them. What nothing of the history
carried is told as close to the user's words, as popular, or as new; no more is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import touched
from kgrec.explain.path_quality import entity_popularity, linking_recency
from kgrec.explain.wording import Wording
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.paths import Path, PathFinder
from kgrec.languages import DEFAULT
from kgrec.languages.language import get_language
from kgrec.plugin.domain import Domain
from kgrec.plugin.protocols import AdditiveScorer, Contribution, NewUserAdditiveScorer
from kgrec.text.profile import LIKED, liked, rating_scale, told_action
from kgrec.types import ItemIndices, ItemList, Reason, Triples

if TYPE_CHECKING:
    from kgrec.progress import Progress
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.recommend import Recommender
    from kgrec.ranking.users import UserRef

CARRIERS = 6
"""The path of a reason may start at one of the so many items of the history that carried the score most."""

STARTS = 16
"""The same for the paths of an explanation."""

PATHS = 6
"""Of the so many most informative paths the first whose entity has a readable name is told."""

NOISE = 0.2
"""What carried less than this share of what carried most is no reason."""

LEAST = 1e-6
"""What adds less than this to a score adds nothing."""

LEAST_SHARE = 0.1
"""Where the history carried less than this share of a score, other things are the reason."""

TELLING = 0.15
"""Of a path that tells people less than this, that the same people like both is said instead, where it is so."""

AGAIN = 0.6
"""How much a path is worth for an item below, by how often the list told it before."""

FEW = 3
"""People that make something popular, at least."""

OFTEN = 2
"""Items that at least so many people have in common are said to be liked by the same people."""


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


@dataclass(frozen=True, slots=True)
class Carried:
    """What carried the scores of a list, by kind.

    Attributes:
        items: of the history, positions at training, shape ``(h,)``.
        shares: what each adds to each listed item, 0 where it speaks against it, shape ``(n, h)``.
        words: what the user's own words add, shape ``(n,)``.
        popular: what popularity adds, shape ``(n,)``.
    """

    items: ItemIndices
    shares: NDArray[np.float64]
    words: NDArray[np.float64]
    popular: NDArray[np.float64]

    def best(self, row: int) -> tuple[ItemIndices, NDArray[np.float64]]:
        """Return the items that carried a listed one, what is only noise cut off, strongest first, and their shares."""
        shares = self.shares[row]
        total = shares.sum()
        if total < LEAST or total < LEAST_SHARE * (total + self.words[row] + self.popular[row]):
            return self.items[:0], shares[:0]
        order = np.argsort(-shares, kind="stable")[:CARRIERS]
        order = order[shares[order] >= NOISE * shares[order[0]]]
        return self.items[order], shares[order]


@dataclass(frozen=True, slots=True)
class _Shares:
    """What scorers add to the items of one list, gathered: by the items of the history that it comes from, and else."""

    merged: dict[bytes, tuple[NDArray[np.integer[Any]], NDArray[np.float64]]]
    """Most scorers split by the same items: these -> items, and shares of shape ``(n, h)``."""
    others: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, n: int) -> _Shares:
        return cls({}, {"text": np.zeros(n), "popularity": np.zeros(n)})

    def add(self, part: NDArray[np.float32], given: Sequence[Contribution]) -> None:
        """Spread a scorer's say in the fused score, ``part`` of shape ``(n,)``, over what speaks for each item."""
        pro = [np.maximum(one.values, 0) for one in given]
        total = sum((one.sum(axis=1, dtype=np.float64) for one in pro), start=np.zeros(len(part)))
        say = np.divide(np.maximum(part, 0), total, out=np.zeros(len(part)), where=total > LEAST)
        for one, own in zip(given, pro, strict=True):
            if one.kind == "item":
                key = one.sources.tobytes()
                _, before = self.merged.get(key, (one.sources, 0.0))
                self.merged[key] = one.sources, before + own * say[:, None]
            elif one.kind in self.others:
                self.others[one.kind] += own.sum(axis=1) * say

    def carried(self, user: UserRef) -> Carried:
        """Return the shares by item of the history."""
        every = [sources for sources, _ in self.merged.values()]
        items = np.unique(np.concatenate([np.zeros(0), *every]).astype(np.int64))
        n = len(self.others["text"])
        shares = np.zeros((n, len(items)))
        for sources, values in self.merged.values():
            np.add.at(shares.T, np.searchsorted(items, sources), values.T)
        if user.position is None and not shares.any():
            items = user.profile.items
            shares = np.tile(np.maximum(user.profile.weights, 0).astype(np.float64), (n, 1))
        return Carried(items, shares, self.others["text"], self.others["popularity"])


class Explainer:
    """Finds the reasons; the path index is built once.

    Args:
        dataset: the tables.
        graph: the knowledge graph.
        domain: says how telling a relation is, and its words.
        ranker: whose scores are explained.
        language: its code; by default that of the catalogue.
        families: scorer -> what it goes by, see :class:`kgrec.plugin.spec.Spec`.
    """

    def __init__(
        self,
        dataset: Dataset,
        graph: KnowledgeGraph,
        domain: Domain,
        ranker: Ranker,
        *,
        language: str | None = None,
        families: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.families = families
        self.dataset = dataset
        self.graph = graph
        self.ranker = ranker
        self._domain, self._language = domain, language or dataset.language or DEFAULT
        self._others: dict[str, Explainer] = {}
        self.wording = Wording(graph, domain, self._language, dataset.language)
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
            found.wording = Wording(self.graph, self._domain, get_language(language).code, self.dataset.language)
            self._others[language] = found
        return self._others[language]

    @cached_property
    def _triples(self) -> Triples:
        return self.graph.triples()

    @cached_property
    def finder(self) -> PathFinder:
        """The paths of the graph, those first that people find telling; built when first asked for."""
        triples = self._triples
        telling = np.array([max(self.wording.salience(name), 0.01) for name in triples.relation_names])
        weights = triples.weights * np.sqrt(telling[triples.relations] * self._billing())
        return PathFinder(replace(triples, weights=weights.astype(np.float32)))

    def _billing(self) -> NDArray[np.float64]:
        """Return how much of an edge's weight its place in a cast leaves, by edge of the triples, shape ``(t,)``."""
        triples = self._triples
        billed = [k for k, name in enumerate(triples.relation_names) if name in self.wording.billed]
        kept = np.ones(len(triples))
        if not billed:
            return kept
        edges = self.graph.edges.with_row_index("row").filter(pl.col("relation").is_in(billed))
        edges = edges.group_by("head", "relation", "tail").agg(pl.col("row").min())
        place = edges.select(pl.col("row").rank("ordinal").over("head", "relation") - 1).to_series().to_numpy()
        numbers = self.graph.training_nodes
        size = triples.n_nodes
        ends = (numbers[edges["head"].to_numpy()], numbers[edges["tail"].to_numpy()])
        relations = edges["relation"].to_numpy().astype(np.int64)
        keys = (relations * size + ends[0]) * size + ends[1]
        order = np.argsort(keys)
        own = (triples.relations * size + triples.heads) * size + triples.tails
        at = np.minimum(np.searchsorted(keys[order], own), max(len(keys) - 1, 0))
        hit = keys[order][at] == own if len(keys) else np.zeros(len(own), dtype=np.bool_)
        kept[hit] = 1 / (1 + place[order][at[hit]] / 2)
        return kept

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
        return self.reasons_many([found], [user])[0]

    def reasons_many(self, lists: Sequence[ItemList], users: Sequence[UserRef]) -> list[tuple[Reason, ...]]:
        """Return the reasons of many lists; see :meth:`reasons`.

        Args:
            lists: items numbered as at training.
            users: whose lists they are, one each.
        """
        carried = self._carried(lists, users)
        best = [part.best(row) for part, found in zip(carried, lists, strict=True) for row in range(len(found))]
        starts = self.to_dataset[np.concatenate([items for items, _ in best] or [np.zeros(0, np.int64)])]
        shares = np.concatenate([own / own[0] if len(own) else own for _, own in best] or [np.zeros(0)])
        owners = np.repeat(np.arange(len(best)), [len(items) for items, _ in best])
        ends = self.to_dataset[np.concatenate([found.items for found in lists] or [np.zeros(0, np.int64)])]
        there = (starts >= 0) & (ends[owners] >= 0) & (starts != ends[owners])
        starts, shares, owners = starts[there], shares[there], owners[there]
        paths = self.finder.among(starts, shares, owners, ends, PATHS)
        bounds = np.searchsorted(owners, np.arange(len(ends) + 1))
        told = self._told([user.row for user in users])
        reasons, at = [], 0
        for part, found, user in zip(carried, lists, users, strict=True):
            words = _List(self.wording, told.get(user.row, {}))
            own = []
            for row in range(len(found)):
                near = starts[bounds[at] : bounds[at + 1]]
                own.append(self._reason(words, part, row, (int(ends[at]), near, paths[at])))
                at += 1
            reasons.append(tuple(own))
        return reasons

    def _reason(self, words: _List, carried: Carried, row: int, found: tuple[int, ItemIndices, list[Path]]) -> Reason:
        """Word why one item is in a list; ``found``: its position in the dataset, what carried it, paths from there."""
        target, near, paths = found
        if not len(near):
            return self._impersonal(carried, row, target)
        path = words.telling(paths)
        if path is not None and self.wording.tells(path) >= TELLING:
            return words.path(path)
        source = int(near[0])
        if self._shared(source, target) >= OFTEN:
            return words.similar(source, shared=True)
        return words.path(path) if path is not None else words.similar(source, shared=False)

    def _impersonal(self, carried: Carried, row: int, target: int) -> Reason:
        count = int(self.liked_by[target]) if target >= 0 else 0
        if carried.words[row] > max(LEAST, carried.popular[row]):
            return self.wording.described()
        if not count:
            return self.wording.new()
        return self.wording.popular(count) if count >= self._usual else self.wording.unknown()

    @cached_property
    def _additive(self) -> dict[str, tuple[AdditiveScorer | None, NewUserAdditiveScorer | None]]:
        """Scorers that split their scores, by name: of users at training, of people who came later."""
        return {
            name: (
                one if isinstance(one, AdditiveScorer) else None,
                one if isinstance(one, NewUserAdditiveScorer) else None,
            )
            for name, one in self.ranker.scorers.items()
        }

    def _carried(self, lists: Sequence[ItemList], users: Sequence[UserRef]) -> list[Carried]:
        """Return what carried the items of lists.

        Shares are those of the additive scorers, scaled as in the fused score. Where no scorer can split what somebody
        gets who was not there at training, every liked item counts by its weight. One scorer after the other is asked
        about all lists: what it needs then stays in the processor's caches.
        """
        found = [_Shares.of(len(one)) for one in lists]
        for name in dict.fromkeys(name for one in lists for name in one.parts):
            old, new = self._additive.get(name, (None, None))  # what the second stage adds is no scorer's
            for one, user, shares in zip(lists, users, found, strict=True):
                if name not in one.parts:
                    continue
                if user.position is not None and old is not None:
                    shares.add(one.parts[name], old.contributions(user.position, one.items))
                elif user.position is None and new is not None:
                    shares.add(one.parts[name], new.contributions_new(user.profile, one.items))
        return [shares.carried(user) for shares, user in zip(found, users, strict=True)]

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """How well connected every node is, items and entities apart, by training number, shape ``(n_nodes,)``."""
        triples = self._triples
        degrees = np.bincount(np.concatenate([triples.heads, triples.tails]), minlength=triples.n_nodes)
        kinds = (degrees[: triples.n_items], degrees[triples.n_items :])
        return np.concatenate([entity_popularity(of_kind) for of_kind in kinds])

    def interactions(self, user: UserRef) -> pl.DataFrame:
        """Return what a user did with items; searches and mere impressions are left out."""
        return self._of_user(user.row)

    def _of_user(self, row: int) -> pl.DataFrame:
        if self._whose != row:  # one explanation asks several times
            self._theirs = touched(self.dataset.interactions.filter(pl.col("user") == row))
            self._whose = row
        return self._theirs

    @cached_property
    def _scale(self) -> tuple[float, float]:
        return rating_scale(self.dataset.interactions)

    def _told(self, rows: Sequence[int]) -> dict[int, dict[int, str]]:
        """Return how the strongest action of users on each item of their histories is told: user -> item -> action."""
        wanted = sorted({row for row in rows if row >= 0})
        if not wanted:
            return {}
        if len(wanted) == 1:
            theirs = self._of_user(wanted[0])
        else:
            whose = pl.Series(wanted, dtype=pl.UInt32)
            theirs = touched(self.dataset.interactions.filter(pl.col("user").is_in(whose.implode())))
        order = pl.col("action").replace_strict(self.wording.action_order, default=0)
        rated = liked(pl.col("action"), pl.col("value"), self._scale)
        last = theirs.select("user", "item", "action", rated, order=order).sort("order", maintain_order=True)
        last = last.unique(["user", "item"], keep="last", maintain_order=True)
        found: dict[int, dict[int, str]] = {}
        for user, item, action, value in last.select("user", "item", "action", "liked").iter_rows():
            found.setdefault(user, {})[item] = told_action(action, value)
        return found

    def actions(self, user: UserRef) -> dict[int, str]:
        """Return how the user's strongest action on each item of the history is told, by position in the dataset."""
        return self._told([user.row]).get(user.row, {})

    @cached_property
    def _liked(self) -> pl.DataFrame:
        """What users chose, and did not rate badly: ``user`` and ``item``, each pair once."""
        rows = touched(self.dataset.interactions)
        rated = liked(pl.col("action"), pl.col("value"), self._scale)
        return rows.filter((rated >= LIKED).fill_null(True)).select("user", "item").unique()

    @cached_property
    def liked_by(self) -> NDArray[np.int64]:
        """How many people chose each item and did not rate it badly, shape ``(n_items,)`` of the dataset."""
        return np.bincount(self._liked["item"].to_numpy(), minlength=self.dataset.n_items).astype(np.int64)

    @cached_property
    def _usual(self) -> float:
        """What counts as popular: more people than three of four items that anybody chose have."""
        known = self.liked_by[self.liked_by > 0]
        return max(float(np.quantile(known, 0.75)) if len(known) else 0.0, FEW)

    @cached_property
    def _fans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self._liked.sort("item", "user")
        bounds = np.searchsorted(rows["item"].to_numpy(), np.arange(self.dataset.n_items + 1))
        return bounds, rows["user"].to_numpy()

    def _shared(self, first: int, second: int) -> int:
        """Count the users who chose both items, given by position in the dataset."""
        bounds, users = self._fans
        own, other = (users[bounds[item] : bounds[item + 1]] for item in (first, second))
        return len(np.intersect1d(own, other, assume_unique=True))

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
        found = self.finder.routes(history, strength, target, 2 * k, bridged=bridged)
        found = [path for path in found if all(map(self.wording.named, path.nodes))][:k]  # no name tells nothing
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
        stops = [Stop(str(row["kind"]), str(row["key"]), self.wording.name(row)) for row in rows]
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


class _List:
    """Words the reasons of one list, so that they vary: what was told counts less for the items below."""

    def __init__(self, wording: Wording, told: dict[int, str]) -> None:
        self._wording, self._told = wording, told
        self._said: Counter[int] = Counter()
        self._relations: Counter[str] = Counter()

    def telling(self, paths: Sequence[Path]) -> Path | None:
        """Return the path to tell: informative, telling, and not told before; None where none has names."""
        best, most, said = None, 0.0, self._said
        for path in paths:
            if path.weight > most and self._wording.tells(path) > 0:  # what was told makes it worth less, never more
                worth = path.weight * AGAIN ** (said[path.nodes[1]] + said[path.nodes[0]] / 2)
                if worth > most:
                    best, most = path, worth
        return best

    def path(self, path: Path) -> Reason:
        """Word a path."""
        turn = self._relations[path.relations[-1]]
        self._relations[path.relations[-1]] += 1
        self._said.update(set(path.nodes[:2]))
        return self._wording.path(path, self._told.get(path.nodes[0]), turn)

    def similar(self, source: int, *, shared: bool) -> Reason:
        """Word that an item of the history is close."""
        self._said[source] += 1
        return self._wording.similar(source, self._told.get(source), shared=shared)


def with_reasons(
    explainer: Explainer, recommender: Recommender, lists: pl.DataFrame, progress: Progress
) -> pl.DataFrame:
    """Add why each item stands in its list: a column ``reason``.

    Args:
        explainer: words the reasons.
        recommender: that made the lists.
        lists: of :meth:`kgrec.ranking.recommend.Recommender.recommend_many`.
        progress: told where it is.
    """
    told: list[str] = []
    with progress.task("explaining", total=lists.height) as task:
        for found, users in recommender.lists_of(lists):
            told += [reason.sentence for own in explainer.reasons_many(found, users) for reason in own]
            task.advance(sum(map(len, found)))
    return lists.with_columns(reason=pl.Series(told, dtype=pl.String))
