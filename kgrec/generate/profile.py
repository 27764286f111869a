"""What a user is interested in, with the events that say so: entities of the graph, categories, terms, own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from kgrec.data.dataset import Dataset
from kgrec.generate.sanitize import plain, safe_name
from kgrec.generate.sentiment import polarity
from kgrec.graph.item_facts import item_entities
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS
from kgrec.plugin.generation import Evidence, Interest
from kgrec.text.profile import rating_scale, weighted_items
from kgrec.text.terms import TermIndex

CATEGORY_SHARE = 0.05
"""An entity that more than this share of the items have is a category."""

TOO_COMMON = 0.6
"""What more than this share of the items have tells nothing of a taste."""

EVIDENCE = 3
"""Events that are named for an interest."""

BLAME = 0.25
"""A touched item that the user's own comment blames counts so much."""

N_INTERESTS = 12


@dataclass(frozen=True, slots=True)
class Touched:
    """An item of a user's history: its position, the strongest action on it, its weight, when it was last touched."""

    item: int
    action: str
    weight: float
    time: int | None


@dataclass(frozen=True)
class InterestProfile:
    """A user's interests.

    Attributes:
        user_id: whose.
        interests: strongest first.
        history: touched items by position, strongest first.
        counts: key of an entity -> how many touched items have it.
        incidence: which touched item (row, in the order of ``history``) has which entity (column), CSC; or None.
        columns: key of an entity -> its column.
        own_words: description, comments and searches, newest first.
    """

    user_id: str
    interests: tuple[Interest, ...] = ()
    history: Mapping[int, Touched] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    own_words: tuple[str, ...] = ()
    incidence: csc_array | None = field(default=None, repr=False, compare=False)
    columns: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def touched_with(self, key: str) -> list[Touched]:
        """Return the touched items that have the entity of this key, strongest first."""
        column = self.columns.get(key)
        if self.incidence is None or column is None:
            return []
        start, end = self.incidence.indptr[column : column + 2]
        history = list(self.history.values())
        return [history[row] for row in sorted(self.incidence.indices[start:end].tolist())]


class Profiler:
    """Describes users; what all profiles share is made once.

    Args:
        dataset: the tables.
        graph: the knowledge graph.
        action_weights: how strongly each action counts; the built-in weights where it names none.
        rows: boolean, one an interaction: those that may be looked at; default: the training rows.
    """

    def __init__(
        self,
        dataset: Dataset,
        graph: KnowledgeGraph,
        *,
        action_weights: Mapping[str, float] = DEFAULT_ACTION_WEIGHTS,
        rows: pl.Series | None = None,
    ) -> None:
        self._dataset, self._graph = dataset, graph
        self._weights = {**DEFAULT_ACTION_WEIGHTS, **action_weights}
        allowed = dataset.interactions["split"] == "train" if rows is None else rows
        self._rows = dataset.interactions.filter(allowed)
        self._scale = rating_scale(self._rows)

    @cached_property
    def _titles(self) -> list[str]:
        return self._dataset.items.select(pl.coalesce("title", "item_id")).to_series().to_list()

    @cached_property
    def _entities(self) -> pl.DataFrame:
        """Items' entities: ``column``, ``node``, ``degree``, main ``relation``, ``key``, ``label``, ``share``."""
        pairs = item_entities(self._graph)
        linked = max(pairs["item"].n_unique(), 1)
        commonest = (
            pairs.group_by("node", "relation").len().sort(["node", "len", "relation"], descending=[False, True, False])
        )
        commonest = commonest.unique("node", keep="first", maintain_order=True).select("node", "relation")
        found = pairs.group_by("node").agg(pl.col("item").n_unique().alias("degree")).join(commonest, on="node")
        nodes = self._graph.nodes.with_row_index("node").select("node", "key", "label")
        found = found.join(nodes, on="node").sort("node").with_columns(share=pl.col("degree") / linked)
        return found.with_row_index("column")

    @cached_property
    def _matrix(self) -> csr_array:
        """Which items have which entity, CSR of shape ``(n_items, n_entities)``."""
        pairs = item_entities(self._graph).select("item", "node").unique()
        pairs = pairs.join(self._entities.select("node", "column"), on="node")
        entries = (np.ones(pairs.height, dtype=np.float64), (pairs["item"].to_numpy(), pairs["column"].to_numpy()))
        return csr_array(entries, shape=(self._dataset.n_items, self._entities.height))

    @cached_property
    def _columns(self) -> Mapping[str, int]:
        return dict(self._entities.select("key", "column").iter_rows())

    @cached_property
    def _idf(self) -> NDArray[np.float64]:
        return np.log((1 + self._dataset.n_items) / (1 + self._entities["degree"].to_numpy()))

    def profile(
        self, user: int, *, terms: TermIndex | None = None, limit: int = N_INTERESTS, evidence: bool = True
    ) -> InterestProfile:
        """Describe the user at position ``user``.

        Args:
            user: position in the vocabulary.
            terms: TF-IDF of the items' texts, for interests that are words; None leaves these out.
            limit: interests at most.
            evidence: name the events behind each interest.
        """
        mine = self._rows.filter(pl.col("user") == user)
        history = self._history(mine)
        touched = {t.item: t for t in history}
        said = _own_words(self._dataset, user, mine)
        user_id = str(self._dataset.users["user_id"][user])
        if not history:
            return InterestProfile(user_id, _words(mine)[:limit], {}, {}, said)
        items = np.array([t.item for t in history])
        weights = np.array([t.weight for t in history])
        found = [*self.shared(items, weights, terms=terms, limit=limit), *_words(mine)]
        found.sort(key=lambda interest: -interest.weight)
        if evidence:
            found = [self._with_evidence(interest, history, terms) for interest in found[:limit]]
        incidence = csc_array(self._matrix[items])
        keys, counts = self._entities["key"], np.diff(incidence.indptr)
        known = {str(keys[int(c)]): int(counts[c]) for c in np.flatnonzero(counts)}
        return InterestProfile(user_id, tuple(found[:limit]), touched, known, said, incidence, self._columns)

    def shared(
        self,
        items: NDArray[np.int64],
        weights: NDArray[np.float64],
        *,
        terms: TermIndex | None = None,
        limit: int = N_INTERESTS,
    ) -> list[Interest]:
        """Return what weighted items have in common, strongest first, without evidence.

        Args:
            items: positions, each once, shape ``(k,)``.
            weights: of each, shape ``(k,)``.
            terms: TF-IDF of the items' texts; None leaves words out.
            limit: entities and terms at most, each.
        """
        part = self._matrix[items]
        counts = np.asarray((part > 0).sum(axis=0)).ravel()
        scores = np.asarray(part.T @ weights).ravel() * self._idf
        scores[self._entities["share"].to_numpy() > TOO_COMMON] = 0.0
        found = [*self._of_entities(scores, counts, limit), *_of_terms(terms, items, weights, limit)]
        return sorted(found, key=lambda interest: -interest.weight)

    def _history(self, mine: pl.DataFrame) -> list[Touched]:
        if not mine["item"].count():
            return []
        strongest = (
            mine.drop_nulls("item")
            .with_columns(order=pl.col("action").replace_strict(self._weights, default=1.0, return_dtype=pl.Float64))
            .sort("order", descending=True, maintain_order=True)
            .group_by("item", maintain_order=True)
            .agg(pl.col("action").first(), pl.col("time").max())
        )
        weighted = weighted_items(mine, self._weights, self._scale).select("item", "weight")
        rows = strongest.join(weighted, on="item", maintain_order="left")
        comments = dict(
            mine.drop_nulls(["item", "text"]).group_by("item").agg(pl.col("text").str.join(" ")).iter_rows()
        )
        touched = [
            Touched(item, action, weight * (BLAME if item in comments and polarity(comments[item]) < 0 else 1.0), time)
            for item, action, time, weight in rows.select("item", "action", "time", "weight").iter_rows()
        ]
        return sorted(touched, key=lambda t: (-t.weight, t.item))

    def _of_entities(self, scores: NDArray[np.float64], counts: NDArray[np.int64], limit: int) -> list[Interest]:
        best = np.argsort(-scores, kind="stable")[: 2 * limit]
        total = float(scores.sum()) or 1.0
        found = []
        for column in best[scores[best] > 0]:
            row = self._entities.row(int(column), named=True)
            name = plain(str(row["label"]))
            if safe_name(name):
                kind = "category" if row["share"] > CATEGORY_SHARE else "entity"
                weight, count = float(scores[column]) / total, int(counts[column])
                found.append(Interest(kind, name, row["relation"], weight, count, key=row["key"]))  # type: ignore[arg-type]
        return found[:limit]

    def _with_evidence(self, interest: Interest, history: Sequence[Touched], terms: TermIndex | None) -> Interest:
        if interest.kind == "words":
            return interest
        if interest.kind == "term" and terms is not None:
            column = int(terms.columns.filter(pl.col("term") == interest.name)["column"][0])
            holds = terms.matrix[:, [column]].toarray().ravel() > 0
        else:
            column = int(self._entities.filter(pl.col("key") == interest.key)["column"][0])
            holds = self._matrix[:, [column]].toarray().ravel() > 0
        events = [t for t in history if holds[t.item]][:EVIDENCE]
        told = tuple(Evidence(self._titles[t.item], t.action, round(t.weight, 4), t.time) for t in events)
        return Interest(
            interest.kind, interest.name, interest.relation, interest.weight, interest.count, told, interest.key
        )


def _own_words(dataset: Dataset, user: int, mine: pl.DataFrame) -> tuple[str, ...]:
    described = dataset.users["description"][user]
    said = mine["text"].drop_nulls().reverse().to_list()
    return tuple(dict.fromkeys(text for text in (described, *said) if text and text.strip()))


def _words(mine: pl.DataFrame) -> tuple[Interest, ...]:
    """Return what was searched for: the user's own words for a taste."""
    searched = mine.filter((pl.col("action") == "search") & pl.col("text").is_not_null()).reverse()
    found: list[Interest] = []
    for text, time in searched.select("text", "time").iter_rows():
        words = plain(text)
        if safe_name(words) and len(words) <= 40 and words not in [i.name for i in found]:
            told = (Evidence(words, "search", 1.0, time),)
            found.append(Interest("words", words, "", 0.1 / (1 + len(found)), 1, told))
    return tuple(found[:3])


def _of_terms(
    terms: TermIndex | None, items: NDArray[np.int64], weights: NDArray[np.float64], limit: int
) -> list[Interest]:
    if terms is None:
        return []
    part = terms.matrix[items]
    scores = np.asarray(part.T @ weights).ravel()
    counts = np.asarray((part > 0).sum(axis=0)).ravel()
    total = float(scores.sum()) or 1.0
    best = [int(c) for c in np.argsort(-scores, kind="stable")[:limit] if scores[c] > 0 and counts[c] > 1]
    return [Interest("term", str(terms.terms[c]), "", float(scores[c]) / total, int(counts[c])) for c in best]
