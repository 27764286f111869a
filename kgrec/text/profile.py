"""The profile of a user, for `info`, `profile` and texts: what they touched, what it has in common, their own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS, LOVE, Domain
from kgrec.plugin.generation import Evidence, Interest
from kgrec.shown import html_table
from kgrec.text.sanitize import plain, safe_name
from kgrec.text.sentiment import polarity
from kgrec.text.terms import TermIndex
from kgrec.types import canonical_id

HALF_LIFE = 20
"""After how many newer interactions of the same user one counts half; works with and without times."""

CATEGORY_SHARE = 0.05
"""An entity that more than this share of the items have is a category."""

TOO_COMMON = 0.6
"""What more than this share of the items have tells nothing of a taste."""

EVIDENCE = 3
"""Events that are named for an interest."""

BLAME = 0.25
"""A touched item that the user's own comment blames counts so much."""

RATINGS = ("rate", "comment")
"""Actions whose value is a rating."""

LOVED, LIKED = 0.85, 0.6
"""What was rated so well, from 0 to 1 of the scale, was loved, or liked."""

SEARCHES = 3
"""Searches that are interests, the newest ones."""

LONGEST_SEARCH = 40
"""Characters of a search that is an interest."""

N_INTERESTS = 12

KNOWN_INTERESTS = 24
"""Interests that :meth:`Profiler.facts` tells."""


@dataclass(frozen=True, slots=True)
class Touched:
    """An item of a user's history.

    Attributes:
        item: its position.
        action: the strongest action on it.
        weight: how much it counts.
        time: when it was last touched, unix seconds.
        liked: how much by the user's own rating, from 0 to 1 of the scale; 0 where their comment blames it; None where
            neither tells.
    """

    item: int
    action: str
    weight: float
    time: int | None
    liked: float | None = None

    @property
    def told(self) -> str:
        """The action as it is told: a good rating is a liking."""
        return told_action(self.action, self.liked)


@dataclass(frozen=True)
class UserProfile:
    """A user's interests.

    Attributes:
        user_id: whose.
        interests: strongest first.
        history: touched items by position, strongest first.
        counts: key of an entity -> how many touched items have it.
        own_words: description, comments and searches, newest first.
        incidence: which touched item (row, in the order of ``history``) has which entity (column), CSC; or None.
        columns: key of an entity -> its column.
    """

    user_id: str
    interests: tuple[Interest, ...] = ()
    history: Mapping[int, Touched] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    own_words: tuple[str, ...] = ()
    incidence: csc_array | None = field(default=None, repr=False, compare=False)
    columns: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def _repr_html_(self) -> str:
        """Return the interests as a table, for notebooks."""
        rows = ((one.name, one.kind, f"{one.weight:.3f}", one.count) for one in self.interests)
        told = f"{self.user_id}: {len(self.history)} items" if self.user_id else f"{len(self.history)} items"
        return html_table(("interest", "kind", "weight", "items"), rows, told)

    def touched_with(self, key: str) -> list[Touched]:
        """Return the touched items that have the entity of this key, strongest first."""
        column = self.columns.get(key)
        if self.incidence is None or column is None:
            return []
        start, end = self.incidence.indptr[column : column + 2]
        history = list(self.history.values())
        return [history[row] for row in sorted(self.incidence.indices[start:end].tolist())]


class Profiler:
    """Describes users; what all profiles share is made once, when it is first needed.

    Args:
        dataset: the tables; rows of the split ``test`` are not looked at.
        entities: returns what items are joined with: ``item`` (position), ``node``, ``relation``, ``key``, ``label``.
        terms: returns the TF-IDF of the items' texts.
        action_weights: how strongly each action counts; the built-in weights where it names none.
    """

    def __init__(
        self,
        dataset: Dataset,
        entities: Callable[[], pl.DataFrame],
        terms: Callable[[], TermIndex],
        *,
        action_weights: Mapping[str, float] = DEFAULT_ACTION_WEIGHTS,
    ) -> None:
        self._dataset, self._load_entities, self._load_terms = dataset, entities, terms
        self._weights = {**DEFAULT_ACTION_WEIGHTS, **action_weights}
        self._rows = dataset.interactions.filter(pl.col("split") != "test")
        self._scale = rating_scale(self._rows)

    @classmethod
    def of(
        cls, dataset: Dataset, config: Config, domain: Domain, entities: Callable[[], pl.DataFrame], cache: Path
    ) -> Self:
        """Return the profiler of a workspace; the terms of its items' texts are kept in the folder ``cache``."""
        from kgrec.text.item_text import item_texts

        def terms() -> TermIndex:
            texts = item_texts(dataset, None, config.text.item_template, domain)
            return TermIndex.cached(texts, cache / "text" / "terms.safetensors")

        own = {str(action): weight for action, weight in config.feedback.action_weights.items()}
        return cls(dataset, entities, terms, action_weights={**domain.action_weights, **own})

    def facts(self, user_id: str) -> dict[str, Any]:
        """Return what the tables hold of a user and the first interests, as JSON values."""
        profile = self.profile(user_id, limit=KNOWN_INTERESTS)
        position = int(self._dataset.user_positions([profile.user_id])[0])
        terms, entities = (
            {one.name: round(one.weight, 3) for one in profile.interests if one.kind in kinds}
            for kinds in (("term",), ("entity", "category"))
        )
        return {
            "user_id": profile.user_id,
            **self._dataset.user_facts(position),
            "terms": terms,
            "entities": entities,
            "own_words": " ".join(profile.own_words),
        }

    def profile(
        self, user_id: str, *, limit: int = N_INTERESTS, terms: bool = True, evidence: bool = True
    ) -> UserProfile:
        """Describe a user.

        Args:
            user_id: the user's id.
            limit: interests at most.
            terms: words of the items' texts are interests, too.
            evidence: name the events behind each interest.

        Raises:
            NotFoundError: the user is unknown.
        """
        user = int(self._dataset.user_positions([canonical_id(user_id)])[0])
        mine = self._rows.filter(pl.col("user") == user)
        name, description = self._dataset.users.select("user_id", "description").row(user)
        said = _distinct([description, *mine["text"].drop_nulls().reverse().to_list()])
        history, found = self._history(mine), list(_searches(mine))
        if not history:
            return UserProfile(name, tuple(found[:limit]), own_words=said)
        items, weights = np.array([t.item for t in history]), np.array([t.weight for t in history])
        found = [*self.shared(items, weights, limit=limit, terms=terms), *found]
        found = sorted(found, key=lambda interest: -interest.weight)[:limit]
        if evidence:
            found = [self._with_evidence(interest, history) for interest in found]
        incidence = csc_array(self._matrix[items])
        keys, counts = self._entities["key"], np.diff(incidence.indptr)
        known = {str(keys[int(c)]): int(counts[c]) for c in np.flatnonzero(counts)}
        return UserProfile(name, tuple(found), {t.item: t for t in history}, known, said, incidence, self._columns)

    def shared(
        self, items: NDArray[np.int64], weights: NDArray[np.float64], *, limit: int = N_INTERESTS, terms: bool = True
    ) -> list[Interest]:
        """Return what weighted items have in common, strongest first, without evidence.

        Args:
            items: positions, each once, shape ``(k,)``.
            weights: of each, shape ``(k,)``.
            limit: entities and terms at most, each.
            terms: words of the items' texts, too.
        """
        found = self._of_entities(items, weights, limit)
        found += self._of_terms(items, weights, limit) if terms else []
        return sorted(found, key=lambda interest: -interest.weight)

    @cached_property
    def _pairs(self) -> pl.DataFrame:
        return self._load_entities()

    @cached_property
    def _entities(self) -> pl.DataFrame:
        """The entities: ``column``, ``node``, ``key``, ``label``, ``degree``, main ``relation``, ``share`` of items."""
        pairs = self._pairs
        linked = max(pairs["item"].n_unique(), 1)
        counted = pairs.group_by("node", "relation").len()
        counted = counted.sort(["node", "len", "relation"], descending=[False, True, False])
        commonest = counted.unique("node", keep="first", maintain_order=True).select("node", "relation")
        found = pairs.group_by("node").agg(pl.col("key", "label").first(), pl.col("item").n_unique().alias("degree"))
        found = found.join(commonest, on="node").sort("node").with_columns(share=pl.col("degree") / linked)
        return found.with_row_index("column")

    @cached_property
    def _matrix(self) -> csr_array:
        """Which items have which entity, CSR of shape ``(n_items, n_entities)``."""
        pairs = self._pairs.select("item", "node").unique().join(self._entities.select("node", "column"), on="node")
        entries = (np.ones(pairs.height, dtype=np.float64), (pairs["item"].to_numpy(), pairs["column"].to_numpy()))
        return csr_array(entries, shape=(self._dataset.n_items, self._entities.height))

    @cached_property
    def _columns(self) -> Mapping[str, int]:
        return dict(self._entities.select("key", "column").iter_rows())

    @cached_property
    def _idf(self) -> NDArray[np.float64]:
        return np.log((1 + self._dataset.n_items) / (1 + self._entities["degree"].to_numpy()))

    @cached_property
    def _terms(self) -> TermIndex:
        return self._load_terms()

    @cached_property
    def _titles(self) -> list[str]:
        return self._dataset.items.select(pl.coalesce("title", "item_id")).to_series().to_list()

    def _history(self, mine: pl.DataFrame) -> list[Touched]:
        if not mine["item"].count():
            return []
        strongest = (
            mine.drop_nulls("item")
            .with_columns(order=pl.col("action").replace_strict(self._weights, default=1.0, return_dtype=pl.Float64))
            .sort("order", descending=True, maintain_order=True)
            .group_by("item", maintain_order=True)
            .agg(pl.col("action").first(), pl.col("time").max(), pl.col("value").drop_nulls().last())
        )
        rows = strongest.join(_weighted_items(mine, self._weights, self._scale), on="item", maintain_order="left")
        comments = dict(
            mine.drop_nulls(["item", "text"]).group_by("item").agg(pl.col("text").str.join(" ")).iter_rows()
        )
        blamed = {item for item, said in comments.items() if polarity(said) < 0}
        rated = rows.select(liked(pl.col("action"), pl.col("value"), self._scale))["liked"]
        touched = [
            Touched(item, action, weight * (BLAME if item in blamed else 1.0), time, 0.0 if item in blamed else value)
            for (item, action, time, weight), value in zip(
                rows.select("item", "action", "time", "weight").iter_rows(), rated, strict=True
            )
        ]
        return sorted(touched, key=lambda t: (-t.weight, t.item))

    def _of_entities(self, items: NDArray[np.int64], weights: NDArray[np.float64], limit: int) -> list[Interest]:
        part = self._matrix[items]
        counts = np.asarray((part > 0).sum(axis=0)).ravel()
        scores = np.asarray(part.T @ weights).ravel() * self._idf
        scores[self._entities["share"].to_numpy() > TOO_COMMON] = 0.0
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

    def _of_terms(self, items: NDArray[np.int64], weights: NDArray[np.float64], limit: int) -> list[Interest]:
        part = self._terms.matrix[items]
        scores = np.asarray(part.T @ weights).ravel()
        counts = np.asarray((part > 0).sum(axis=0)).ravel()
        total = float(scores.sum()) or 1.0
        best = [int(c) for c in np.argsort(-scores, kind="stable")[:limit] if scores[c] > 0 and counts[c] > 1]
        names = self._terms.terms
        return [Interest("term", str(names[c]), "", float(scores[c]) / total, int(counts[c])) for c in best]

    def _with_evidence(self, interest: Interest, history: Sequence[Touched]) -> Interest:
        if interest.kind == "words":
            return interest
        if interest.kind == "term":
            column = int(self._terms.columns.filter(pl.col("term") == interest.name)["column"][0])
            holds = self._terms.matrix[:, [column]].toarray().ravel() > 0
        else:
            holds = self._matrix[:, [self._columns[interest.key]]].toarray().ravel() > 0
        events = [t for t in history if holds[t.item]][:EVIDENCE]
        told = tuple(Evidence(self._titles[t.item], t.action, round(t.weight, 4), t.time) for t in events)
        return replace(interest, evidence=told)


def own_words(dataset: Dataset, rows: pl.Series | None = None) -> list[str]:
    """Return the own words of every user (description, then comments and searches, newest first), empty where none.

    Args:
        dataset: the tables.
        rows: boolean, one an interaction: those whose texts may be used; default: the training rows.
    """
    allowed = dataset.interactions["split"] == "train" if rows is None else rows
    spoken = dataset.interactions.filter(allowed).select("user", "text").drop_nulls("text").reverse()
    users = pl.DataFrame({"user": pl.int_range(dataset.n_users, dtype=pl.UInt32, eager=True)})
    described = users.with_columns(dataset.users["description"].alias("text")).drop_nulls("text")
    said = pl.concat([described, spoken]).filter(pl.col("text").str.strip_chars() != "").unique(maintain_order=True)
    words = said.group_by("user", maintain_order=True).agg(pl.col("text").str.join(" "))
    return users.join(words, on="user", how="left", maintain_order="left")["text"].fill_null("").to_list()


def told_action(action: str, liked: float | None) -> str:
    """Return how an action is told: who rated something well loved it, or liked it.

    >>> told_action("rate", 1.0), told_action("comment", 0.7), told_action("rate", 0.2), told_action("view", 1.0)
    ('love', 'like', 'rate', 'view')
    """
    if liked is None or action not in RATINGS:
        return action
    return LOVE if liked >= LOVED else "like" if liked >= LIKED else action


def liked(action: pl.Expr, value: pl.Expr, scale: tuple[float, float]) -> pl.Expr:
    """Return the expression ``liked``: where a rating lies on the scale, from 0 to 1; null where there is none."""
    low, top = scale
    return pl.when(action.is_in(RATINGS)).then(((value - low) / (top - low)).clip(0, 1)).alias("liked")


def rating_scale(interactions: pl.DataFrame) -> tuple[float, float]:
    """Return the lowest and the highest rating; where they do not differ, a scale on which each of them is a like."""
    values = interactions.filter(pl.col("action").is_in(RATINGS))["value"].drop_nulls().to_numpy()
    if not len(values) or values.min() == values.max():
        return 0.0, float(values.max()) if len(values) and values.max() > 0 else 1.0
    return float(values.min()), float(values.max())


def _weighted_items(
    mine: pl.DataFrame, action_weights: Mapping[str, float], scale: tuple[float, float]
) -> pl.DataFrame:
    """Return ``item`` and ``weight`` of a user's rows: action times rating (0 to 1 over the scale) times recency."""
    low, top = scale
    is_rating = pl.col("action").is_in(RATINGS) & pl.col("value").is_not_null()
    value = pl.when(is_rating).then((pl.col("value") - low) / (top - low)).otherwise(1.0)
    newer = pl.int_range(pl.len()).reverse()
    weight = pl.col("action").replace_strict(action_weights, default=1.0, return_dtype=pl.Float64)
    return (
        mine.drop_nulls("item")
        .with_columns((weight * value * 0.5 ** (newer / HALF_LIFE)).alias("weight"))
        .group_by("item", maintain_order=True)
        .agg(pl.col("weight").sum())
        .filter(pl.col("weight") > 0)
    )


def _searches(mine: pl.DataFrame) -> list[Interest]:
    """Return what was searched for: the user's own words for a taste."""
    searched = mine.filter((pl.col("action") == "search") & pl.col("text").is_not_null()).reverse()
    found: dict[str, Interest] = {}
    for text, time in searched.select("text", "time").iter_rows():
        words = plain(text)
        if safe_name(words) and len(words) <= LONGEST_SEARCH and words not in found:
            told = (Evidence(words, "search", 1.0, time),)
            found[words] = Interest("words", words, "", 0.1 / (1 + len(found)), 1, told)
    return list(found.values())[:SEARCHES]


def _distinct(texts: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text and text.strip()))
